"""Worst-case small changes of a face: what a robust network is trained against, and what its gradients show.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018; that the gradients of networks
trained so mean something to people: Santurkar et al., "Image Synthesis with a Single (Robust) Classifier", 2019.
A change is measured by its L2 norm over the whole face, in units of an image in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def ascend(change: Tensor, gradient: Tensor, *, step: float, radius: float) -> Tensor:
    """``change`` after one step of length ``step`` along ``gradient``, drawn back into the ball of ``radius``.

    Shapes: change and gradient (B, 3, S, S) -> (B, 3, S, S). A face whose gradient is zero stays where it is.
    """
    moved = change + step * _unit(gradient.float())
    length = moved.flatten(1).norm(dim=1).clamp(min=1e-12)
    within: Tensor = moved * (radius / length).clamp(max=1)[:, None, None, None]
    return within


def steepest_change(loss: Callable[[Tensor], Tensor], face: Tensor, *, radius: float, steps: int) -> Tensor:
    """The change (B, 3, S, S) within ``radius`` that raises ``loss`` of the changed faces most, by ascent from zero.

    ``loss`` takes faces (B, 3, S, S) in [-1, 1] and returns one number a face (B,) or their sum.
    """
    change = torch.zeros_like(face)
    for _ in range(steps):
        with torch.enable_grad():
            change.requires_grad_()
            (gradient,) = torch.autograd.grad(loss((face + change).clamp(-1, 1)).sum(), change)
        change = ascend(change.detach(), gradient, step=2.5 * radius / steps, radius=radius)
    return change


def _unit(gradient: Tensor) -> Tensor:
    length = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)
    unit: Tensor = gradient / length[:, None, None, None]
    return unit
