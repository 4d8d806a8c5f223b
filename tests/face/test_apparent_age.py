"""Ages are read from an upright chip, and hold still when the photo changes a little."""

import csv
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reage.arrays import Float32
from reage.face.apparent_age import AgeReader, dlib_chip
from reage.face.detection import FaceDetector

Bytes = npt.NDArray[np.uint8]
EXAMPLES = Path(__file__).parents[2] / "examples"
with (EXAMPLES / "portraits.csv").open(encoding="utf-8", newline="") as _file:
    PORTRAITS = {row["file"]: row for row in csv.DictReader(_file)}
AGED = [name for name, row in PORTRAITS.items() if row["age_min"]]


def load(name: str) -> Bytes:
    return np.asarray(cv2.cvtColor(cv2.imread(str(EXAMPLES / name)), cv2.COLOR_BGR2RGB), np.uint8)


@pytest.fixture(scope="module")
def landmarks() -> dict[str, Float32]:
    detector = FaceDetector(threads=1)
    return {name: detector.detect(load(name))[0].landmarks_photo for name in PORTRAITS}


@pytest.fixture(scope="module")
def reader() -> AgeReader:
    return AgeReader(threads=1)


def test_the_index_lists_every_portrait() -> None:
    assert sorted(PORTRAITS) == sorted(path.name for path in EXAMPLES.glob("*.jpg"))


@pytest.mark.parametrize("name", AGED)
def test_the_age_read_is_near_the_true_one(
    reader: AgeReader, landmarks: dict[str, Float32], name: str
) -> None:
    """Within 12 years; the person may have been a day short of ``age_max`` + 1."""
    age = reader.read(load(name), landmarks[name]).age
    assert float(PORTRAITS[name]["age_min"]) - 12 < age < float(PORTRAITS[name]["age_max"]) + 1 + 12


@pytest.mark.parametrize("name", list(PORTRAITS))
def test_the_gender_read_is_the_one_on_record(
    reader: AgeReader, landmarks: dict[str, Float32], name: str
) -> None:
    male = reader.read(load(name), landmarks[name]).male_probability
    assert 0 <= male <= 1
    assert (male > 0.5) == (PORTRAITS[name]["gender"] == "male")


def test_a_reading_holds_when_the_photo_is_reduced_turned_or_mirrored(
    reader: AgeReader, landmarks: dict[str, Float32]
) -> None:
    name = AGED[0]
    pixels, points = load(name), landmarks[name]
    age = reader.read(pixels, points).age
    half = np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    assert reader.read(half, (points + 0.5) / 2 - 0.5).age == pytest.approx(age, abs=1.5)
    matrix = cv2.getRotationMatrix2D((512, 512), 20, 1)
    turned = np.asarray(cv2.warpAffine(pixels, matrix, (1024, 1024)), np.uint8)
    moved = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    assert reader.read(turned, moved).age == pytest.approx(age, abs=1.5)


def test_a_chip_has_eyes_and_nose_in_their_places() -> None:
    """A dot on each landmark of a made-up face comes out where dlib's mean face has it."""
    places = {263: (0.8595675, 0.2134982), 362: (0.6460605, 0.2289674), 33: (0.1205751, 0.2137274)}
    places |= {133: (0.3340851, 0.2290642), 2: (0.4901123, 0.6277976)}
    points = np.zeros((468, 2), np.float32)
    turn = 300 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    canvas = np.zeros((800, 800, 3), np.uint8)
    for index, place in places.items():
        points[index] = turn @ place + [250, 150]
        cv2.circle(canvas, (points[index] * 16).round().astype(int).tolist(), 8 * 16, (255,) * 3, -1, 0, 4)
    chip = dlib_chip(canvas, points, 150, 0.25)
    assert chip.shape == (150, 150, 3)
    for x, y in places.values():
        column, row = (round((v + 0.25) / 1.5 * 150) for v in (x, y))
        assert chip[row, column].min() > 200
    assert (chip > 128).mean() < 0.05
