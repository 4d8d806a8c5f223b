"""Adversarial perturbations: small changes of a face that raise a loss most, found by projected gradient ascent.

A network is made robust by training against them (Madry et al., "Towards Deep Learning Models Resistant to Adversarial
Attacks", 2018). The gradients of a robust network mean something to people (Santurkar et al., "Image Synthesis with a
Single (Robust) Classifier", 2019). The size of a perturbation is its L2 norm over the whole face, in units of an image
in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def ascent_step(perturbation: Tensor, gradient: Tensor, *, length: float, radius: float) -> Tensor:
    """One step of projected gradient ascent: along the gradient, then back into the ball of ``radius``.

    Shapes: perturbation and gradient (B, 3, S, S) -> (B, 3, S, S).

    Args:
        perturbation: the current one.
        gradient: of the loss with respect to it; where it is zero for a face, that face's perturbation stays.
        length: L2 norm of the step.
        radius: largest L2 norm of the result.
    """
    gradient = gradient.float()
    moved = perturbation + length * (gradient / _norm(gradient))
    within: Tensor = moved * (radius / _norm(moved)).clamp(max=1)
    return within


def projected_ascent(loss: Callable[[Tensor], Tensor], face: Tensor, *, radius: float, steps: int) -> Tensor:
    """The perturbation of ``face`` that raises ``loss`` most, as far as ``steps`` of gradient ascent from zero find it.

    Args:
        loss: takes faces (B, 3, S, S) in [-1, 1] and returns a number for each (B,), or their sum.
        face: faces (B, 3, S, S) in [-1, 1]; perturbed faces are clamped to that range before ``loss`` sees them.
        radius: largest L2 norm of the perturbation of a face.
        steps: how many steps, each of length ``2.5 radius / steps``.

    Returns:
        The perturbation, (B, 3, S, S); gradients of other tensors are left as they were.
    """
    perturbation = torch.zeros_like(face)
    for _ in range(steps):
        with torch.enable_grad():
            perturbation.requires_grad_()
            (gradient,) = torch.autograd.grad(loss((face + perturbation).clamp(-1, 1)).sum(), perturbation)
        perturbation = ascent_step(
            perturbation.detach(), gradient, length=2.5 * radius / steps, radius=radius
        )
    return perturbation


def _norm(x: Tensor) -> Tensor:
    """The L2 norm of each face, (B, 1, 1, 1), and never zero."""
    norm: Tensor = x.flatten(1).norm(dim=1).clamp(min=1e-12)
    return norm[:, None, None, None]
