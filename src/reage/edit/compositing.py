"""Applying an edit, made on the small aligned face, to the photograph at its own resolution.

``out = low + up(delta) + (1 + up(gain)) * detail`` with ``detail = photo - low`` is the same as
``out = photo + up(delta) + up(gain) * detail``: only the change is computed, and added under a mask.
The photograph itself is never resampled, so where the mask is zero it stays equal to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32
from reage.edit.matte import Matte, evaluate
from reage.face.alignment import apply_transform, invert_transform, warp

DETAIL_SIGMA = 1.5 / 128
"""Standard deviation of the blur that separates a face from its detail, in sides of the aligned frame."""

_BAND = 256
"""Rows that are blended at a time, so that little memory is needed however large the photograph."""


@dataclass(frozen=True)
class Edit:
    """What a network changes in an aligned face of S x S pixels."""

    delta: Float32
    """(S, S, 3): the change of colour, in units of an image in [-1, 1]."""
    gain: Float32
    """(S, S): the change of the face's own fine detail: -1 removes it, 0 keeps it, +1 doubles it."""

    def scaled(self, strength: float | Float32) -> Edit:
        """The same edit, ``strength`` times as strong: a number, or one (S, S) for each place."""
        factor = np.asarray(strength, np.float32)
        return Edit(self.delta * factor[..., None], np.maximum(self.gain * factor, -1))

    def without_colour(self) -> Edit:
        """The edit with the luma (ITU-R BT.601) of its change in each channel: for black-and-white photographs."""
        luma = self.delta @ np.array([0.299, 0.587, 0.114], np.float32)
        return Edit(np.repeat(luma[..., None], 3, 2), self.gain)


@dataclass(frozen=True)
class AlignedFace:
    """A face in the aligned frame of S x S pixels."""

    pixels: Float32
    """(S, S, 3) in [-1, 1]."""
    mask: Float32
    """(S, S) in [0, 1]: how much of an edit is applied at each place."""
    matrix: Float32
    """The similarity (2, 3) from the photo to the aligned frame."""
    matte: Matte | None = None
    """A further mask, which follows the edges of the photo at its own resolution; None is 1 everywhere."""

    @property
    def size(self) -> int:
        """Side in pixels."""
        return int(self.pixels.shape[0])

    @property
    def is_grey(self) -> bool:
        """Whether the face has no colour at all."""
        return bool((self.pixels == self.pixels[..., :1]).all())


def cut_face(pixels: npt.NDArray[Any], matrix: Float32, mask: Float32) -> AlignedFace:
    """The aligned face that ``matrix`` (2, 3) cuts from a photo (H, W, 3) uint8 or uint16; ``mask`` is (S, S)."""
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
    """Add the edit of one face to a picture, in place.

    Several faces are added one after the other; the detail of each is that of the original.

    Args:
        photo: the unedited original (H, W, 3), uint8 or uint16.
        out: what is changed: a copy of ``photo``, perhaps with other edits; it may be uint16 where ``photo`` is uint8.
        face: the aligned face.
        edit: its edit.
        detail_sigma: the blur that separates the face from its detail, in sides of the aligned frame.
    """
    half, deeper = _full(out) / 2, _full(out) / _full(photo)
    for rows, columns, delta, gain, low in upsample_edit(photo, face, edit, detail_sigma):
        change = delta * half
        if edit.gain.any():
            tile = photo[rows, columns].astype(np.float32) * deeper
            change += gain[..., None] * (tile - (low + 1) * half)
        merged = out[rows, columns].astype(np.float32) + change
        out[rows, columns] = np.clip(np.rint(merged), 0, _full(out)).astype(out.dtype)


def upsample_edit(
    photo: npt.NDArray[Any], face: AlignedFace, edit: Edit, detail_sigma: float
) -> Iterator[tuple[slice, slice, Float32, Float32, Float32]]:
    """The edit of a face at the resolution of the photo, in bands of rows.

    Args:
        photo: the unedited original (H, W, 3), uint8 or uint16.
        face: the aligned face.
        edit: its edit.
        detail_sigma: as in `composite`.

    Yields:
        Rows and columns of the band; delta (h, w, 3) and gain (h, w), both multiplied by the mask; and the blurred face
        (h, w, 3), or zeros if the edit has no gain anywhere. Colours are in units of [-1, 1].
    """
    size = face.size
    masked = np.dstack([edit.delta, edit.gain]) * face.mask[..., None]
    low = cv2.GaussianBlur(face.pixels, (0, 0), detail_sigma * size, borderType=cv2.BORDER_REFLECT_101)
    back = invert_transform(face.matrix)
    left, top, right, bottom = _box_of(photo.shape, masked, back)
    for start in range(top, bottom, _BAND):
        rows, columns = slice(start, min(start + _BAND, bottom)), slice(left, right)
        moved = back.copy()
        moved[:, 2] -= (left, start)
        extent = (right - left, rows.stop - start)
        changes = _resample(masked, moved, extent, cv2.BORDER_CONSTANT)
        if face.matte is not None:
            functions = cv2.warpAffine(face.matte.functions, moved, extent, borderMode=cv2.BORDER_REPLICATE)
            tile = photo[rows, columns].astype(np.float32) * (2 / _full(photo)) - 1
            changes *= evaluate(functions, tile)[..., None]
        blurred = np.broadcast_to(np.float32(0), (*changes.shape[:2], 3))
        if edit.gain.any():
            blurred = _resample(low, moved, extent, cv2.BORDER_REPLICATE)
        yield rows, columns, changes[..., :3], changes[..., 3], blurred


def _box_of(shape: tuple[int, ...], changes: Float32, back: Float32) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the photo that ``changes`` (S, S, C) can touch; ``back`` leads to it."""
    ys, xs = np.nonzero(changes.any(2))
    if not len(ys):
        return 0, 0, 0, 0
    corners = np.array([[x, y] for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())], np.float32)
    there = apply_transform(back, corners)
    margin = 2 * float(np.hypot(back[0, 0], back[1, 0])) + 2  # cubic interpolation reaches two pixels further
    low, high = np.floor(there.min(0) - margin), np.ceil(there.max(0) + margin) + 1
    left, right = (int(v) for v in np.clip([low[0], high[0]], 0, shape[1]))
    top, bottom = (int(v) for v in np.clip([low[1], high[1]], 0, shape[0]))
    return left, top, right, bottom


def _resample(maps: Float32, matrix: Float32, size: tuple[int, int], border: int) -> Float32:
    """``maps`` (S, S, C) through ``matrix`` (2, 3): cubic where it enlarges, so that no facets show, else averaged."""
    if np.hypot(matrix[0, 0], matrix[1, 0]) < 1:
        return np.asarray(warp(maps, matrix, size, border=border), np.float32)
    return np.asarray(
        cv2.warpAffine(maps, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border), np.float32
    )


def _full(pixels: npt.NDArray[Any]) -> float:
    """The sample that means white."""
    return float(np.iinfo(pixels.dtype).max)
