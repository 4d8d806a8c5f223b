"""Faces for tests: blends of the bundled portraits, in files named like those of UTKFace.

`python tests/faces.py FOLDER` writes enough of them to try the commands that train and evaluate without any data set.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from reage.face.alignment import align_landmarks, warp
from reage.face.detection import FaceDetector

EXAMPLES = Path(__file__).parent.parent / "examples"


@lru_cache
def aligned_portraits(size: int = 200) -> list[npt.NDArray[np.uint8]]:
    """The bundled portraits, aligned: each (size, size, 3) RGB."""
    detector, faces = FaceDetector(), []
    for path in sorted(EXAMPLES.glob("*.jpg")):
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        landmarks = detector.detect(pixels)[0].landmarks_photo
        faces.append(warp(pixels, align_landmarks(landmarks, size), (size, size)))
    return faces


def blended_faces(
    size: int = 200, proportions: Sequence[float] = (0.35, 0.65)
) -> list[npt.NDArray[np.uint8]]:
    """Every pair of portraits, blended in several proportions: each (size, size, 3) RGB.

    Each is rotated, shifted and scaled a little differently, since otherwise the index would take most of them for
    copies of one another.
    """
    rng, faces = np.random.default_rng(0), []
    for one, other in combinations(aligned_portraits(size), 2):
        for part in proportions:
            blend = cv2.addWeighted(one, part, other, 1 - part, 0)
            turn = cv2.getRotationMatrix2D(
                (size / 2, size / 2), rng.uniform(-20, 20), rng.uniform(0.85, 1.15)
            )
            turn[:, 2] += rng.uniform(-0.06, 0.06, 2) * size
            faces.append(cv2.warpAffine(blend, turn, (size, size), borderMode=cv2.BORDER_REFLECT_101))
    return faces


def write_faces(folder: Path, size: int = 200, proportions: Sequence[float] = (0.35, 0.65)) -> int:
    """Write `blended_faces` into ``folder``, with made-up ages of 18 to 80 years in their names; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    faces = blended_faces(size, proportions)
    for number, face in enumerate(faces):
        i, j = divmod(number, len(proportions))
        age, gender = 18 + (17 * i + 31 * j) % 63, (i + j) % 2
        name = f"{age}_{gender}_0_20170101{i:06d}{j:03d}.jpg"
        cv2.imwrite(str(folder / name), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    return len(faces)


if __name__ == "__main__":
    many = [0.04 * step for step in range(3, 23)]
    print(f"{write_faces(Path(sys.argv[1]), proportions=many)} faces in {sys.argv[1]}")
