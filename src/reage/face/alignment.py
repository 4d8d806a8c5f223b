"""The similarity transform of each face between the photo and the network's aligned frame.

The aligned frame is that of UTKFace: a square in which eyes, nose and mouth corners lie where they lie on
average in that data set (``assets/utkface_template.json``). Coordinates are ``(x, y)`` in pixels, integer
values being pixel centres, as in OpenCV.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32
from reage.assets import asset


@dataclass(frozen=True)
class Template:
    """Where the landmarks of a face belong in the aligned frame."""

    canvas: int
    """Side in pixels of the square that the coordinates below are in."""
    points: Float32
    """(5, 2): right eye, left eye, tip of the nose, right and left corner of the mouth (sides of the person shown)."""
    indices: tuple[tuple[int, ...], ...]
    """For each of the points, the landmarks whose mean it is."""
    mesh: Float32
    """(468, 2): the mean of all landmarks."""

    def points_of(self, landmarks: Float32) -> Float32:
        """The five points (5, 2) of a face with these landmarks (468, 2 or 3)."""
        return np.stack([landmarks[list(group), :2].mean(0) for group in self.indices]).astype(np.float32)


@lru_cache(maxsize=1)
def utkface_template() -> Template:
    """The template of the aligned frame."""
    stored: dict[str, Any] = json.loads(asset("utkface_template.json").read_text())
    names = list(stored["points"])
    return Template(
        canvas=int(stored["canvas"]),
        points=np.array([stored["points"][n] for n in names], np.float32),
        indices=tuple(tuple(stored["indices"][n]) for n in names),
        mesh=np.array(stored["mesh_mean"], np.float32),
    )


def rescale_points(points: Float32, from_size: float, to_size: float) -> Float32:
    """Points (n, 2) in a square of ``from_size`` pixels, after it is resized to ``to_size`` pixels."""
    scale = to_size / from_size
    return ((points + 0.5) * scale - 0.5).astype(np.float32)


def fit_similarity(source: Float32, target: Float32) -> Float32:
    """The similarity (2, 3) that maps ``source`` (n, 2) onto ``target`` (n, 2) with least squared error.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991. In the plane this
    has a closed form in complex numbers, and never reflects. Raises ValueError if all points of ``source`` coincide.
    """
    a = source[:, 0] + 1j * source[:, 1]
    b = target[:, 0] + 1j * target[:, 1]
    centred = a - a.mean()
    spread = float((np.abs(centred) ** 2).sum())
    if spread < 1e-6:
        raise ValueError("all source points coincide; a similarity cannot be fitted")
    turn = complex((np.conj(centred) * (b - b.mean())).sum() / spread)
    shift = complex(b.mean() - turn * a.mean())
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float32)


def apply_transform(matrix: Float32, points: Float32) -> Float32:
    """``points`` (n, 2) through the affine ``matrix`` (2, 3)."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def invert_transform(matrix: Float32) -> Float32:
    """The inverse (2, 3) of an affine transform (2, 3)."""
    return np.asarray(cv2.invertAffineTransform(matrix.astype(np.float64)), np.float32)


def transform_scale(matrix: Float32) -> float:
    """The factor by which a similarity (2, 3) enlarges lengths."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def resizing(old: tuple[int, int], new: tuple[int, int]) -> Float32:
    """The transform (2, 3) by which a picture of ``old`` (width, height) is resized to ``new``.

    The corners of the picture stay its corners. Coordinates count from the centre of the first pixel, which moves.
    """
    x, y = new[0] / old[0], new[1] / old[1]
    return np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5]], np.float32)


def compose(outer: Float32, inner: Float32) -> Float32:
    """The transform (2, 3) that applies ``inner`` (2, 3) and then ``outer`` (2, 3)."""
    square = np.vstack([inner, [0, 0, 1]]).astype(np.float64)
    return np.asarray(outer.astype(np.float64) @ square, np.float32)


def align_landmarks(landmarks: Float32, size: int, zoom: float = 1.0) -> Float32:
    """The similarity (2, 3) from the frame of ``landmarks`` (468, 2 or 3) to the aligned frame of ``size`` pixels.

    With a ``zoom`` other than 1, faces are that many times as large in the frame, about its centre.
    """
    template = utkface_template()
    target = rescale_points(template.points, template.canvas, size)
    return compose(zooming(size, zoom), fit_similarity(template.points_of(landmarks), target))


def zooming(size: int, zoom: float) -> Float32:
    """The transform (2, 3) that enlarges a square of ``size`` pixels ``zoom`` times about its centre."""
    shift = (1 - zoom) * (size - 1) / 2
    return np.array([[zoom, 0, shift], [0, zoom, shift]], np.float32)


def warp(
    image: npt.NDArray[Any], matrix: Float32, size: tuple[int, int], *, border: int = cv2.BORDER_REFLECT_101
) -> npt.NDArray[Any]:
    """Transform a picture without aliasing.

    A reduction by more than two is done in two steps, averaging areas first: bilinear sampling alone would skip pixels.

    Args:
        image: (H, W) or (H, W, C).
        matrix: the similarity (2, 3) from ``image`` to the result.
        size: width and height of the result.
        border: OpenCV's border mode; by default, what lies outside the image is mirrored.
    """
    scale = transform_scale(matrix)
    if scale < 0.5:
        region, matrix = _cut_region(image, matrix, size)
        image, onto = averaged(region, scale)
        matrix = compose(matrix, onto)
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border))


def averaged(image: npt.NDArray[Any], scale: float) -> tuple[npt.NDArray[Any], Float32]:
    """A smaller copy of an image, for a transform that reduces it by ``scale`` < 0.5, and the transform (2, 3) back.

    Areas are averaged down to one and a half times the size that is wanted.
    """
    height, width = image.shape[:2]
    small = (max(1, round(width * scale * 1.5)), max(1, round(height * scale * 1.5)))
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), resizing(small, (width, height))


def _cut_region(
    image: npt.NDArray[Any], matrix: Float32, size: tuple[int, int]
) -> tuple[npt.NDArray[Any], Float32]:
    """The part of ``image`` that a warp reads, and the transform from it: a face in a large photo then costs little."""
    width, height = size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32)
    there = apply_transform(invert_transform(matrix), corners)
    x0, y0 = np.floor(there.min(0) - 4).astype(int)
    x1, y1 = np.ceil(there.max(0) + 4).astype(int)
    x0, x1 = np.clip([x0, x1], 0, image.shape[1])
    y0, y1 = np.clip([y0, y1], 0, image.shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return image, matrix
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([x0, y0], np.float32)
    return image[y0:y1, x0:x1], moved
