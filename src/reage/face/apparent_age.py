"""The apparent age and gender of a face (ONNX)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reage.ages import MAX_AGE
from reage.arrays import Float32, UInt8
from reage.assets import asset
from reage.face.alignment import fit_similarity, warp
from reage.onnx_session import open_session

CHIP = 112
"""Side of the age network's input in pixels."""
PADDINGS = (0.2, 0.25)
"""Margins of the chips whose readings are averaged; the network was made for the first."""

_CHIP_LANDMARKS = (263, 362, 33, 133, 2)
_CHIP_POINTS = np.array(
    [
        (0.8595675, 0.2134982),
        (0.6460605, 0.2289674),
        (0.1205751, 0.2137274),
        (0.3340851, 0.2290642),
        (0.4901123, 0.6277976),
    ],
    np.float32,
)
"""Where dlib's face chips have the outer and inner corner of the left eye, of the right eye, and the base of
the nose (sides of the person shown), in a square of side 1 without padding."""


@dataclass(frozen=True)
class Reading:
    """What a face looks like: ``age`` in years, ``male_probability`` from 0 to 1."""

    age: float
    male_probability: float


def dlib_chip(pixels: UInt8, landmarks_photo: Float32, size: int, padding: float) -> UInt8:
    """The upright square (size, size, 3) around a face that dlib's networks take.

    ``pixels`` is (H, W, 3), ``landmarks_photo`` (468, 2 or 3); ``padding`` is the margin around dlib's mean
    face as a part of its side. Eye corners and the base of the nose are fitted as in ``dlib.get_face_chip``.
    """
    target = (_CHIP_POINTS + padding) / (1 + 2 * padding) * size
    source = np.asarray(landmarks_photo, np.float32)[list(_CHIP_LANDMARKS), :2]
    return np.asarray(warp(pixels, fit_similarity(source, target), (size, size)), np.uint8)


class AgeReader:
    """Reads the apparent age and gender of faces; nothing about who they are."""

    def __init__(self, *, threads: int | None = None) -> None:
        self._session = open_session(asset("face_age.onnx"), threads=threads)

    def read(self, pixels: UInt8, landmarks_photo: Float32) -> Reading:
        """The reading of the face with ``landmarks_photo`` (468, 2 or 3) in a photo (H, W, 3), sRGB.

        Averaged over two margins and their mirror images. A single reading moves by 0.45 years (standard
        deviation) when a photo is reduced, turned by 8 degrees or compressed; this average by 0.25.
        """
        chips = np.stack([dlib_chip(pixels, landmarks_photo, CHIP, padding) for padding in PADDINGS])
        chips = np.concatenate([chips, chips[:, :, ::-1]])
        batch = np.ascontiguousarray(chips.transpose(0, 3, 1, 2), np.float32)
        ages, males = self._session.run(["age", "male_probability"], {"image": batch})
        return Reading(float(np.clip(ages.mean(), 0, MAX_AGE)), float(males.mean()))
