"""What stands in front of a face is left as it is, and a face before which nothing stands is edited all over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage import Reager
from reage.arrays import Float32, UInt8
from reage.edit.masks import face_mask
from reage.edit.occlusion import uncovered
from reage.photo.photo import eight_bits
from reage.result import SittingFace

PORTRAITS = sorted((Path(__file__).parents[2] / "examples").glob("*.jpg"))


def microphone(landmarks: Float32, canvas: UInt8) -> None:
    x, y = landmarks[17] + (landmarks[17] - landmarks[0])
    apart = np.linalg.norm(landmarks[33] - landmarks[263])
    cv2.ellipse(canvas, (int(x), int(y)), (int(0.3 * apart), int(0.36 * apart)), 0, 0, 360, 255, -1)
    cv2.rectangle(canvas, (int(x - 0.12 * apart), int(y)), (int(x + 0.12 * apart), len(canvas)), 255, -1)


def sunglasses(landmarks: Float32, canvas: UInt8) -> None:
    apart = np.linalg.norm(landmarks[33] - landmarks[263])
    for eye in (landmarks[[33, 133]].mean(0), landmarks[[362, 263]].mean(0)):
        cv2.ellipse(canvas, [int(v) for v in eye], (int(0.3 * apart), int(0.22 * apart)), 0, 0, 360, 255, -1)


def card(landmarks: Float32, canvas: UInt8) -> None:
    corner, other = landmarks[205], landmarks[152]
    cv2.rectangle(canvas, [int(v) for v in corner - 30], [int(v) for v in other], 255, -1)


def left(face: SittingFace) -> tuple[Float32, Float32]:
    """The mask of the face, and how much of an edit is left."""
    assert face.aligned.uncovered is not None
    return face_mask(face.landmarks_aligned, face.aligned.size), face.aligned.uncovered


@pytest.mark.parametrize(
    "portrait", [path for path in PORTRAITS if "karen-bass" not in path.name], ids=lambda path: path.stem
)
def test_plain_faces_are_edited_all_over(reager: Reager, portrait: Path) -> None:
    mask, free = left(reager.open(portrait, faces="largest").faces[0])
    assert (mask * free).sum() > 0.98 * mask.sum()


def test_glasses_stay_as_they_are(reager: Reager) -> None:
    (portrait,) = (path for path in PORTRAITS if "karen-bass" in path.name)
    face = reager.open(portrait, faces="largest").faces[0]
    mask, free = left(face)
    assert (mask * free).sum() > 0.94 * mask.sum()
    below_the_eyes = face.landmarks_aligned[[145, 374]].astype(int)
    for x, y in below_the_eyes:  # where the rims are
        assert free[y : y + 14, x - 4 : x + 5].min(0).max() < 0.5


@pytest.mark.parametrize(
    ("thing", "colour"),
    [(microphone, (25, 25, 28)), (sunglasses, (15, 12, 12)), (card, (40, 90, 200))],
    ids=["microphone", "sunglasses", "card"],
)
def test_things_in_front_of_a_face_are_not_painted_over(
    reager: Reager, thing: Callable[[Float32, UInt8], None], colour: tuple[int, int, int]
) -> None:
    sitting = reager.open(PORTRAITS[2], faces="largest")
    pixels, landmarks = eight_bits(sitting.photo.pixels).copy(), sitting.faces[0].face.landmarks_photo[:, :2]
    there = np.zeros(pixels.shape[:2], np.uint8)
    thing(landmarks, there)
    pixels[there > 0] = colour
    face = sitting.faces[0]
    aligned = reager.align(pixels, face.aligned.matrix, face.landmarks_aligned)
    size = aligned.size
    inside = cv2.warpAffine(there, aligned.matrix, (size, size)) > 200
    inside = cv2.erode(inside.astype(np.uint8), np.ones((5, 5))) > 0
    mask = face_mask(face.landmarks_aligned, size)
    assert aligned.uncovered is not None
    assert (mask * aligned.uncovered)[inside].sum() < 0.25 * mask[inside].sum()
    beside = mask * (cv2.dilate(inside.astype(np.uint8), np.ones((15, 15))) == 0)
    assert (beside * aligned.uncovered).sum() > 0.9 * beside.sum()
    edit = reager.edit(aligned, to=75, source=40, male=0)
    assert np.abs(edit.delta * mask[..., None])[inside].mean() < 0.02


def test_a_face_without_any_contrast_is_no_trouble() -> None:
    landmarks = np.random.default_rng(0).uniform(20, 100, (468, 2)).astype(np.float32)
    free = uncovered(np.zeros((128, 128, 3), np.float32), landmarks)
    assert free.shape == (128, 128)
    assert np.isfinite(free).all()
