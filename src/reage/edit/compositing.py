"""Applies an edit of the small aligned face to the photograph at its own resolution.

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

from reage.arrays import Bool, Float32
from reage.edit.matte import Matte, evaluate
from reage.face.alignment import (
    apply_transform,
    averaged,
    compose,
    invert_transform,
    resizing,
    transform_scale,
    warp,
)

DETAIL_SIGMA = 1.5 / 128
"""Standard deviation of the blur that separates a face from its detail, in sides of the aligned frame."""

_TILE = (128, 256)
"""Rows and columns that are blended at a time. They fit into the processor's cache, and little memory is needed however
large the photograph."""
_SMOOTH = 512
"""Side in pixels, about, to which an edit is enlarged by cubic interpolation. From there on linear interpolation, which
takes a tenth of the time, shows no facets either; for a blurred face, from half of that on."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_TO_GREY = np.vstack([_LUMA] * 3 + [np.zeros(3)]).astype(np.float32) - np.eye(4, 3, dtype=np.float32)
_TO_GREY = np.hstack([_TO_GREY, np.zeros((4, 1), np.float32)])
"""From a colour, with a fourth channel, to what it lacks to be as light and without chroma."""
_LAST = np.array([[0, 0, 0, 1]] * 4, np.float32)
"""Puts the last of four channels into each of them."""


@dataclass(frozen=True)
class Edit:
    """What a network changes in an aligned face of S x S pixels."""

    delta: Float32
    """(S, S, 3): the change of colour, in units of an image in [-1, 1]."""
    gain: Float32
    """(S, S): the change of the face's own fine detail: -1 removes it, 0 keeps it, +1 doubles it."""
    fade: Float32 | None = None
    """(S, S): the part of each pixel's own chroma that is lost, 1 at most; below 0 it gains some. None is nothing.
    Networks say nothing of it."""

    def scaled(self, strength: float | Float32) -> Edit:
        """The same edit, ``strength`` times as strong: a number, or one (S, S) for each place."""
        factor = np.asarray(strength, np.float32)
        fade = None if self.fade is None else np.minimum(self.fade * factor, 1)
        return Edit(self.delta * factor[..., None], np.maximum(self.gain * factor, -1), fade)

    def towards(self, other: Edit, part: float | Float32) -> Edit:
        """The edit that lies ``part`` of the way to ``other``: a number, or one (S, S) for each place."""
        step = np.asarray(part, np.float32)
        gain = self.gain + step * (other.gain - self.gain)
        fade: Float32 | None = None
        if self.fade is not None or other.fade is not None:
            none = np.zeros_like(gain)
            before, after = (none if each.fade is None else each.fade for each in (self, other))
            fade = before + step * (after - before)
        return Edit(self.delta + step[..., None] * (other.delta - self.delta), gain, fade)

    def without_colour(self) -> Edit:
        """The edit with the luma (ITU-R BT.601) of its change in each channel: for black-and-white photographs."""
        return Edit(np.repeat((self.delta @ _LUMA)[..., None], 3, 2), self.gain)


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
    uncovered: Float32 | None = None
    """(S, S) in [0, 1]: how much of the network's edit is left where something may be in front of the face; None is
    all of it."""

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
    white, depth = _full(out), cv2.CV_8U if out.dtype == np.uint8 else cv2.CV_16U
    has_gain = edit.gain.any()
    for rows, columns, changes, low in _tiles(photo, face, edit, detail_sigma):
        if has_gain:
            detail = _in_colour(photo[rows, columns]) - low
            changes += cv2.transform(changes, _LAST) * detail
        tile, change = out[rows, columns], cv2.cvtColor(changes, cv2.COLOR_RGBA2RGB)
        out[rows, columns] = cv2.addWeighted(
            tile, 1, change, white / 2, 0, dtype=depth
        )  # rounds, and cuts off


def upsample_edit(
    photo: npt.NDArray[Any], face: AlignedFace, edit: Edit, detail_sigma: float
) -> Iterator[tuple[slice, slice, Float32, Float32, Float32]]:
    """The edit of a face at the resolution of the photo, in tiles; those that it leaves as they are, are left out.

    Args:
        photo: the unedited original (H, W, 3), uint8 or uint16.
        face: the aligned face.
        edit: its edit.
        detail_sigma: as in `composite`.

    Yields:
        Rows and columns of the tile; delta (h, w, 3) and gain (h, w), both multiplied by the mask; and the blurred face
        (h, w, 3), or zeros if the edit has no gain anywhere. Colours are in units of [-1, 1].
    """
    for rows, columns, changes, low in _tiles(photo, face, edit, detail_sigma):
        yield rows, columns, changes[..., :3], changes[..., 3], low[..., :3]


