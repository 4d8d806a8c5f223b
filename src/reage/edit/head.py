"""The head frame: a square around a face from above the hair down to the chest, and the positions in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float32, UInt8
from reage.edit.compositing import AlignedFace
from reage.edit.masks import face_outline
from reage.face.alignment import (
    apply_transform,
    compose,
    invert_transform,
    rescale_points,
    transform_scale,
    utkface_template,
    warp,
)
from reage.photo.photo import eight_bits

SIDE = 256
"""Side of the head frame in pixels."""
_SPANS = (3.7, 4.9, 6.5)
"""Sides that the head frame may have, in average eye distances: the smallest that contains all of the photo, or the
largest."""
BORDER = 0.06
"""Part of the side of the head frame, along its border, over which edits fade out."""
_EYES_UP = 0.35
"""How far above its centre the middle between the eyes lies, in eye distances."""
_SMALLEST = 12.0
"""Pixels between the eyes in the photo, below which a head is too small to say what is hair."""


@dataclass(frozen=True)
class Head:
    """A head in the head frame: upright, its eyes where those of all heads are.

    ``matrix`` (2, 3) leads there from the photo, ``landmarks`` (468, 2) lie there; ``pixels`` (S, S, 3) are uint8.
    ``shown`` (S, S) is true where the photo shows something, ``own`` (S, S) where that is nobody else's head.
    ``unit`` is how many pixels an average pair of eyes is apart; ``cropped`` is whether the photo shows little but the
    face.
    """

    unit: float
    cropped: bool
    matrix: Float32
    landmarks: Float32
    pixels: UInt8
    shown: Bool
    own: Bool


def _eyes(unit: float) -> tuple[float, float]:
    """Where the middle between the eyes lies in a head frame of this ``unit``."""
    middle = SIDE / 2 - 0.5
    return middle, middle - _EYES_UP * unit


def head_transform(matrix: Float32, size: int, unit: float) -> Float32:
    """The similarity (2, 3) from the photo to the head frame in which the eyes are ``unit`` pixels apart.

    ``matrix`` (2, 3) leads from the photo to the aligned frame (size, size) of the face.
    """
    template = utkface_template()
    right, left = rescale_points(template.points[:2], template.canvas, size)
    scale = unit / float(np.linalg.norm(left - right))
    shift = np.array(_eyes(unit), np.float32) - scale * (right + left) / 2
    return compose(np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32), matrix)


def cut_head(
    photo: npt.NDArray[Any],
    face: AlignedFace,
    landmarks: Float32,
    others: Sequence[Float32],
) -> Head | None:
    """The head of ``face`` in a ``photo`` (H, W, 3); None if it is too small.

    ``landmarks`` (468, 2) lie in the face's aligned frame; ``others`` are the transforms (2, 3) from the photo to the
    aligned frames of the other faces in it.
    """
    for span in _SPANS:
        unit = SIDE / span
        matrix = head_transform(face.matrix, face.size, unit)
        if cropped := _contains(matrix, photo.shape):
            break
    if unit / transform_scale(matrix) < _SMALLEST:
        return None
    # In a close-up, the network that finds people misses hair at the border where that is repeated instead of mirrored.
    border = cv2.BORDER_REFLECT if cropped else cv2.BORDER_REPLICATE
    pixels = eight_bits(warp(photo, matrix, (SIDE, SIDE), border=border))
    there = compose(matrix, invert_transform(face.matrix))
    shown = _inside(photo.shape, matrix)
    own = shown & _nearest(unit, matrix, [head_transform(other, face.size, unit) for other in others])
    return Head(unit, cropped, matrix, apply_transform(there, landmarks), pixels, shown, own)


def _contains(matrix: Float32, shape: tuple[int, ...]) -> bool:
    """Whether all of a photo of this ``shape`` lies inside the `BORDER` of the head frame that ``matrix`` leads to."""
    right, bottom = shape[1] - 0.5, shape[0] - 0.5
    corners = np.array([[-0.5, -0.5], [right, -0.5], [-0.5, bottom], [right, bottom]], np.float32)
    there = apply_transform(matrix, corners)
    return bool((there > BORDER * SIDE).all() and (there < (1 - BORDER) * SIDE).all())


def _inside(shape: tuple[int, ...], matrix: Float32) -> Bool:
    """Where the head frame lies in a photo of this ``shape``."""
    x, y = _places(invert_transform(matrix))
    return np.asarray((x >= -0.5) & (y >= -0.5) & (x <= shape[1] - 0.5) & (y <= shape[0] - 0.5))


def _nearest(unit: float, matrix: Float32, others: Sequence[Float32]) -> Bool:
    """Where the head that ``matrix`` leads to is nearer than ``others``, each measured in its own eye distances."""
    x, y = _places(invert_transform(matrix))
    own = _from_face(unit, matrix, x, y)
    nearest = np.ones(own.shape, bool)
    for other in others:
        nearest &= own <= _from_face(unit, other, x, y)
    return nearest


def _from_face(unit: float, matrix: Float32, x: Float32, y: Float32) -> Float32:
    """Squared distance of places in the photo from the face that ``matrix`` brings to the head frame."""
    eyes = _eyes(unit)
    across = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] - eyes[0]
    down = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] - eyes[1] - 0.3 * unit
    return np.asarray(across**2 + (down / 1.3) ** 2, np.float32)  # heads are higher than wide


def _places(matrix: Float32) -> tuple[Float32, Float32]:
    """``x`` and ``y`` (S, S) of each pixel of the head frame after ``matrix`` (2, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    return matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2], matrix[1, 0] * x + matrix[1, 1] * y + matrix[
        1, 2
    ]


