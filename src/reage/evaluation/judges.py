"""The judges: two networks estimate age, one compares identities. None of them takes part in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reage.arrays import Float32, Float64, UInt8
from reage.assets import asset
from reage.face.apparent_age import AgeReader, dlib_chip
from reage.face.identity import NETWORK as IDENTITY_JUDGE
from reage.face.identity import IdentityReader
from reage.onnx_session import open_session

AGE_JUDGES = ("face_age.onnx", "faceres.onnx")
JUDGES = (*AGE_JUDGES, IDENTITY_JUDGE)


@dataclass(frozen=True)
class Judgement:
    """The estimates of the judges for N pictures of one face.

    Attributes:
        ages: (N, 2), estimated ages in years, one column for each of `AGE_JUDGES`, as the networks give them.
        descriptors: (N, 128), compared by their Euclidean distance: the smaller, the more alike.
        male_probability: (N,), from 0 to 1.
    """

    ages: Float64
    descriptors: Float32
    male_probability: Float64


class Judges:
    """The three judging networks, loaded once."""

    def __init__(self) -> None:
        self._first = AgeReader()
        self._second = open_session(asset(AGE_JUDGES[1]))
        self._identity = IdentityReader()

    def look(self, pictures: Sequence[UInt8], landmarks_photo: Float32) -> Judgement:
        """Judge pictures of one face that lies at the same place in all of them, as an edit leaves it.

        Args:
            pictures: N pictures (H, W, 3), sRGB.
            landmarks_photo: (468, 2 or 3), the landmarks of the face in pixels of the pictures.

        Returns:
            The judgement of the N pictures.
        """
        first = [self._first.read(picture, landmarks_photo) for picture in pictures]

        # The side and the margin are those that the second network was made for.
        chips = np.stack([dlib_chip(picture, landmarks_photo, 224, 0.5) for picture in pictures])
        batch = np.ascontiguousarray(chips.transpose(0, 3, 1, 2), np.float32)
        (second,) = self._second.run(["age"], {"image": batch})
        descriptors = self._identity.read(pictures, landmarks_photo)
        ages = np.stack([[face.age for face in first], second.astype(np.float64)], 1)
        return Judgement(ages, descriptors, np.array([face.male_probability for face in first]))


def judges_among_teachers(teachers: Sequence[str], features: str) -> list[str]:
    """Names of judges that are among the teachers of a model.

    Args:
        teachers: what the manifest of the model says, in whatever words.
        features: the key in `features.NAMES` of the network behind KID and FID.
    """
    text = " ".join(teachers).lower()
    networks = {judge: judge.removesuffix(".onnx") for judge in JUDGES}
    networks["EfficientNet-Lite0" if features == "lite0" else "Inception-v3"] = features
    return [judge for judge, word in networks.items() if word in text]
