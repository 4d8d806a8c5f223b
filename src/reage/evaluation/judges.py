"""The networks that judge: two readers of age and one of identity. They never teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reage.arrays import Float32, Float64, UInt8
from reage.assets import asset
from reage.face.apparent_age import AgeReader, dlib_chip
from reage.onnx_session import open_session

AGE_JUDGES = ("face_age.onnx", "faceres.onnx")
IDENTITY_JUDGE = "face_identity.onnx"
JUDGES = (*AGE_JUDGES, IDENTITY_JUDGE)


@dataclass(frozen=True)
class Verdict:
    """What the judges see in N pictures of one face: ``ages`` (N, 2) in years, a column a judge, uncalibrated;
    ``descriptors`` (N, 128), compared by Euclidean distance; ``male`` (N,) probabilities."""

    ages: Float64
    descriptors: Float32
    male: Float64


class Judges:
    """Reads pictures in which a face lies where it lay before any edit: edits move nothing."""

    def __init__(self) -> None:
        self._first = AgeReader()
        self._second = open_session(asset(AGE_JUDGES[1]))
        self._identity = open_session(asset(IDENTITY_JUDGE))

    def look(self, pictures: Sequence[UInt8], landmarks_photo: Float32) -> Verdict:
        """Judge ``pictures``, each (H, W, 3) sRGB, of the face with ``landmarks_photo`` (468, 2 or 3).

        Margins of the chips are those the networks were made for (`dlib_chip`).
        """
        first = [self._first.read(picture, landmarks_photo) for picture in pictures]

        def chips(size: int, padding: float) -> Float32:
            cut = np.stack([dlib_chip(picture, landmarks_photo, size, padding) for picture in pictures])
            return np.ascontiguousarray(cut.transpose(0, 3, 1, 2), np.float32)

        (second,) = self._second.run(["age"], {"image": chips(224, 0.5)})
        (descriptors,) = self._identity.run(["descriptor"], {"image": chips(150, 0.25)})
        ages = np.stack([[reading.age for reading in first], second.astype(np.float64)], 1)
        return Verdict(ages, descriptors, np.array([reading.male_probability for reading in first]))
