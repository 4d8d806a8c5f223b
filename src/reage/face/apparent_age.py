"""The apparent age and gender of a face, by an ONNX network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reage.ages import MAX_AGE
from reage.arrays import Float32, UInt8
from reage.devices import Device
from reage.face.alignment import fit_similarity, warp
from reage.onnx_session import shipped_session

CHIP = 112
"""Side in pixels of the pictures that the age network takes."""
PADDINGS = (0.2, 0.25)
"""Margins of the pictures whose results are averaged; the network was made for the first."""

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
"""Where dlib's aligned faces ("chips") have the outer and inner corner of the left eye, the same of the right eye, and
the base of the nose (left and right of the person shown), in a square of side 1 without padding."""


@dataclass(frozen=True)
class ApparentAge:
    """The apparent age and gender of a face."""

    age: float
    """In years, 0 to 116."""
    male_probability: float
    """From 0 to 1."""


def dlib_chip(pixels: UInt8, landmarks_photo: Float32, size: int, padding: float) -> UInt8:
    """A face as dlib's networks take it: upright, in a square picture (size, size, 3).

    Corners of the eyes and the base of the nose are fitted as in ``dlib.get_face_chip``.

    Args:
        pixels: the photo (H, W, 3).
        landmarks_photo: the landmarks (468, 2 or 3) of the face, in pixels of the photo.
        size: side of the square in pixels.
        padding: the margin around dlib's mean face, as a part of its side.
    """
    target = (_CHIP_POINTS + padding) / (1 + 2 * padding) * size
    source = np.asarray(landmarks_photo, np.float32)[list(_CHIP_LANDMARKS), :2]
    return np.asarray(warp(pixels, fit_similarity(source, target), (size, size)), np.uint8)


class AgeReader:
    """Estimates the apparent age and gender of faces, and nothing about who they are."""

    def __init__(self, *, threads: int | None = None, device: Device | None = None) -> None:
        self._session = shipped_session("face_age.onnx", threads, device)

    def load(self) -> None:
        """Open the network now, not on first use."""
        self._session.load()

    def read(self, pixels: UInt8, landmarks_photo: Float32) -> ApparentAge:
        """The apparent age and gender of one face.

        Averaged over two margins and their mirror images. When a photo is reduced, turned by 8 degrees or compressed, a
        single estimate of age moves by 0.45 years (standard deviation), this average by 0.25.

        Args:
            pixels: the photo (H, W, 3) in sRGB.
            landmarks_photo: the landmarks (468, 2 or 3) of the face, in pixels of the photo.
        """
        chips = np.stack([dlib_chip(pixels, landmarks_photo, CHIP, padding) for padding in PADDINGS])
        chips = np.concatenate([chips, chips[:, :, ::-1]])
        batch = np.ascontiguousarray(chips.transpose(0, 3, 1, 2), np.float32)
        ages, males = self._session.run(["age", "male_probability"], {"image": batch})
        return ApparentAge(float(np.clip(ages.mean(), 0, MAX_AGE)), float(males.mean()))
