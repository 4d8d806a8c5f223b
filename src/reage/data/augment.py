"""Batch augmentation on tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def random_affine(x: Tensor, *, degrees: float, scale: float, shift: float) -> Tensor:
    """Rotate, scale and shift each image of (B, 3, H, W) a little, at random; differentiable, edges mirrored.

    ``degrees`` and ``scale`` are the largest turn and relative change of size, ``shift`` is in parts of the side.
    """
    b = x.shape[0]
    angle = (torch.rand(b) * 2 - 1) * degrees * torch.pi / 180
    zoom = 1 + (torch.rand(b) * 2 - 1) * scale
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    move = (torch.rand(b, 2) * 2 - 1) * 2 * shift
    theta = torch.stack([cos, -sin, move[:, 0], sin, cos, move[:, 1]], 1).view(b, 2, 3).to(x.device)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid.to(x.dtype), padding_mode="reflection", align_corners=False)


def random_translate(x: Tensor, fraction: float) -> Tensor:
    """Shift the whole batch (B, C, H, W) by up to ``fraction`` of its side, edges mirrored (one shift a batch).

    Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020, with whole pixels.
    """
    reach = int(x.shape[-1] * fraction)
    if not reach:
        return x
    dy, dx = (int(v) for v in torch.randint(-reach, reach + 1, (2,)))
    padded = F.pad(x, (reach, reach, reach, reach), mode="reflect")
    return padded[:, :, reach + dy : reach + dy + x.shape[2], reach + dx : reach + dx + x.shape[3]]


def random_colour(x: Tensor, strength: float) -> Tensor:
    """Change brightness, contrast and saturation of each image of (B, 3, H, W) in [-1, 1] by up to ``strength``."""
    b = x.shape[0]

    def draw() -> Tensor:
        return (torch.rand(b, 1, 1, 1, device=x.device) * 2 - 1) * strength

    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (1 + draw()) + draw() * 0.5
    grey = x.mean(1, keepdim=True)
    return (grey + (x - grey) * (1 + draw())).clamp(-1, 1)
