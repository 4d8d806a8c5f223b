"""Tensors and pictures of faces: conversion, and an edit applied as `edit.compositing` applies it to a photograph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.data.sampling import FacePool


def to_tensor(images: Tensor) -> Tensor:
    """Pictures uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in [-1, 1], in channels-last memory format."""
    return images.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


def in_parts(
    pool: FacePool, chosen: npt.NDArray[np.intp], device: torch.device, *, size: int = 32, masks: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """The faces of ``pool`` with the indices ``chosen`` (N,), ``size`` at a time: (B, 3, S, S) in [-1, 1].

    With ``masks``, their masks (B, 1, S, S) come with them; else these have no size.
    """
    for start in range(0, len(chosen), size):
        faces = pool.take(chosen[start : start + size], masks=masks)
        face = to_tensor(torch.from_numpy(faces.images).to(device))
        yield face, torch.from_numpy(faces.masks)[:, None].to(device)


def to_uint8(faces: Tensor) -> Tensor:
    """The reverse of `to_tensor`, rounded and clamped: (B, 3, H, W) in [-1, 1] -> uint8 (B, H, W, 3)."""
    return (
        faces.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    )


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Blur by a Gaussian of ``sigma`` pixels, with mirrored edges. Shape: (B, C, H, W) -> (B, C, H, W)."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    taps = torch.exp(-0.5 * (offsets / sigma) ** 2)
    taps = (taps / taps.sum()).expand(x.shape[1], 1, -1)
    x = F.conv2d(F.pad(x, (0, 0, radius, radius), mode="reflect"), taps[..., None], groups=x.shape[1])
    return F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="reflect"), taps[:, :, None], groups=x.shape[1])


def apply_edit(face: Tensor, delta: Tensor, gain: Tensor, mask: Tensor, detail_sigma: float) -> Tensor:
    """Apply an edit under a mask: ``face + mask * (delta + gain * detail)`` with ``detail = face - blur(face)``.

    Shapes: face and delta (B, 3, S, S), gain and mask (B, 1, S, S) -> (B, 3, S, S), clamped to [-1, 1]. The blur is a
    Gaussian of ``detail_sigma`` pixels.
    """
    detail = face - gaussian_blur(face, detail_sigma)
    return (face + mask * (delta + gain * detail)).clamp(-1, 1)