def _tiles(
    photo: npt.NDArray[Any], face: AlignedFace, edit: Edit, detail_sigma: float
) -> Iterator[tuple[slice, slice, Float32, Float32]]:
    """As `upsample_edit`, with delta and gain in one map (h, w, 4), and a fourth channel of ones in the blurred face.

    OpenCV is several times as fast with four channels as with three.
    """
    back = invert_transform(face.matrix)
    masked = np.dstack([edit.delta, edit.gain]) * face.mask[..., None]
    changes, onto = _fitted(masked, back, _SMOOTH)
    blurred = None
    if edit.gain.any():
        sigma = detail_sigma * face.size
        blurred = cv2.GaussianBlur(face.pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        blurred, low_onto = _fitted(cv2.cvtColor(blurred, cv2.COLOR_RGB2RGBA), back, _SMOOTH // 2)
    fade = None if edit.fade is None else edit.fade * face.mask
    where = np.asarray(masked.any(2) if fade is None else masked.any(2) | (fade != 0))
    for rows, columns in _touched(photo.shape, where, face.matrix):
        extent = columns.stop - columns.start, rows.stop - rows.start
        shift = np.array([[1, 0, -columns.start], [0, 1, -rows.start]], np.float32)
        change = np.asarray(cv2.warpAffine(changes, compose(shift, onto), extent), np.float32)
        if fade is not None or face.matte is not None:
            pixels = _in_colour(photo[rows, columns])
            if fade is not None:
                part = cv2.warpAffine(fade, compose(shift, back), extent)
                change += part[..., None] * cv2.transform(pixels, _TO_GREY)
            if face.matte is not None:
                functions = cv2.warpAffine(
                    face.matte.functions, compose(shift, back), extent, borderMode=cv2.BORDER_REPLICATE
                )
                change *= evaluate(functions, pixels)
        low = np.zeros_like(change)
        if blurred is not None:
            there = compose(shift, low_onto)
            low = np.asarray(
                cv2.warpAffine(blurred, there, extent, borderMode=cv2.BORDER_REPLICATE), np.float32
            )
        yield rows, columns, change, low


def _touched(shape: tuple[int, ...], where: Bool, matrix: Float32) -> Iterator[tuple[slice, slice]]:
    """The tiles of a photo of this ``shape`` that what lies ``where`` (S, S) in the aligned frame can touch.

    ``matrix`` (2, 3) leads to that frame.
    """
    margin = 2 + 2 / transform_scale(invert_transform(matrix))  # interpolation reaches two pixels further
    left, top, right, bottom = _box_of(shape, where, matrix)
    for y in range(top, bottom, _TILE[0]):
        for x in range(left, right, _TILE[1]):
            rows, columns = slice(y, min(y + _TILE[0], bottom)), slice(x, min(x + _TILE[1], right))
            corners = [(x, y), (columns.stop, y), (x, rows.stop), (columns.stop, rows.stop)]
            there = apply_transform(matrix, np.array(corners, np.float32))
            (x0, y0), (x1, y1) = there.min(0) - margin, there.max(0) + margin + 1
            if where[max(0, int(y0)) : max(0, int(y1)), max(0, int(x0)) : max(0, int(x1))].any():
                yield rows, columns


def _box_of(shape: tuple[int, ...], where: Bool, matrix: Float32) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the photo around those tiles; arguments as in `_touched`."""
    ys, xs = np.nonzero(where)
    if not len(ys):
        return 0, 0, 0, 0
    corners = np.array([[x, y] for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())], np.float32)
    back = invert_transform(matrix)
    there = apply_transform(back, corners)
    margin = 2 * transform_scale(back) + 2
    low, high = np.floor(there.min(0) - margin), np.ceil(there.max(0) + margin) + 1
    left, right = (int(v) for v in np.clip([low[0], high[0]], 0, shape[1]))
    top, bottom = (int(v) for v in np.clip([low[1], high[1]], 0, shape[0]))
    return left, top, right, bottom


def _fitted(maps: Float32, back: Float32, side: int) -> tuple[Float32, Float32]:
    """``maps`` (S, S, 4) in a size from which linear interpolation serves the photo, and the transform from there.

    They are enlarged to about ``side`` pixels, but hardly beyond the photo, or averaged where it is far smaller.
    ``back`` (2, 3) leads from ``maps`` to the photo.
    """
    size, scale = len(maps), transform_scale(back)
    # An odd number, so that the samples of the maps are among the enlarged ones: the identity then stays the identity.
    times = min(int(2 * scale), side // size) | 1
    if times > 1:
        large = cv2.resize(maps, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
        return np.asarray(large, np.float32), compose(back, resizing(large.shape[:2], (size, size)))
    if scale < 0.5:
        small, onto = averaged(maps, scale)
        return np.asarray(small, np.float32), compose(back, onto)
    return maps, back


def _in_colour(tile: npt.NDArray[Any]) -> Float32:
    """A part (h, w, 3) of a photo in units of [-1, 1], with a fourth channel of ones."""
    values = cv2.cvtColor(tile, cv2.COLOR_RGB2RGBA).astype(np.float32)
    return np.asarray(values * np.float32(2 / _full(tile)) - 1, np.float32)


def _full(pixels: npt.NDArray[Any]) -> float:
    """The sample that means white."""
    return float(np.iinfo(pixels.dtype).max)
