"""Batch augmentation on tensors. What is random is drawn beforehand with numpy, for a whole step at once: the step
is then the same however it is divided among processes."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from reage.arrays import Float32


def draw_affine(
    count: int, rng: np.random.Generator, *, degrees: float, zoom: tuple[float, float], shift: float
) -> Float32:
    """``count`` affine matrices (count, 2, 3) for `warp_affine`.

    ``degrees`` is the largest turn, ``zoom`` the range of magnifications and ``shift`` the largest move in
    parts of the side.
    """
    angle = np.deg2rad(rng.uniform(-degrees, degrees, count))
    step = 1 / rng.uniform(*zoom, count)
    move = rng.uniform(-2 * shift, 2 * shift, (count, 2))
    cos, sin = np.cos(angle) * step, np.sin(angle) * step
    rows = [np.stack([cos, -sin, move[:, 0]], 1), np.stack([sin, cos, move[:, 1]], 1)]
    return np.stack(rows, 1).astype(np.float32)


def draw_crop(count: int, rng: np.random.Generator, *, degrees: float, margin: float) -> Float32:
    """Matrices for `warp_affine` that resize to ``1 + margin`` times the side, turn, and crop at random."""
    zoom = 1 + margin
    return draw_affine(count, rng, degrees=degrees, zoom=(zoom, zoom), shift=0.5 * (1 - 1 / zoom))


def warp_affine(x: Tensor, matrices: Tensor) -> Tensor:
    """Images (B, C, H, W) moved by ``matrices`` (B, 2, 3) in the convention of `F.affine_grid`.

    Bilinear, edges mirrored, differentiable.
    """
    grid = F.affine_grid(matrices.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid.to(x.dtype), padding_mode="reflection", align_corners=False)


def draw_shift(rng: np.random.Generator, *, reach: int) -> tuple[int, int]:
    """Rows and columns for `translate`, each at most ``reach``."""
    dy, dx = rng.integers(-reach, reach + 1, 2)
    return int(dy), int(dx)


def translate(x: Tensor, shift: tuple[int, int]) -> Tensor:
    """The whole batch (B, C, H, W) moved by whole pixels (rows, columns), edges mirrored.

    Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
    """
    reach = max(abs(part) for part in shift)
    if not reach:
        return x
    dy, dx = shift
    padded = F.pad(x, (reach, reach, reach, reach), mode="reflect")
    return padded[:, :, reach + dy : reach + dy + x.shape[2], reach + dx : reach + dx + x.shape[3]]


def draw_colour(count: int, rng: np.random.Generator, *, strength: float) -> Float32:
    """Changes (count, 3) of contrast, brightness and saturation for `shift_colour`, each up to ``strength``."""
    return rng.uniform(-strength, strength, (count, 3)).astype(np.float32)


def shift_colour(x: Tensor, changes: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] with contrast, brightness and saturation changed by ``changes`` (B, 3)."""
    contrast, brightness, saturation = changes.to(x.device)[:, :, None, None, None].unbind(1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (1 + contrast) + brightness * 0.5
    grey = x.mean(1, keepdim=True)
    return (grey + (x - grey) * (1 + saturation)).clamp(-1, 1)
