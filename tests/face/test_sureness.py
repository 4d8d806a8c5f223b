"""Doubts about a face are raised where it is covered, dark, blurred or turned away, and not about clear portraits."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.arrays import Float32, UInt8
from reage.face.detection import FaceDetector
from reage.face.sureness import DOUBTS, doubts_in_words, read_sureness
from reage.photo.files import read_photo

EXAMPLES = Path(__file__).parents[2] / "examples"
PORTRAITS = sorted(path.stem for path in EXAMPLES.glob("*.jpg"))
CHEEKS_AND_JAW = (195, 50, 118, 93, 58, 172, 149, 152, 378, 397, 288, 323, 347, 280)
"""Landmarks around what a mask covers."""

Paint = Callable[[UInt8, Float32], UInt8]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


def portrait(name: str) -> UInt8:
    """A portrait of at most 512 pixels."""
    pixels = read_photo(EXAMPLES / f"{name}.jpg").pixels
    ratio = min(1, 512 / max(pixels.shape))
    return np.asarray(cv2.resize(pixels, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA), np.uint8)


def masked(pixels: UInt8, landmarks: Float32) -> UInt8:
    """With a light blue mask of cloth."""
    outline = np.round(landmarks[list(CHEEKS_AND_JAW)]).astype(np.int32)
    return np.asarray(cv2.fillPoly(pixels.copy(), [outline], (160, 195, 215)), np.uint8)


def in_sunglasses(pixels: UInt8, landmarks: Float32) -> UInt8:
    painted = pixels.copy()
    eyes = [landmarks[pair].mean(0).round().astype(int) for pair in ([33, 133], [362, 263])]
    radius = round(0.42 * float(np.linalg.norm(eyes[1] - eyes[0])))
    for eye in eyes:
        cv2.ellipse(painted, eye.tolist(), (radius, round(0.7 * radius)), 0, 0, 360, (18, 16, 15), -1)
    cv2.line(painted, eyes[0].tolist(), eyes[1].tolist(), (18, 16, 15), 3)
    return painted


def nearly_black(pixels: UInt8, _: Float32) -> UInt8:
    return (pixels * 0.08).astype(np.uint8)


def blurred(pixels: UInt8, landmarks: Float32) -> UInt8:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.03 * np.ptp(landmarks, axis=0).max()), np.uint8)


@pytest.mark.parametrize("name", PORTRAITS)
def test_a_clear_portrait_raises_no_doubt(detector: FaceDetector, name: str) -> None:
    pixels = portrait(name)
    (face,) = detector.detect(pixels)
    sureness = read_sureness(pixels, face.landmarks_photo)
    assert sureness.doubts == ()
    assert 0.5 < sureness.value <= 1


@pytest.mark.parametrize("name", ["house_andre-carson", "house_grace-meng", "senate_angus-king"])
@pytest.mark.parametrize(
    ("paint", "doubt"),
    [
        (masked, "mouth covered"),
        (in_sunglasses, "eyes covered"),
        (nearly_black, "dark"),
        (blurred, "blurred"),
    ],
)
def test_what_hides_a_face_is_named(detector: FaceDetector, name: str, paint: Paint, doubt: str) -> None:
    pixels = portrait(name)
    (face,) = detector.detect(pixels)
    hidden = paint(pixels, face.landmarks_photo)
    sureness = read_sureness(hidden, face.landmarks_photo)
    assert doubt in sureness.doubts
    assert sureness.value < 0.5
    for found in detector.detect(hidden):  # with landmarks that what hides it may have misled
        assert doubt in read_sureness(hidden, found.landmarks_photo).doubts


def test_a_face_turned_far_to_the_side_is_named(detector: FaceDetector) -> None:
    pixels = portrait("senate_angus-king")
    (face,) = detector.detect(pixels)
    turned = face.landmarks_photo.copy()
    turned[1] = turned[[362, 263]].mean(0) + np.array([0, 40])  # the nose below an eye, as in a profile
    assert "profile" in read_sureness(pixels, turned).doubts


def test_every_doubt_is_told_in_words() -> None:
    assert doubts_in_words([]) == ""
    assert doubts_in_words(["dark", "profile"]) == "it is very dark and it is turned far to the side"
    assert all(doubts_in_words([doubt]).startswith("it") for doubt in DOUBTS)
