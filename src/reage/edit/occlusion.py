"""Detects what is in front of a face (hands, strands of hair, glasses, microphones), so that it is not edited.

No network of this package knows hands from faces, and colour alone does not tell them apart. What covers a face differs
from what would be seen there otherwise, though: from the face as a whole, from its other half, and from what faces show
at that place. These differences, at several scales, are the input of a small perceptron, which says for each place of
the face, on its own, how likely it is that something covers it. ``benchmarks/occlusions.py`` fits it to faces of
UTKFace before which things were drawn, and measures it (docs/occlusions.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, percentile
from reage.assets import asset
from reage.edit.masks import face_outline
from reage.face.alignment import align_landmarks, apply_transform, invert_transform, warp

SIDE = 64
"""Side in pixels of the frame in which faces are looked at; the face lies in it as in UTKFace."""
COARSE = 32
"""The same, where the face as a whole is compared."""
WEIGHTS = "face_occlusions.npz"
_SKIN = (50, 280, 205, 425, 10, 151, 9, 108, 337, 116, 345, 187, 411, 152, 199)
"""Landmarks on bare skin, of whose colours the median is that of the skin."""
_EYES, _CHIN = (33, 133, 362, 263), 152
_SPREAD = np.array([0.15, 0.035, 0.035], np.float32)
"""How far luma and chroma are from those of the skin, usually: the units of everything that follows."""
_MOST = 6.0
"""Differences are cut off there."""
_TRUST, _ROUNDS, _SHRINK = 1.5, 4, 3.0
"""The face as a whole is fitted so often, and places that are farther off than ``_TRUST`` count less each time."""
_SCALES = (1.2, 2.8, 6.0)
"""Standard deviations of the blurs, in pixels."""
_UNSURE, _SURE = 0.3, 0.7
"""Probabilities up to which a place is edited as if nothing were there, and from which on it is not edited at all."""
_SPECK = 16
"""Less than so many pixels in one piece are a gleam, a mole or a tooth, rather than a cover."""


@dataclass(frozen=True)
class FaceModel:
    """How faces look: a mean (3 * C * C,), the K principal components (K, 3 * C * C) with their ``variances`` (K,), and
    how far faces usually are from what these say, ``coarse`` (3 * C * C,) and ``fine`` (S, S, 3)."""

    mean: Float32
    components: Float32
    variances: Float32
    coarse: Float32
    fine: Float32

    def unlikeness(self, seen: Float32, where: Float32) -> Float32:
        """How far each place of a face (S, S, 3) is from what the rest of it leads to expect: (S, S, 3).

        A robust fit by iteratively reweighted least squares (Fidler, Skocaj and Leonardis, "Combining reconstructive
        and discriminative subspace methods for robust classification and regression by subsampling", 2006), under the
        weights of Geman and McClure. ``where`` (S, S) is 1 within the face.
        """
        apart = reduced(seen) - self.mean
        inside = np.repeat(cv2.resize(where, (COARSE, COARSE), interpolation=cv2.INTER_AREA).ravel(), 3)
        inside = (0.98 * inside + 0.02).astype(np.float32)
        weights, prior = inside, np.diag(_SHRINK / self.variances)
        part = np.zeros(len(self.variances), np.float32)
        for _ in range(_ROUNDS):
            weighted = self.components * weights
            part = np.linalg.solve(weighted @ self.components.T + prior, weighted @ apart).astype(np.float32)
            off = (((apart - part @ self.components) / self.coarse).reshape(-1, 3) ** 2).mean(1)
            weights = inside * np.repeat(1 / (1 + off / _TRUST**2), 3).astype(np.float32)
        expected = (self.mean + part @ self.components).reshape(COARSE, COARSE, 3)
        return np.asarray((seen - _enlarged(expected)) / self.fine, np.float32)


def reduced(seen: Float32) -> Float32:
    """A face (S, S, 3) as the vector (3 * C * C,) that a `FaceModel` is about."""
    return np.asarray(cv2.resize(seen, (COARSE, COARSE), interpolation=cv2.INTER_AREA).ravel(), np.float32)


def fit_face_model(faces: Float32, count: int) -> FaceModel:
    """The model with ``count`` components of ``faces`` (N, S, S, 3), as `in_units_of_skin` gives them."""
    vectors = np.stack([reduced(face) for face in faces])
    mean = vectors.mean(0)
    _, values, components = np.linalg.svd(vectors - mean, full_matrices=False)
    components, variances = components[:count], values[:count] ** 2 / len(vectors)
    expected = mean + (vectors - mean) @ components.T @ components
    fine = [
        face - _enlarged(each.reshape(COARSE, COARSE, 3)) for face, each in zip(faces, expected, strict=True)
    ]
    spreads = [np.sqrt(np.square(rest).mean(0)) + 0.1 for rest in (vectors - expected, np.stack(fine))]
    return FaceModel(*(np.asarray(part, np.float32) for part in (mean, components, variances, *spreads)))


@dataclass(frozen=True)
class Occlusion:
    """The perceptron: ``layers`` of weights and biases, for features as `features` gives them."""

    model: FaceModel
    layers: tuple[tuple[Float32, Float32], ...]

    def probability(self, pixels: npt.NDArray[np.uint8], landmarks: Float32) -> Float32:
        """How likely each place of a face (S, S, 3), with its ``landmarks`` (468, 2), is covered: (S, S)."""
        value = features(pixels, landmarks, self.model).reshape(SIDE * SIDE, -1)
        for number, (weights, biases) in enumerate(self.layers):
            value = (np.maximum(value, 0) if number else value) @ weights + biases
        likely = 1 / (1 + np.exp(-np.clip(value, -30, 30)))
        return np.asarray(likely.reshape(SIDE, SIDE), np.float32)


@lru_cache(maxsize=1)
def shipped() -> Occlusion:
    """That of the package."""
    with np.load(asset(WEIGHTS), allow_pickle=False) as stored:
        parts = {name: stored[name].astype(np.float32) for name in stored.files}
    model = FaceModel(*(parts[name] for name in ("mean", "components", "variances", "coarse", "fine")))
    count = sum(name.startswith("weights") for name in parts)
    layers = tuple((parts[f"weights{number}"], parts[f"biases{number}"]) for number in range(count))
    return Occlusion(model, layers)


def uncovered(pixels: Float32, landmarks: Float32) -> Float32:
    """How much of an edit each place of an aligned face gets, as far as nothing covers it: (size, size) in [0, 1].

    Places beyond the outline of the face get all of it: hair is no cover there.

    Args:
        pixels: the face (size, size, 3) in [-1, 1].
        landmarks: (468, 2), in its own pixels.
    """
    matrix = align_landmarks(landmarks, SIDE)
    small = np.clip(np.rint(warp(pixels, matrix, (SIDE, SIDE)) * 127.5 + 127.5), 0, 255).astype(np.uint8)
    points = apply_transform(matrix, landmarks[:, :2])
    covered = _without_specks(cv2.GaussianBlur(shipped().probability(small, points), (0, 0), 0.7))
    covered = np.clip((covered - _UNSURE) / (_SURE - _UNSURE), 0, 1)
    covered = covered * covered * (3 - 2 * covered) * face_outline(points, SIDE)
    size = (pixels.shape[1], pixels.shape[0])
    back = warp(covered.astype(np.float32), invert_transform(matrix), size, border=cv2.BORDER_CONSTANT)
    return np.asarray(1 - back, np.float32)


def _without_specks(covered: npt.NDArray[Any]) -> Float32:
    """Probabilities (S, S), and 0 in small pieces."""
    _, pieces, facts, _ = cv2.connectedComponentsWithStats((covered > _UNSURE).astype(np.uint8))
    return np.asarray(covered * (facts[:, cv2.CC_STAT_AREA] >= _SPECK)[pieces], np.float32)


def in_units_of_skin(pixels: npt.NDArray[np.uint8], landmarks: Float32) -> Float32:
    """A face (S, S, 3) as the difference of its luma and chroma from those of its own skin."""
    colours = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb)
    places = np.clip(np.rint(landmarks[list(_SKIN)]).astype(int), 1, SIDE - 2)
    skin = percentile(cv2.blur(colours, (3, 3))[places[:, 1], places[:, 0]], 50)
    return np.asarray(np.clip((colours - skin) / _SPREAD, -_MOST, _MOST), np.float32)


def features(pixels: npt.NDArray[np.uint8], landmarks: Float32, model: FaceModel) -> Float32:
    """What is seen at each place of a face (S, S, 3) with its ``landmarks`` (468, 2): (S, S, F)."""
    seen, where = in_units_of_skin(pixels, landmarks), face_outline(landmarks, SIDE)
    unlike = np.clip(model.unlikeness(seen, cv2.dilate(where, np.ones((3, 3)))), -_MOST, _MOST)
    eyes, chin = landmarks[list(_EYES), :2].mean(0), landmarks[_CHIN, :2]
    lopsided = seen - _mirrored(seen, eyes, chin)
    x, y = (cv2.Sobel(seen[..., 0], cv2.CV_32F, *order, ksize=3) / 4 for order in ((1, 0), (0, 1)))
    edge, off = np.hypot(x, y), np.abs(unlike).mean(2)
    here = [seen, unlike, off, lopsided[..., 0], np.abs(lopsided), edge, np.abs(x), np.abs(y)]
    around = np.dstack([seen, unlike, off, np.abs(lopsided[..., 0]), edge])
    blurred = [cv2.GaussianBlur(around, (0, 0), sigma) for sigma in _SCALES]
    lines = [
        cv2.morphologyEx(seen[..., 0], kind, np.ones((9, 9), np.uint8))
        for kind in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)
    ]
    return np.dstack([*here, *blurred, *lines, *_places(landmarks, eyes, where)]).astype(np.float32)


def _places(landmarks: Float32, eyes: Float32, where: Float32) -> list[npt.NDArray[Any]]:
    """Where each place lies on the face, in eye distances from the middle between the eyes."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    unit = float(np.linalg.norm(landmarks[[33, 133], :2].mean(0) - landmarks[[362, 263], :2].mean(0)))
    x, y = np.abs(columns - eyes[0]) / unit, (rows - eyes[1]) / unit
    return [x, y, x * x, y * y, x * y, cv2.GaussianBlur(where, (0, 0), 2)]


def _mirrored(seen: Float32, eyes: Float32, chin: Float32) -> Float32:
    """The face (S, S, 3) with its halves exchanged, on both sides of the line from ``eyes`` to ``chin``."""
    down = (chin - eyes) / max(float(np.linalg.norm(chin - eyes)), 1e-6)
    across = np.array([-down[1], down[0]])
    turn = np.eye(2) - 2 * np.outer(across, across)
    matrix = np.column_stack([turn, eyes - turn @ eyes]).astype(np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(seen, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def _enlarged(coarse: npt.NDArray[Any]) -> Float32:
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)
