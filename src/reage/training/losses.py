"""Losses: each a small function that cites its equation. Tensors are float32 whatever the networks run in."""

from __future__ import annotations

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


def inside(logits: list[Tensor], mask: Tensor) -> Tensor:
    """The logits of places (B, 1, h, w), of several sizes, that lie on the faces of ``mask`` (B, 1, S, S); flat."""
    chosen = [x[F.adaptive_avg_pool2d(mask, (x.shape[2], x.shape[3])) > 0.5] for x in logits]
    return torch.cat([x.float().flatten() for x in chosen])


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
