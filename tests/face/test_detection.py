"""Faces are found whatever their size, place and roll, once each, and nothing else is."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reage.face.candidates import fine_sides, overlap
from reage.face.detection import Face, FaceDetector, drop_duplicates

Bytes = npt.NDArray[np.uint8]
EXAMPLES = Path(__file__).parents[2] / "examples"
PORTRAITS = sorted(path.name for path in EXAMPLES.glob("*.jpg"))
GREY = (96, 110, 128)


def load(name: str, side: int = 512) -> Bytes:
    """A portrait whose longer side is ``side``; its face is about half as high."""
    pixels = cv2.cvtColor(cv2.imread(str(EXAMPLES / name)), cv2.COLOR_BGR2RGB)
    size = tuple(round(s * side / max(pixels.shape)) for s in pixels.shape[1::-1])
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def turned(pixels: Bytes, degrees: float) -> tuple[Bytes, npt.NDArray[np.float64]]:
    """A picture turned counter-clockwise on a canvas that holds all of it, and the transform (2, 3)."""
    height, width = pixels.shape[:2]
    side = int(np.hypot(height, width))
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, 1)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    return np.asarray(cv2.warpAffine(pixels, matrix, (side, side), borderValue=GREY), np.uint8), matrix


def montage(width: int, height: int, places: Sequence[tuple[str, int, int, int]]) -> Bytes:
    """Portraits (name, x, y, side) on a plain ground."""
    canvas = np.full((height, width, 3), GREY, np.uint8)
    for name, x, y, side in places:
        portrait = load(name, side)
        canvas[y : y + portrait.shape[0], x : x + portrait.shape[1]] = portrait
    return canvas


def eye_distance(landmarks: npt.NDArray[np.floating]) -> float:
    return float(np.linalg.norm(landmarks[[33, 133]].mean(0) - landmarks[[362, 263]].mean(0)))


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


@pytest.mark.parametrize("name", PORTRAITS)
def test_a_portrait_has_one_face(detector: FaceDetector, name: str) -> None:
    (face,) = detector.detect(load(name))
    assert face.score > 0.8
    assert face.presence > 0.9
    assert face.landmarks_photo.shape == (468, 2)
    assert face.landmarks_photo.dtype == face.box_photo.dtype == np.float32
    np.testing.assert_array_equal(face.box_photo[:2], face.landmarks_photo.min(0))
    np.testing.assert_array_equal(face.box_photo[2:], face.landmarks_photo.max(0))


def test_faces_of_forty_pixels_and_more_are_found_largest_first(detector: FaceDetector) -> None:
    sides = [800, 400, 240, 160, 120, 100, 84]  # faces of about half of that
    spots = [(0, 0), (820, 0), (1240, 0), (820, 420), (1000, 420), (1140, 420), (1260, 420)]
    names = [name for name in PORTRAITS if not name.startswith("astronaut")]
    places = [(names[i % 6], *spot, side) for i, (spot, side) in enumerate(zip(spots, sides, strict=True))]
    faces = detector.detect(montage(1600, 1200, places))
    assert len(faces) == len(places)
    for face, (_, x, y, side) in zip(faces, places, strict=True):
        middle = (face.box_photo[:2] + face.box_photo[2:]) / 2
        assert np.all(np.abs(middle - [x + side / 2, y + side / 2]) < 0.15 * side)
        assert 0.38 * side < face.size < 0.65 * side
    assert 38 < faces[-1].size < 55


def test_a_small_face_in_a_large_photo_is_found(detector: FaceDetector) -> None:
    """That needs the finest pass, and a seam of its tiles runs through the face."""
    canvas = montage(4200, 300, [(PORTRAITS[1], 2980, 100, 90)])
    (face,) = detector.detect(canvas)
    assert np.abs((face.box_photo[:2] + face.box_photo[2:]) / 2 - [3025, 145]).max() < 15


def test_two_people_in_one_photo_are_two_faces(detector: FaceDetector) -> None:
    faces = detector.detect(montage(1000, 600, [(PORTRAITS[1], 0, 50, 500), (PORTRAITS[2], 500, 90, 450)]))
    assert len(faces) == 2
    assert faces[0].box_photo[2] < 500 < faces[1].box_photo[0]


@pytest.mark.parametrize("degrees", [-45, -20, 30, 45, 90, 180])
def test_landmarks_turn_with_the_photo(detector: FaceDetector, degrees: float) -> None:
    for name in PORTRAITS[1:4]:
        pixels = load(name)
        (upright,) = detector.detect(pixels)
        canvas, matrix = turned(pixels, degrees)
        (face,) = detector.detect(canvas)
        expected = upright.landmarks_photo @ matrix[:, :2].T + matrix[:, 2]
        error = np.linalg.norm(face.landmarks_photo - expected, axis=1).mean()
        assert error < 0.02 * eye_distance(expected)


def test_a_face_that_fills_the_frame_is_found(detector: FaceDetector) -> None:
    pixels = load(PORTRAITS[2], 1024)
    (face,) = detector.detect(pixels)
    x0, y0, x1, y1 = face.box_photo.round().astype(int)
    (tight,) = detector.detect(pixels[y0 - 10 : y1 + 10, x0 - 10 : x1 + 10])
    shifted = tight.landmarks_photo + np.array([x0 - 10, y0 - 10])
    error = np.linalg.norm(shifted - face.landmarks_photo, axis=1).mean()
    assert error < 0.05 * eye_distance(face.landmarks_photo)


def test_a_face_cut_by_the_frame_is_found(detector: FaceDetector) -> None:
    pixels = load(PORTRAITS[3])
    (face,) = detector.detect(pixels)
    x0, y0, x1, y1 = face.box_photo
    cut = pixels[round(y0 + 0.15 * (y1 - y0)) : round(y1), round(x0 + 0.1 * (x1 - x0)) : round(x1)]
    (part,) = detector.detect(np.ascontiguousarray(cut))
    assert part.box_photo[1] < 0  # the forehead that the photo does not show


def no_faces() -> dict[str, Bytes]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return {
        "noise": rng.integers(0, 256, (480, 640, 3), dtype=np.uint8),
        "gradient": np.broadcast_to(ramp[None, :, None], (480, 640, 3)).copy(),
        "blobs": np.asarray(cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC), np.uint8),
        "black": np.zeros((300, 200, 3), np.uint8),
        "one pixel": np.zeros((1, 1, 3), np.uint8),
        "a line": rng.integers(0, 256, (1, 3000, 3), dtype=np.uint8),
    }


@pytest.mark.parametrize("name", list(no_faces()))
def test_no_face_is_seen_where_there_is_none(detector: FaceDetector, name: str) -> None:
    assert detector.detect(no_faces()[name]) == []


def test_other_arrays_are_refused(detector: FaceDetector) -> None:
    for wrong in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.uint16), np.zeros((0, 9, 3), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            detector.detect(wrong)  # type: ignore[arg-type]


def test_thresholds_are_obeyed() -> None:
    assert FaceDetector(min_score=1.0, threads=1).detect(load(PORTRAITS[1], 256)) == []


def test_copies_reach_faces_of_forty_pixels_within_bounds() -> None:
    assert fine_sides(200, None) == []  # what is searched in any case shows all there is
    assert fine_sides(512, None) == [512]
    assert fine_sides(512, 40) == []
    assert fine_sides(1024, 40) == [342]
    assert fine_sides(6000, 40) == [667, 2000]
    assert fine_sides(6000, 400) == []
    for longer in (1, 300, 1536, 4000, 9000, 30000):
        for smallest in (None, 40, 100, 1000):
            sides = fine_sides(longer, smallest)
            assert sides == sorted(set(sides))
            assert all(256 < side <= 4096 for side in sides)
            finest = max([256, *sides])
            assert finest * (smallest or 40) >= 13 * min(longer, 4096)


def test_all_faces_are_found_around_a_large_one(detector: FaceDetector) -> None:
    """Small, leaning, turned and cut ones, in a picture whose largest face would do to end a coarse search."""
    names = [name for name in PORTRAITS if not name.startswith("astronaut")]
    canvas = montage(
        1500, 1000, [(names[0], 400, 200, 700), (names[1], 1200, 60, 92)]
    )  # faces of half of that
    leaning, _ = turned(load(names[2], 160), 40)
    canvas[20 : 20 + len(leaning), 20 : 20 + len(leaning)] = leaning
    canvas[500:700, :140] = load(names[3], 200)[:, 60:]  # its right side is cut off
    faces = detector.detect(canvas)
    middles = [(face.box_photo[:2] + face.box_photo[2:]) / 2 for face in faces]
    places = [(750, 550), (40, 600), (20 + len(leaning) / 2, 20 + len(leaning) / 2), (1246, 106)]
    for place, size in zip(places, (360, 100, 80, 46), strict=True):
        assert min(float(np.abs(middle - place).max()) for middle in middles) < 0.3 * size, place


def test_the_largest_face_alone_is_the_first_of_all(detector: FaceDetector) -> None:
    group = montage(
        1200, 800, [(PORTRAITS[1], 0, 50, 400), (PORTRAITS[2], 420, 90, 700), (PORTRAITS[3], 1110, 0, 90)]
    )
    leaning, _ = turned(load(PORTRAITS[2]), 90)
    for pixels in (group, leaning, load(PORTRAITS[4], 1024), load(PORTRAITS[5], 60)):
        (largest,) = detector.detect(pixels, only_largest=True)
        first = detector.detect(pixels)[0]
        error = np.linalg.norm(largest.landmarks_photo - first.landmarks_photo, axis=1).mean()
        assert error < 0.02 * eye_distance(first.landmarks_photo)
    assert detector.detect(no_faces()["noise"], only_largest=True) == []


def square(x: float, y: float, side: float, score: float = 0.9) -> Face:
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, score, 1.0, np.zeros((468, 2), np.float32))


def test_overlap_knows_union_and_containment() -> None:
    whole, part, other = (square(*at).box_photo for at in ((0, 0, 100), (10, 10, 50), (100, 0, 100)))
    union, within = overlap(whole, np.stack([whole, part, other]))
    np.testing.assert_allclose(union, [1, 0.25, 0])
    np.testing.assert_allclose(within, [1, 1, 0])
    assert [len(part) for part in overlap(whole, np.zeros((0, 4), np.float32))] == [0, 0]


def test_a_part_of_a_face_is_dropped_and_a_neighbour_kept() -> None:
    whole, again, part, neighbour = square(0, 0, 100), square(5, 5, 95), square(40, 40, 45), square(80, 0, 90)
    assert drop_duplicates([part, neighbour, again, whole]) == [whole, neighbour]