@dataclass(frozen=True)
class Places:
    """How the pixels (S, S) of a small head frame lie to the face, in average eye distances.

    ``beyond`` is the distance from the outline, negative inside; ``up`` the height above the eyes, ``over`` that above
    the brows, ``under`` the depth below the chin; ``aside`` the distance from the middle line, negative on the right
    side of the person. ``cheeks`` are skin for certain. ``unit`` is an eye distance in pixels.
    """

    unit: float
    beyond: Float32
    up: Float32
    over: Float32
    under: Float32
    aside: Float32
    cheeks: Bool


_CHEEKS = (116, 117, 118, 119, 6, 348, 347, 346, 345, 411, 427, 326, 2, 97, 207, 187)


def among(labels: npt.NDArray[np.int32], chosen: npt.NDArray[np.int32]) -> Bool:
    """Where ``labels`` (S, S) of connected components are among those ``chosen`` (n,), which may repeat; 0 is none."""
    found = np.zeros(labels.max() + 1, bool)
    found[chosen] = True
    found[0] = False
    return np.asarray(found[labels])


def places(landmarks: Float32, size: int, unit: float) -> Places:
    """The places of a frame of ``size`` pixels with the face's ``landmarks`` (468, 2) in it, and eyes ``unit`` pixels
    apart."""
    inside = face_outline(landmarks, size) > 0.5
    within, without = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 3) for part in (inside, ~inside)
    )
    y, x = np.mgrid[:size, :size].astype(np.float32)
    eyes, brows = landmarks[[33, 133, 362, 263]].mean(0), landmarks[[105, 334]].mean(0)
    cheeks = np.zeros((size, size), np.uint8)
    cv2.fillPoly(cheeks, [landmarks[list(_CHEEKS)].round().astype(np.int32)], 1)
    return Places(
        unit,
        beyond=np.asarray((without - within) / unit, np.float32),
        up=(eyes[1] - y) / unit,
        over=(brows[1] - y) / unit,
        under=(y - landmarks[152, 1]) / unit,
        aside=(x - eyes[0]) / unit,
        cheeks=(cheeks > 0) & inside,
    )
