"""Lifts an edit made on the small aligned face to the photograph's own resolution and blends it in.

``out = low + up(delta) + (1 + up(gain)) * detail`` with ``detail = photo - low`` is the same as
``out = photo + up(delta) + up(gain) * detail``: only the change is computed, and added under a mask.
The photograph itself is never resampled, so what the mask leaves out stays equal to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32
from reage.face.alignment import apply_transform, invert_transform, warp

DETAIL_SIGMA = 1.5 / 128
"""Blur that separates detail from the rest of a face, in parts of the aligned frame's side."""

_BAND = 256
"""Rows blended at a time: memory stays small however large the photograph."""


@dataclass(frozen=True)
class Edit:
    """What a network changes in an aligned face of S pixels.

    ``delta`` (S, S, 3) float32 is a colour change in units of an image in [-1, 1]; ``gain`` (S, S) float32 a
    change of the face's own fine detail: -1 removes it, 0 keeps it, +1 doubles it.
    """

    delta: Float32
    gain: Float32

    def scaled(self, strength: float | Float32) -> Edit:
        """The same edit, ``strength`` times as strong: everywhere, or (S, S) at each place."""
        by = np.asarray(strength, np.float32)
        return Edit(self.delta * by[..., None], np.maximum(self.gain * by, -1))

    def without_colour(self) -> Edit:
        """The same edit with its change of luma alone (ITU-R BT.601): for black-and-white photographs."""
        luma = self.delta @ np.array([0.299, 0.587, 0.114], np.float32)
        return Edit(np.repeat(luma[..., None], 3, 2), self.gain)


@dataclass(frozen=True)
class AlignedFace:
    """A face in the aligned frame: ``pixels`` (S, S, 3) float32 in [-1, 1], ``mask`` (S, S) in [0, 1], and the
    transform ``matrix`` (2, 3) from the photo frame to this one."""

    pixels: Float32
    mask: Float32
    matrix: Float32

    @property
    def size(self) -> int:
        """Side in pixels."""
        return int(self.pixels.shape[0])

    @property
    def is_grey(self) -> bool:
        """Whether the face has no colour at all."""
        return bool((self.pixels == self.pixels[..., :1]).all())


def cut_face(pixels: npt.NDArray[Any], matrix: Float32, mask: Float32) -> AlignedFace:
    """The aligned face that ``matrix`` cuts from a photo (H, W, 3) of uint8 or uint16."""
    size = mask.shape[0]
    crop = warp(pixels, matrix, (size, size)).astype(np.float32)
    return AlignedFace(crop * (2 / _full(pixels)) - 1, mask, matrix)


def composite(
    photo: npt.NDArray[Any],
    out: npt.NDArray[Any],
    face: AlignedFace,
    edit: Edit,
    *,
    detail_sigma: float = DETAIL_SIGMA,
) -> None:
    """Add ``edit`` of ``face`` to ``out`` in place; ``photo`` is the unedited original.

    Both are (H, W, 3) uint8 or uint16, and ``out`` may be the deeper one; several faces are added one after the
    other, each seeing the original.
    """
    half, deeper = _full(out) / 2, _full(out) / _full(photo)
    for rows, columns, delta, gain, low in lift(photo.shape, face, edit, detail_sigma):
        tile = photo[rows, columns].astype(np.float32) * deeper
        change = delta * half + gain[..., None] * (tile - (low + 1) * half)
        merged = out[rows, columns].astype(np.float32) + change
        out[rows, columns] = np.clip(np.rint(merged), 0, _full(out)).astype(out.dtype)


def lift(
    shape: tuple[int, ...], face: AlignedFace, edit: Edit, detail_sigma: float
) -> Iterator[tuple[slice, slice, Float32, Float32, Float32]]:
    """The masked edit in the photo frame, band by band.

    Yields rows, columns, delta (h, w, 3), gain (h, w) and low (h, w, 3), all in units of [-1, 1] and all
    already multiplied by the mask (but ``low``).
    """
    size = face.size
    masked = np.dstack([edit.delta, edit.gain]) * face.mask[..., None]
    low = cv2.GaussianBlur(face.pixels, (0, 0), detail_sigma * size, borderType=cv2.BORDER_REFLECT_101)
    back = invert_transform(face.matrix)
    left, top, right, bottom = _reach(shape, face.mask, back)
    for start in range(top, bottom, _BAND):
        rows, columns = slice(start, min(start + _BAND, bottom)), slice(left, right)
        moved = back.copy()
        moved[:, 2] -= (left, start)
        extent = (right - left, rows.stop - start)
        changes = _enlarge(masked, moved, extent, cv2.BORDER_CONSTANT)
        yield (
            rows,
            columns,
            changes[..., :3],
            changes[..., 3],
            _enlarge(low, moved, extent, cv2.BORDER_REPLICATE),
        )


def _reach(shape: tuple[int, ...], mask: Float32, back: Float32) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the photo that the mask can touch."""
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return 0, 0, 0, 0
    corners = np.array([[x, y] for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())], np.float32)
    there = apply_transform(back, corners)
    margin = 2 * float(np.hypot(back[0, 0], back[1, 0])) + 2  # cubic interpolation reaches two pixels further
    low, high = np.floor(there.min(0) - margin), np.ceil(there.max(0) + margin) + 1
    left, right = (int(v) for v in np.clip([low[0], high[0]], 0, shape[1]))
    top, bottom = (int(v) for v in np.clip([low[1], high[1]], 0, shape[0]))
    return left, top, right, bottom


def _enlarge(maps: Float32, matrix: Float32, size: tuple[int, int], border: int) -> Float32:
    """``maps`` through ``matrix``: cubic where it enlarges, so that no facets show, averaging where it shrinks."""
    if np.hypot(matrix[0, 0], matrix[1, 0]) < 1:
        return np.asarray(warp(maps, matrix, size, border=border), np.float32)
    return np.asarray(
        cv2.warpAffine(maps, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border), np.float32
    )


def _full(pixels: npt.NDArray[Any]) -> float:
    return float(np.iinfo(pixels.dtype).max)
