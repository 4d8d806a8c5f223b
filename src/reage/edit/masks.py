"""The mask of an aligned face, which says where an edit applies, and its regions, each with its own strength.

An edit acts up to an outline, hardly on eyeballs and teeth, and never at the border of the aligned frame.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32
from reage.errors import RegionError

Reach = Literal["face", "head"]
"""How far an edit may reach: to the outline of the face, or over hair, ears and jaw, too."""

REGIONS = ("hair", "forehead", "eyes", "cheeks", "mouth", "neck")
"""Parts of a head: hair; the forehead with temples and frown lines; the eyes with brows, lids, bags and crow's feet;
the cheeks with nose and jowls; the mouth with lips, chin and the folds from the nose; the neck, below the jaw line."""
MAX_STRENGTH = 1.5
"""The largest strength of a whole edit, and the largest factor of a region."""

# Outlines as landmarks of MediaPipe Face Mesh. Right and left are those of the person shown.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_RIGHT_SOCKET = (107, 66, 105, 63, 71, 139, 34, 117, 118, 119, 120, 121, 128, 193, 55)
_LEFT_SOCKET = (336, 296, 334, 293, 301, 368, 264, 346, 347, 348, 349, 350, 357, 417, 285)
_BROWS = (139, 71, 63, 105, 66, 107, 55, 193, 168, 417, 285, 336, 296, 334, 293, 301, 368)
"""A line from temple to temple over the brows; between them it leads to the root of the nose, below frown lines."""
_MOUTH_AND_CHIN = (
    2, 97, 98, 129, 36, 207, 214, 169, 150, 149, 176, 148, 152,
    377, 400, 378, 379, 394, 434, 427, 266, 358, 327, 326,
)  # fmt: skip
_JAW = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)

_FOREHEAD = 1.06
"""The landmarks end below the hairline; those above the eyes are moved away from the eyes by this factor."""
_HEAD = 0.45
"""How far beyond the outline of the face an edit of the head reaches, in eye distances."""
_EYE_WEIGHT = 0.1
_MOUTH_WEIGHT = 0.2
"""The part of the edit that is left on eyeballs, and inside the lips."""
_BORDER = 0.07
"""Width of the strip at the border of the frame in which every mask falls to zero, in sides of the frame."""
_FEATHER = 0.09
"""Standard deviation of the blur of the borders between regions, in eye distances."""


def rise(x: Float32, low: float, high: float) -> Float32:
    """From 0 where ``x`` is ``low`` or less to 1 where it is ``high`` or more, smoothly (smoothstep)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def face_mask(landmarks: npt.NDArray[Any], size: int, reach: Reach = "face") -> Float32:
    """How much of an edit is applied at each place of an aligned face: weights (size, size) in [0, 1].

    ``landmarks`` (468, 2 or 3) are in pixels of the aligned frame of ``size`` x ``size``.

    With the reach "face" an edit ends at the outline of the face; with "head" it goes on over hair, ears and jaw and
    ends 0.45 eye distances beyond the outline. Either way little of it is left on eyeballs and inside the lips, and
    nothing at the border of the frame.
    """
    points = np.asarray(landmarks, np.float32)[:, :2]
    unit = _eye_distance(points)
    mask = face_outline(points, size)
    if reach == "head":
        radius = max(1, round(_HEAD * unit))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        mask = cv2.dilate(mask, disc)
    # Blurred, then steepened so that half weight moves inwards: 0.02 is left on the outline, 0.08 where it is hollow,
    # and nothing a tenth of the eye distance beyond it.
    mask = rise(_blur(mask, (0.11 if reach == "face" else 0.15) * unit), 0.45, 0.95)
    eyes = np.maximum(_fill(points[list(RIGHT_EYE)], size), _fill(points[list(LEFT_EYE)], size))
    mask *= 1 - (1 - _EYE_WEIGHT) * np.minimum(1, 1.3 * _blur(eyes, 0.025 * unit))
    mask *= 1 - (1 - _MOUTH_WEIGHT) * np.minimum(
        1, 1.3 * _blur(_fill(points[list(INNER_LIPS)], size), 0.025 * unit)
    )
    return np.asarray(mask * _window(size), np.float32)


def face_outline(landmarks: npt.NDArray[Any], size: int) -> Float32:
    """1 inside the outline of a face with its forehead, 0 outside: (size, size); ``landmarks`` as in `face_mask`."""
    return _fill(_raise_forehead(np.asarray(landmarks, np.float32)[:, :2])[list(FACE_OVAL)], size)


