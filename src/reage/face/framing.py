"""The square around a whole head, for contact sheets and films."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, UInt8
from reage.photo.photo import eight_bits

_SIDE = 1.9
"""Side of the square, in longer sides of the landmarks' box."""
_RAISED = 0.12
"""How far the centre lies above that of the landmarks, which end at the brows; in the same unit."""


def head_box(
    landmarks_photo: Float32, shape: tuple[int, ...], *, around: float = 1.0
) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of a square around the whole head, within a photo of ``shape`` (H, W, 3).

    ``landmarks_photo`` (468, 2) are those of the face, in pixels of the photo. ``around`` makes the square so many
    times as large as the head.
    """
    low, high = landmarks_photo.min(0), landmarks_photo.max(0)
    length = float((high - low).max())
    side = min(around * _SIDE * length, shape[0], shape[1])
    centre = (low + high) / 2 - np.array([0, _RAISED * length])
    x0 = int(np.clip(centre[0] - side / 2, 0, shape[1] - side))
    y0 = int(np.clip(centre[1] - side / 2, 0, shape[0] - side))
    return x0, y0, x0 + int(side), y0 + int(side)


def head_tile(pixels: npt.NDArray[Any], landmarks_photo: Float32, side: int) -> UInt8:
    """A picture (side, side, 3) uint8 of the whole head, cut upright from ``pixels`` (H, W, 3) uint8 or uint16."""
    x0, y0, x1, y1 = head_box(landmarks_photo, pixels.shape)
    crop = eight_bits(pixels[y0:y1, x0:x1])
    interpolation = cv2.INTER_AREA if crop.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (side, side), interpolation=interpolation), np.uint8)
