"""Where on an aligned face an edit may act: inside the face outline, not on eyeballs or teeth, never at the border."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.photo.alignment import Float

# Landmark rings of MediaPipe Face Mesh; right and left are those of the person shown.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)

_FOREHEAD = 1.06
"""The mesh ends below the hairline: points above the eyes move away from them by this factor."""
_EYE_WEIGHT = 0.1
_MOUTH_WEIGHT = 0.2
"""What is left of the edit on eyeballs and inside the lips."""
_BORDER = 0.07
"""Part of the side over which the mask falls to zero at the edge of the crop, whatever the landmarks say."""


def face_mask(landmarks: npt.NDArray[Any], size: int) -> Float:
    """Weight of an edit (size, size) in [0, 1] for a face with ``landmarks`` (468, 2+) in that aligned frame."""
    points = np.asarray(landmarks, np.float32)[:, :2]
    unit = float(np.linalg.norm(points[[33, 133]].mean(0) - points[[362, 263]].mean(0)))  # eye distance
    mask = face_outline(points, size)
    # Blurred, then steepened so that half weight moves inwards: outside the outline nothing is left.
    mask = _smoothstep((_blur(mask, 0.11 * unit) - 0.45) / 0.5)
    eyes = np.maximum(_fill(points[list(RIGHT_EYE)], size), _fill(points[list(LEFT_EYE)], size))
    mask *= 1 - (1 - _EYE_WEIGHT) * np.minimum(1, 1.3 * _blur(eyes, 0.025 * unit))
    mask *= 1 - (1 - _MOUTH_WEIGHT) * np.minimum(
        1, 1.3 * _blur(_fill(points[list(INNER_LIPS)], size), 0.025 * unit)
    )
    return np.asarray(mask * _window(size), np.float32)


def face_outline(landmarks: npt.NDArray[Any], size: int) -> Float:
    """1 inside the outline of a face with ``landmarks`` (468, 2+), forehead included, 0 outside: (size, size)."""
    return _fill(_raise_forehead(np.asarray(landmarks, np.float32)[:, :2])[list(FACE_OVAL)], size)


def _raise_forehead(points: Float) -> Float:
    right, left = points[list(RIGHT_EYE)].mean(0), points[list(LEFT_EYE)].mean(0)
    along = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6)
    up = np.array([along[1], -along[0]], np.float32)
    height = (points - right) @ up
    return np.asarray(points + np.maximum(height, 0)[:, None] * (_FOREHEAD - 1) * up, np.float32)


def _fill(polygon: Float, size: int) -> Float:
    canvas = np.zeros((size, size), np.uint8)
    fixed = np.round(polygon * 16).astype(np.int32)  # four fractional bits
    cv2.fillPoly(canvas, [fixed], 255, lineType=cv2.LINE_AA, shift=4)
    return np.asarray(canvas.astype(np.float32) / 255, np.float32)


def _blur(mask: Float, sigma: float) -> Float:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.3)), np.float32)


def _smoothstep(x: Float) -> Float:
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _window(size: int) -> Float:
    edge = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32) / (size * _BORDER)
    row = _smoothstep(edge)
    return np.asarray(row[:, None] * row, np.float32)