def region_weights(landmarks: npt.NDArray[Any], size: int, hair: Float32 | None = None) -> Float32:
    """The weight of each of the `REGIONS` at each place of an aligned face: (6, size, size); their sum is 1 everywhere.

    ``landmarks`` as in `face_mask`; ``hair`` (size, size) says how surely each place is hair, None that this is not
    known: then hair belongs to the forehead and the cheeks. The borders are soft. The regions fill the whole frame;
    ears, for example, belong to the cheeks. `face_mask` says where an edit acts at all.
    """
    points = np.asarray(landmarks, np.float32)[:, :2]
    unit, (along, up) = _eye_distance(points), _axes(points)
    far = 8 * unit
    shapes = {
        "eyes": np.maximum(*(_fill(points[list(ring)], size) for ring in (_RIGHT_SOCKET, _LEFT_SOCKET))),
        "mouth": _fill(points[list(_MOUTH_AND_CHIN)], size),
        "forehead": _fill(_beyond(points[list(_BROWS)], along * far, up * far), size),
        "neck": _fill(_beyond(points[list(_JAW)], along * far, -up * far), size),
    }
    free, weights = np.ones((size, size), np.float32), {}
    for name, shape in shapes.items():  # where two overlap, the first has it
        weights[name] = _blur(shape * free, _FEATHER * unit)
        free = free * (1 - shape)
    weights["cheeks"] = _blur(free, _FEATHER * unit)
    weights["hair"] = np.zeros((size, size), np.float32) if hair is None else hair
    bare = 1 - weights["hair"]
    return np.stack([weights[name] if name == "hair" else weights[name] * bare for name in REGIONS])


def region_factor(
    landmarks: npt.NDArray[Any], size: int, regions: Mapping[str, float], hair: Float32 | None = None
) -> Float32:
    """By how much an edit is multiplied at each place of an aligned face: (size, size).

    ``landmarks`` and ``hair`` as in `region_weights`. ``regions`` has a factor for some of the `REGIONS`; the factor of
    the others is 1.
    """
    change = np.array([regions.get(name, 1) - 1 for name in REGIONS], np.float32)
    return np.asarray(1 + np.tensordot(change, region_weights(landmarks, size, hair), 1), np.float32)


def check_regions(regions: Mapping[str, float]) -> None:
    """Raises `RegionError` for a name that is not one of the `REGIONS` or a factor outside 0 to `MAX_STRENGTH`."""
    for name, factor in regions.items():
        if name not in REGIONS:
            near = difflib.get_close_matches(name, REGIONS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(REGIONS)}"
            raise RegionError(f"unknown region '{name}'; {hint}")
        if not 0 <= factor <= MAX_STRENGTH:
            raise RegionError(f"region {name}={factor:g} is outside 0 to {MAX_STRENGTH:g}")


def _beyond(line: Float32, along: Float32, outward: Float32) -> Float32:
    """The polygon (n, 2) of everything on one side of a ``line`` across the face.

    The line is lengthened at both ends by the vector ``along``; ``outward`` leads away from it. Both lead out of the
    frame.
    """
    first, last = line[:1] - along, line[-1:] + along
    return np.concatenate([first, line, last, last + outward, first + outward])


def _eye_distance(points: Float32) -> float:
    return float(np.linalg.norm(points[[33, 133]].mean(0) - points[[362, 263]].mean(0)))


def _axes(points: Float32) -> tuple[Float32, Float32]:
    """Unit vectors from the right to the left eye of the person shown, and upwards."""
    right, left = points[list(RIGHT_EYE)].mean(0), points[list(LEFT_EYE)].mean(0)
    along = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6)
    return along, np.array([along[1], -along[0]], np.float32)


def _raise_forehead(points: Float32) -> Float32:
    right, (_, up) = points[list(RIGHT_EYE)].mean(0), _axes(points)
    height = (points - right) @ up
    return np.asarray(points + np.maximum(height, 0)[:, None] * (_FOREHEAD - 1) * up, np.float32)


def _fill(polygon: Float32, size: int) -> Float32:
    canvas = np.zeros((size, size), np.uint8)
    fixed = np.round(polygon * 16).astype(np.int32)  # four fractional bits
    cv2.fillPoly(canvas, [fixed], 255, lineType=cv2.LINE_AA, shift=4)
    return np.asarray(canvas.astype(np.float32) / 255, np.float32)


def _blur(mask: Float32, sigma: float) -> Float32:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.3)), np.float32)


def _window(size: int) -> Float32:
    edge = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32)
    row = rise(edge, 0, size * _BORDER)
    return np.asarray(row[:, None] * row, np.float32)
