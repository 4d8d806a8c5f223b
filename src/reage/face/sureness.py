"""How sure the reading of a face is: whether it can be seen well enough for its age to be read.

Brightness, sharpness and pose are measured; whether eyes or mouth are covered is judged from the gradients and colours
of the aligned face by two logistic regressions (``assets/face_coverings.npy``, fitted by ``benchmarks/coverings.py`` on
faces with painted masks and sunglasses). How often each doubt is right: `docs/sureness.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from reage.arrays import Bool, Float32, UInt8, percentile
from reage.assets import asset
from reage.face.alignment import align_landmarks, apply_transform, warp
from reage.photo.lab import to_lab

DOUBTS = {
    "eyes covered": "its eyes look covered",
    "mouth covered": "its mouth looks covered",
    "dark": "it is very dark",
    "blurred": "it is blurred",
    "profile": "it is turned far to the side",
}
"""What can make a reading doubtful, and the same in words about the face."""

SIDE = 128
"""Side in pixels of the aligned face that is looked at."""
_DARK, _DARK_WIDTH = 45.0, 8.0
"""Levels that nine tenths of a face stay below. Below the first, ages are misread by 5 years and more; below 10, by
more than 17. Of clear photos the darkest have 100."""
_BLURRED, _BLURRED_WIDTH = 0.42, 0.04
"""Fine detail (1 to 2 px of the aligned face) as a part of the coarser (2 to 4 px)."""
_TURNED, _TURNED_WIDTH = 0.6, 0.08
"""How far the tip of the nose is from the middle between the eyes, in halves of their distance: 1 is below an eye."""

_PICTURE, _CELLS, _ANGLES = 64, 8, 8
_OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""Landmarks around the face."""


@dataclass(frozen=True)
class Sureness:
    """How sure the reading of a face is."""

    strengths: Mapping[str, float]
    """How strong each of `DOUBTS` is, 0 to 1; it counts from 0.5 on."""

    @property
    def value(self) -> float:
        """From 0 to 1: what the strongest doubt leaves."""
        return 1 - max(self.strengths.values())

    @property
    def doubts(self) -> tuple[str, ...]:
        """Those of `DOUBTS` that count, the strongest first; mostly none."""
        return tuple(
            sorted((d for d, s in self.strengths.items() if s >= 0.5), key=lambda d: -self.strengths[d])
        )


def doubts_in_words(doubts: tuple[str, ...] | list[str]) -> str:
    """What makes the reading of a face doubtful, such as ``it is very dark and it is blurred``; empty for nothing."""
    return " and ".join(DOUBTS[doubt] for doubt in doubts)


def most_doubt(readings: Sequence[Sureness]) -> tuple[str, ...]:
    """The doubts that count in the median of several readings of one face, such as those of a video."""
    if not readings:
        return ()
    return Sureness({d: float(np.median([each.strengths[d] for each in readings])) for d in DOUBTS}).doubts


def doubt_about(index: int, doubts: tuple[str, ...] | list[str]) -> str:
    """The sentence that warns of the reading of face ``index``."""
    return f"the age of face {index} may be misread, since {doubts_in_words(doubts)}"


def read_sureness(pixels: UInt8, landmarks_photo: Float32) -> Sureness:
    """How sure the reading of a face is, from the face alone; takes about 2 ms.

    Args:
        pixels: the photo (H, W, 3) in sRGB.
        landmarks_photo: the landmarks (468, 2 or 3) of the face, in pixels of the photo.
    """
    matrix = align_landmarks(landmarks_photo, SIDE)
    picture = np.asarray(warp(pixels, matrix, (SIDE, SIDE)), np.uint8)
    landmarks = apply_transform(matrix, landmarks_photo[:, :2])
    inside = _inside(landmarks)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    features = covering_features(picture)
    eyes, mouth = (weights[:-1] @ features + weights[-1] for weights in _covering_weights())
    scores = {
        "eyes covered": eyes,
        "mouth covered": mouth,
        "dark": (_DARK - percentile(luma[inside], 90)) / _DARK_WIDTH,
        "blurred": (_BLURRED - _sharpness(luma, inside)) / _BLURRED_WIDTH,
        "profile": (_turn(landmarks) - _TURNED) / _TURNED_WIDTH,
    }
    return Sureness({doubt: float(1 / (1 + np.exp(-np.clip(s, -30, 30)))) for doubt, s in scores.items()})


def covering_features(picture: UInt8) -> Float32:
    """What the regressions for covered eyes and mouths see of an aligned face (`SIDE`, `SIDE`, 3): a vector.

    For each cell of a grid: the strengths of gradients in eight directions beside one another, as in histograms of
    oriented gradients (Dalal and Triggs, 2005), their strength beside that of the whole face, and how far its colour is
    from the middle of the face in CIELAB.
    """
    small = cv2.resize(picture, (_PICTURE, _PICTURE), interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    angle = (np.arctan2(down, across) % np.pi / np.pi * _ANGLES)[..., None]
    apart = np.abs(angle - np.arange(_ANGLES))
    near = np.maximum(0, 1 - np.minimum(apart, _ANGLES - apart))
    maps = (np.hypot(across, down)[..., None] * near).astype(np.float32)
    cells = cv2.resize(maps, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    strength = np.sqrt(cv2.blur((cells**2).sum(-1), (3, 3))) + 1
    colours = cv2.resize(to_lab(small), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    middle = colours[2:6, 2:6].reshape(-1, 3)
    apart_in_colour = (colours - percentile(middle, 50)) / (middle[:, 0].std() + 5, 10, 10)
    parts = (
        np.sqrt(cells / strength[..., None]),
        np.log(strength / strength.mean()),
        np.clip(apart_in_colour, -4, 4) / 2,
    )
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


@lru_cache(maxsize=1)
def _covering_weights() -> Float32:
    """For covered eyes and for a covered mouth, the weight of each feature, and the bias last: (2, n)."""
    return np.asarray(np.load(asset("face_coverings.npy"), allow_pickle=False), np.float32)


def _inside(landmarks: Float32) -> Bool:
    """Which pixels (`SIDE`, `SIDE`) of the aligned frame the face covers; all of them if it covers hardly any."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.round(landmarks[list(_OUTLINE)]).astype(np.int32)], 1)
    inside = mask > 0
    return inside if inside.sum() > SIDE else np.ones_like(inside)


def _sharpness(luma: Float32, inside: Bool) -> float:
    """Fine detail as a part of coarser detail; about 0.65 in a sharp photo."""
    blurred = [cv2.GaussianBlur(luma, (0, 0), sigma) for sigma in (1.0, 2.0, 4.0)]
    fine, coarse = (blurred[i] - blurred[i + 1] for i in (0, 1))
    return float(fine[inside].std() / max(coarse[inside].std(), 1e-3))


def _turn(landmarks: Float32) -> float:
    """How far a face is turned to the side: 0 from the front, 1 where the tip of the nose is below an eye."""
    right, left = landmarks[[33, 133]].mean(0), landmarks[[362, 263]].mean(0)
    along = left - right
    place = float((landmarks[1] - right) @ along / max(float(along @ along), 1e-6))
    return 2 * abs(place - 0.5)
