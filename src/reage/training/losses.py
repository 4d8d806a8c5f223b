"""Losses: each a small function that cites its equation. Tensors are float32 whatever the networks run in."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.networks.age_net import BINS, expected_age


def taken_for_real(logits: Tensor) -> Tensor:
    """``softplus(-D)``: small where the critic says "real". Goodfellow et al., 2014: the generator's loss in
    its form with a gradient where the critic is sure (section 3), and the critic's own on real faces."""
    return F.softplus(-logits.float()).mean()


def taken_for_fake(logits: Tensor) -> Tensor:
    """``softplus(D)``: small where the critic says "fake"; the critic's loss on edited faces."""
    return F.softplus(logits.float()).mean()


def more_real(these: list[Tensor], those: list[Tensor], mask: Tensor) -> Tensor:
    """``softplus(D(those) - D(these))`` place by place: small where the critic finds ``these`` the more real.

    Jolicoeur-Martineau, "The relativistic discriminator", 2018, in its paired form, on logits of places
    (B, 1, h, w) of several sizes, each size with the same weight; only places on the faces of ``mask``
    (B, 1, S, S) count. Pairs are an edited face and its own source, so that what differs is the edit alone.
    """
    return _on_faces(these, those, mask, lambda gap: F.softplus(-gap).mean())


def lead(these: list[Tensor], those: list[Tensor], mask: Tensor) -> Tensor:
    """Share of places where the critic finds ``these`` more real than ``those``: 0.5 is chance. As `more_real`."""
    return _on_faces(these, those, mask, lambda gap: (gap > 0).float().mean())


def _on_faces(
    these: list[Tensor], those: list[Tensor], mask: Tensor, measure: Callable[[Tensor], Tensor]
) -> Tensor:
    levels = []
    for this, that in zip(these, those, strict=True):
        on_face = F.adaptive_avg_pool2d(mask, (this.shape[2], this.shape[3])) > 0.5
        levels.append(measure((this.float() - that.float())[on_face]))
    return torch.stack(levels).mean()


def least_squares(logits: Tensor, wanted: float) -> Tensor:
    """``mean (D - wanted)^2``: Mao et al., "Least Squares Generative Adversarial Networks", 2017."""
    return (logits.float() - wanted).square().mean()


def feature_matching(these: list[Tensor], those: list[Tensor]) -> Tensor:
    """Mean L1 between the maps a discriminator sees two faces in: Salimans et al., "Improved Techniques for
    Training GANs", 2016, face by face as Wang et al., "pix2pixHD", 2018."""
    return torch.stack([F.l1_loss(a.float(), b.float()) for a, b in zip(these, those, strict=True)]).mean()


def apart(these: Tensor, those: Tensor) -> Tensor:
    """``1 - cosine`` between two embeddings (B, L): zero where they point the same way."""
    return (1 - F.cosine_similarity(these.float(), those.float(), dim=1)).mean()


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """``mean |grad_x D(x)|^2`` at real faces: Mescheder et al., "Which Training Methods for GANs do actually
    Converge?", 2018, equation 9 (the factor is the caller's). ``real`` must require a gradient."""
    (gradient,) = torch.autograd.grad(real_logits.float().sum(), real, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean()


def soft_age_cross_entropy(logits: Tensor, age: Tensor, width: float = 2.5) -> Tensor:
    """Cross entropy against a Gaussian of ``width`` years around the label: Gao et al., "Deep Label
    Distribution Learning", 2017. Shapes (B, 101), (B,) years -> scalar."""
    years = torch.arange(BINS, dtype=torch.float32, device=logits.device)
    target = F.softmax(-0.5 * ((years - age[:, None].clamp(0, BINS - 1)) / width) ** 2, 1)
    return -(target * F.log_softmax(logits.float(), 1)).sum(1).mean()


def age_distance(logits: Tensor, age: Tensor, scale: float = 10.0) -> Tensor:
    """``|E[age] - target| / scale``, per face: shape (B,)."""
    return (expected_age(logits) - age).abs() / scale


def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbours: Rudin, Osher and Fatemi, 1992, anisotropic form."""
    return (x[..., 1:, :] - x[..., :-1, :]).abs().mean() + (x[..., :, 1:] - x[..., :, :-1]).abs().mean()
