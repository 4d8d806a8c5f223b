"""Augmentation of batches of faces: geometry and colour, as pairs of a drawing and an applying function.

The random parameters are drawn with numpy, for a whole training step at once, and applied to tensors afterwards: so a
step is the same however its faces are divided among processes.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.arrays import Float32, Float64


def draw_affine(
    count: int, rng: np.random.Generator, *, degrees: float, zoom: tuple[float, float], shift: float
) -> Float32:
    """Draw random affine matrices (count, 2, 3) for `warp_affine`.

    Args:
        count: how many.
        rng: the source of randomness.
        degrees: the largest rotation, either way.
        zoom: the smallest and the largest magnification.
        shift: the largest shift along each axis, as a fraction of the side.
    """
    angle = np.deg2rad(rng.uniform(-degrees, degrees, count))
    step = 1 / rng.uniform(*zoom, count)
    return _similarities(angle, step, rng.uniform(-2 * shift, 2 * shift, (count, 2)))


def _similarities(angle: Float64, step: Float64, move: Float64) -> Float32:
    """Matrices (N, 2, 3) that turn by ``angle`` (N,) in radians, scale by ``step`` (N,) and then shift by (N, 2)."""
    cos, sin = np.cos(angle) * step, np.sin(angle) * step
    rows = [np.stack([cos, -sin, move[:, 0]], 1), np.stack([sin, cos, move[:, 1]], 1)]
    return np.stack(rows, 1).astype(np.float32)


def draw_crop(
    count: int, rng: np.random.Generator, *, turn: tuple[float, float], zoom: float, margin: float
) -> Float32:
    """Draw random crops as matrices (count, 2, 3) for `warp_affine`.

    The middle of the face, its side divided by ``zoom``, is enlarged to ``1 + margin`` times the side of the face; a
    window of the side of the face is cut out of that at a random place, and turned about its own middle by an angle
    between ``turn``, in degrees counterclockwise.
    """
    angle = np.deg2rad(rng.uniform(*turn, count))
    step = 1 / (zoom * (1 + margin))
    move = rng.uniform(-1, 1, (count, 2)) * (1 / zoom - step)
    return _similarities(angle, np.full(count, step), move)


def centre_crop(count: int, *, zoom: float, margin: float) -> Float32:
    """The crop of `draw_crop` without its randomness, as matrices (count, 2, 3) for `warp_affine`."""
    step = 1 / (zoom * (1 + margin))
    return np.tile(np.array([[step, 0, 0], [0, step, 0]], np.float32), (count, 1, 1))


def blacken_corners(x: Tensor, matrices: Tensor) -> Tensor:
    """Blacken what turning uncovers: where images (B, C, H, W) in [-1, 1] lie outside of their turned window.

    ``matrices`` (B, 2, 3) of `draw_crop` are those by which the images were warped.
    """
    linear = matrices[:, :, :2].to(x.device)
    turned = F.pad(linear / torch.linalg.det(linear).sqrt()[:, None, None], (0, 1))
    grid = F.affine_grid(turned, list(x.shape), align_corners=False)
    inside = (grid.abs() <= 1).all(3)[:, None]
    return torch.where(inside, x, torch.full_like(x, -1))


def warp_affine(x: Tensor, matrices: Tensor) -> Tensor:
    """Warp images (B, C, H, W) by ``matrices`` (B, 2, 3), which map output to input as in `F.affine_grid`.

    Bilinear, with mirrored edges, and differentiable in ``x``.
    """
    grid = F.affine_grid(matrices.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid.to(x.dtype), padding_mode="reflection", align_corners=False)


def draw_shift(rng: np.random.Generator, *, reach: int) -> tuple[int, int]:
    """Draw a shift (rows, columns) for `translate`: whole pixels, each at most ``reach`` either way."""
    dy, dx = rng.integers(-reach, reach + 1, 2)
    return int(dy), int(dx)


def translate(x: Tensor, shift: tuple[int, int]) -> Tensor:
    """Shift a whole batch (B, C, H, W) by the same whole pixels (rows, columns), with mirrored edges.

    Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
    """
    reach = max(abs(part) for part in shift)
    if not reach:
        return x
    dy, dx = shift
    padded = F.pad(x, (reach, reach, reach, reach), mode="reflect")
    return padded[:, :, reach + dy : reach + dy + x.shape[2], reach + dx : reach + dx + x.shape[3]]


def draw_colour(count: int, rng: np.random.Generator, *, strength: float) -> Float32:
    """Draw changes (count, 3) of contrast, brightness and saturation for `shift_colour`, each in +-``strength``."""
    return rng.uniform(-strength, strength, (count, 3)).astype(np.float32)


def draw_blotches(count: int, rng: np.random.Generator, *, size: int, strength: float) -> Float32:
    """Draw random blotches to add to faces of ``size`` px in [-1, 1]: (count, 1, size, size).

    They look like the stains that networks paint on smooth skin when an age network is to be pleased: fields of noise,
    blurred by 2 to 6 % of the side, of which in some only the peaks are left. The root mean square of each is at most
    ``strength``.
    """
    fields = np.empty((count, 1, size, size), np.float32)
    sigmas, thresholds = size * rng.uniform(0.02, 0.06, count), rng.uniform(0, 1.5, count)
    strengths = strength * rng.uniform(0, 1, count)
    for i in range(count):
        noise = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), sigmas[i])
        noise /= noise.std()
        peaks = np.sign(noise) * np.maximum(np.abs(noise) - thresholds[i], 0)
        fields[i, 0] = strengths[i] * peaks / peaks.std()
    return fields


def shift_colour(x: Tensor, changes: Tensor) -> Tensor:
    """Change contrast, brightness and saturation of images (B, 3, H, W) in [-1, 1] by ``changes`` (B, 3).

    Contrast and saturation are multiplied by 1 + their change; half the change of brightness is added. The result is
    clamped to [-1, 1].
    """
    contrast, brightness, saturation = changes.to(x.device)[:, :, None, None, None].unbind(1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (1 + contrast) + brightness * 0.5
    grey = x.mean(1, keepdim=True)
    return (grey + (x - grey) * (1 + saturation)).clamp(-1, 1)
