"""The landmark network reads the same face from any crop that holds it."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reage.arrays import Float32
from reage.face.alignment import align_landmarks, apply_transform, invert_transform
from reage.face.detection import FaceDetector
from reage.face.landmarks import CROP, LandmarkNetwork, crop_around, crop_transform

Bytes = npt.NDArray[np.uint8]
EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["house_grace-meng.jpg", "house_andre-carson.jpg", "senate_angus-king.jpg"]


def load(name: str, side: int) -> Bytes:
    pixels = cv2.cvtColor(cv2.imread(str(EXAMPLES / name)), cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def eye_distance(landmarks: Float32) -> float:
    return float(np.linalg.norm(landmarks[[33, 133], :2].mean(0) - landmarks[[362, 263], :2].mean(0)))


def grid_in_photo(landmarks: Float32) -> Float32:
    """Nine points of the aligned frame in the photo: what a user sees of an alignment."""
    line = np.linspace(20, 108, 3)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2).astype(np.float32)
    return apply_transform(invert_transform(align_landmarks(landmarks, 128)), grid)


@pytest.fixture(scope="module")
def network() -> LandmarkNetwork:
    return LandmarkNetwork(threads=1)


@pytest.fixture(scope="module")
def faces() -> dict[str, Float32]:
    """Landmarks (468, 2) of each portrait at 512 px."""
    detector = FaceDetector(threads=1)
    return {name: detector.detect(load(name, 512))[0].landmarks_photo for name in NAMES}


@pytest.mark.parametrize(("centre", "side", "roll"), [((50, 60), 80, 0.0), ((-10.5, 900), 333, 2.5)])
def test_a_square_fills_the_crop(centre: tuple[float, float], side: float, roll: float) -> None:
    back = invert_transform(crop_transform(centre, side, roll))
    mid = CROP / 2 - 0.5
    points = np.array([[mid, mid], [mid + CROP / 2, mid]], np.float32)
    middle, right = apply_transform(back, points)
    np.testing.assert_allclose(middle, centre, atol=1e-2)
    np.testing.assert_allclose(
        right - middle, side / 2 * np.array([np.cos(roll), np.sin(roll)]), atol=side * 1e-4
    )


def test_the_crop_around_a_turned_face_turns_with_it(faces: dict[str, Float32]) -> None:
    landmarks = faces[NAMES[0]]
    (x, y), side, roll = crop_around(landmarks)
    turn = np.array([[0, -1], [1, 0]], np.float32)  # by 90 degrees
    (tx, ty), turned_side, turned_roll = crop_around(landmarks @ turn.T)
    assert (tx, ty) == pytest.approx((-y, x), abs=1e-2)
    assert turned_side == pytest.approx(side, rel=1e-4)
    assert turned_roll == pytest.approx(roll + np.pi / 2, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_points_are_where_a_face_has_them(faces: dict[str, Float32], name: str) -> None:
    landmarks = faces[name]
    right_eye, left_eye, nose = landmarks[[33, 133]].mean(0), landmarks[[362, 263]].mean(0), landmarks[1]
    mouth, chin, forehead = landmarks[[61, 291]].mean(0), landmarks[152], landmarks[10]
    assert right_eye[0] < nose[0] < left_eye[0]  # the right eye of the person is on the left of the photo
    heights = [forehead[1], right_eye[1], nose[1], mouth[1], chin[1]]
    assert heights == sorted(heights)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("degrees", [-30, 15, 45])
def test_alignment_turns_with_the_photo(
    network: LandmarkNetwork, faces: dict[str, Float32], name: str, degrees: float
) -> None:
    """The crop starts level and off centre, as a detector might give it."""
    pixels, landmarks = load(name, 512), faces[name]
    matrix = cv2.getRotationMatrix2D((256, 256), degrees, 0.8).astype(np.float32)
    canvas = np.asarray(cv2.warpAffine(pixels, matrix, (512, 512)), np.uint8)
    expected = apply_transform(matrix, landmarks)
    (x, y), side, roll = crop_around(expected)
    found, _ = network.read(canvas, (x + 0.05 * side, y - 0.05 * side), 1.1 * side, roll - 0.15)
    for _ in range(3):
        found, presence = network.refine(canvas, found)
    assert presence > 0.9
    error = np.linalg.norm(grid_in_photo(found) - grid_in_photo(expected), axis=1).mean()
    assert error < 0.02 * eye_distance(expected)


@pytest.mark.parametrize("name", NAMES)
def test_alignment_scales_with_the_photo(
    network: LandmarkNetwork, faces: dict[str, Float32], name: str
) -> None:
    start = (faces[name] + 0.5) * 2 - 0.5
    large, _ = network.refine(load(name, 1024), start)
    small, _ = network.refine(load(name, 512), faces[name])
    expected = (small[:, :2] + 0.5) * 2 - 0.5
    error = np.linalg.norm(grid_in_photo(large) - grid_in_photo(expected), axis=1).mean()
    assert error < 0.01 * eye_distance(large)


def test_depth_is_in_pixels_of_the_photo(network: LandmarkNetwork, faces: dict[str, Float32]) -> None:
    small, _ = network.refine(load(NAMES[0], 512), faces[NAMES[0]])
    large, _ = network.refine(load(NAMES[0], 1024), (faces[NAMES[0]] + 0.5) * 2 - 0.5)
    assert np.ptp(large[:, 2]) == pytest.approx(2 * np.ptp(small[:, 2]), rel=0.05)


def test_no_presence_where_there_is_no_face(network: LandmarkNetwork) -> None:
    flat = np.full((300, 300, 3), 128, np.uint8)
    assert network.read(flat, (150, 150), 200, 0.0)[1] < 0.5
    assert network.read(flat, (-900, -900), 200, 0.0)[1] < 0.5  # nothing but the black outside
