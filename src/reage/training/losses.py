"""Losses: each a small function that cites its equation. They compute in float32 whatever the networks run in.

Each returns a scalar, the mean over the batch, unless it says otherwise. B is the batch, S the side of a face in px.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.networks.age_net import BINS, expected_age
from reage.training.editing import gaussian_blur


def logistic_loss(logits: Tensor, *, real: bool) -> Tensor:
    """The critic's loss: ``softplus(-D(x))`` on faces that are real, ``softplus(D(x))`` on those that are not.

    It is the binary cross entropy of Goodfellow et al., "Generative Adversarial Networks", 2014, equation 1.
    ``logits`` may have any shape; large ones mean "real".
    """
    logits = logits.float()
    return F.softplus(-logits if real else logits).mean()


def nonsaturating_loss(fake_logits: Tensor) -> Tensor:
    """The generator's loss: ``softplus(-D(G(x)))``, small where the critic takes the generated face for real.

    Goodfellow et al., 2014, section 3: unlike the negated loss of the critic, it keeps its gradient where the critic
    is sure. ``fake_logits`` may have any shape.
    """
    return logistic_loss(fake_logits, real=True)


def relativistic_loss(logits: list[Tensor], reference: list[Tensor], mask: Tensor) -> Tensor:
    """``softplus(D(reference) - D(x))``, place by place: small where the critic finds ``x`` more real.

    Jolicoeur-Martineau, "The relativistic discriminator", 2018, in its paired form: each edited face against its own
    source, so that what differs is the edit alone. The critic passes the source's logits first, the generator those
    of the edited face.

    Args:
        logits: for each depth of the critic, what it says of each place of ``x``: (B, 1, h, w).
        reference: the same of the faces to compare with.
        mask: (B, 1, S, S) in [0, 1]; only places that lie on the face count. Every depth has the same weight.
    """
    return _mean_on_face(logits, reference, mask, lambda difference: F.softplus(-difference).mean())


def paired_loss(logits: Tensor, reference: Tensor) -> Tensor:
    """``softplus(reference - logits)``: small where each face looks more real than the one it is paired with.

    `relativistic_loss` for one logit a face: ``logits`` and ``reference`` are (B,).
    """
    return F.softplus(reference.float() - logits.float()).mean()


def pairwise_accuracy(real: list[Tensor], fake: list[Tensor], mask: Tensor) -> Tensor:
    """Share of places where the critic finds the real face more real than the edited one; 0.5 is chance.

    A figure for the log, without a gradient. The arguments are those of `relativistic_loss`.
    """
    return _mean_on_face(real, fake, mask, lambda difference: (difference > 0).float().mean())


def _mean_on_face(
    logits: list[Tensor], reference: list[Tensor], mask: Tensor, measure: Callable[[Tensor], Tensor]
) -> Tensor:
    depths = []
    for ours, theirs in zip(logits, reference, strict=True):
        on_face = F.adaptive_avg_pool2d(mask, (ours.shape[2], ours.shape[3])) > 0.5
        depths.append(measure((ours.float() - theirs.float())[on_face]))
    return torch.stack(depths).mean()


def least_squares_loss(logits: Tensor, target: float) -> Tensor:
    """``mean (D(x) - target)^2``, for logits of any shape.

    Mao et al., "Least Squares Generative Adversarial Networks", 2017: the critic's targets are 1 for real and 0 for
    fake faces, the generator's is 1.
    """
    return (logits.float() - target).square().mean()


def feature_matching_loss(maps: list[Tensor], reference: list[Tensor]) -> Tensor:
    """Mean L1 distance between a discriminator's feature maps of two batches, face by face.

    Salimans et al., "Improved Techniques for Training GANs", 2016, as in Wang et al., "High-Resolution Image
    Synthesis ... with Conditional GANs" (pix2pixHD), 2018. Each map is (B, C, h, w); each has the same weight.
    """
    return torch.stack([F.l1_loss(a.float(), b.float()) for a, b in zip(maps, reference, strict=True)]).mean()


def cosine_distance(one: Tensor, other: Tensor) -> Tensor:
    """``1 - cos(one, other)`` between embeddings (B, L): 0 where they point the same way, 2 where opposite."""
    return (1 - F.cosine_similarity(one.float(), other.float(), dim=1)).mean()


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """``mean |grad_x D(x)|^2`` at real faces; the weight, with its factor 1/2, is the caller's.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018, equation 9.

    Args:
        real_logits: one logit a face: (B,).
        real: the faces they were computed from, (B, 3, S, S); must require a gradient.
    """
    (gradient,) = torch.autograd.grad(real_logits.float().sum(), real, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean()


def soft_age_cross_entropy(logits: Tensor, age: Tensor, width: float = 2.5) -> Tensor:
    """Cross entropy against a Gaussian around the true age instead of one year alone.

    Gao et al., "Deep Label Distribution Learning", 2017.

    Args:
        logits: of each year from 0 to 100: (B, 101).
        age: true ages in years: (B,). Those above 100 count as 100.
        width: standard deviation of the Gaussian, in years.
    """
    years = torch.arange(BINS, dtype=torch.float32, device=logits.device)
    target = F.softmax(-0.5 * ((years - age[:, None].clamp(0, BINS - 1)) / width) ** 2, 1)
    return -(target * F.log_softmax(logits.float(), 1)).sum(1).mean()


def age_distance(logits: Tensor, age: Tensor, scale: float = 10.0) -> Tensor:
    """``|E[age] - target| / scale`` of each face: logits (B, 101), target ages (B,) in years -> (B,)."""
    return (expected_age(logits) - age).abs() / scale


def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels of (B, C, H, W), along rows plus along columns.

    The anisotropic form of Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal", 1992.
    """
    return (x[..., 1:, :] - x[..., :-1, :]).abs().mean() + (x[..., :, 1:] - x[..., :, :-1]).abs().mean()


def opponent_colours(difference: Tensor) -> Tensor:
    """Differences in brightness, of red to green, and of yellow to blue: RGB (B, 3, H, W) -> (B, 3, H, W)."""
    red, green, blue = difference.unbind(1)
    return torch.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue], 1)


def spots(change: Tensor, sigma: float) -> Tensor:
    """The strength of spots of about ``sigma`` pixels at each place of each channel: (B, C, S, S) -> (B, C, S, S).

    Dark and light ones count alike. It is ``sigma^2 sqrt(det H)`` with the Hessian H of the blurred change, or 0 where
    that determinant is negative: the detector of blobs of Lindeberg, "Feature detection with automatic scale
    selection", 1998. A fold is no spot: along it nothing changes, so that the determinant vanishes. A spot
    ``a exp(-r^2 / 2 sigma^2)`` has |a| / 4 in its middle.
    """
    smooth = F.pad(gaussian_blur(change, sigma), (2, 2, 2, 2), mode="replicate")
    middle = 2 * smooth[..., 2:-2, 2:-2]
    # Central differences taken twice, also along one axis: for folds in both diagonals, too, the terms then cancel.
    across = (smooth[..., 2:-2, 4:] - middle + smooth[..., 2:-2, :-4]) / 4
    down = (smooth[..., 4:, 2:-2] - middle + smooth[..., :-4, 2:-2]) / 4
    mixed = (
        smooth[..., 3:-1, 3:-1] - smooth[..., 3:-1, 1:-3] - smooth[..., 1:-3, 3:-1] + smooth[..., 1:-3, 1:-3]
    )
    determinant = across * down - (mixed / 4) ** 2
    return sigma**2 * torch.where(determinant > 1e-12, determinant.clamp(min=1e-12).sqrt(), 0.0)
