"""Regions of a face: together the whole, each where its name says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reage import Reager
from reage.edit.masks import REGIONS, check_regions, face_mask, face_outline, region_factor, region_weights
from reage.errors import RegionError
from reage.face.alignment import apply_transform, rescale_points, utkface_template

SIZE = 160
PLACES = {
    "forehead": (151, 9, 67, 297),
    "eyes": (159, 386, 52, 282, 230, 450, 145, 374),
    "cheeks": (4, 50, 280, 123, 352, 197),
    "mouth": (13, 17, 199, 61, 291, 206, 426),
}
"""Landmarks that lie in the middle of a region."""


def mean_face() -> np.ndarray:
    return rescale_points(utkface_template().mesh, 200, SIZE)


@pytest.fixture(scope="module")
def faces(reager: Reager, portraits: list) -> list[np.ndarray]:
    """Landmarks of the bundled portraits in the aligned frame; some heads are turned."""
    found = []
    for path in portraits:
        face = reager.open(path).faces[0]
        found.append(apply_transform(face.aligned.matrix, face.face.landmarks_photo))
    return found


def test_regions_add_up_to_one_everywhere(faces: list[np.ndarray]) -> None:
    for landmarks in (mean_face(), *faces, mean_face() * 1.7):  # the last far outside the crop
        weights = region_weights(landmarks, SIZE)
        assert weights.shape == (len(REGIONS), SIZE, SIZE)
        assert weights.min() >= 0
        assert np.abs(weights.sum(0) - 1).max() < 1e-5


def test_regions_lie_where_their_names_say(faces: list[np.ndarray]) -> None:
    for landmarks in (mean_face(), *faces):
        weights = dict(zip(REGIONS, region_weights(landmarks, SIZE), strict=True))
        for name, places in PLACES.items():
            for x, y in landmarks[list(places), :2].round().astype(int).clip(0, SIZE - 1):
                assert weights[name][y, x] > 0.6, (name, x, y)
        under_the_jaw = (landmarks[172] + (-0.1 * SIZE, 0.1 * SIZE)).round().astype(int).clip(0, SIZE - 1)
        assert weights["neck"][under_the_jaw[1], under_the_jaw[0]] > 0.6


def test_hair_is_taken_from_the_regions_it_lies_on() -> None:
    hair = np.zeros((SIZE, SIZE), np.float32)
    hair[:30] = 0.75
    bare, covered = region_weights(mean_face(), SIZE), region_weights(mean_face(), SIZE, hair)
    assert (bare[REGIONS.index("hair")] == 0).all()
    assert np.array_equal(covered[REGIONS.index("hair")], hair)
    assert np.abs(covered.sum(0) - 1).max() < 1e-5
    forehead = REGIONS.index("forehead")
    assert np.allclose(covered[forehead][:30], 0.25 * bare[forehead][:30])
    factor = region_factor(mean_face(), SIZE, {"hair": 0}, hair)
    assert np.allclose(factor[:30], 0.25)
    assert np.allclose(factor[30:], 1)


def test_borders_are_soft() -> None:
    """Over the mean face of 45 px between the eyes no weight jumps."""
    weights = region_weights(mean_face(), SIZE)
    for axis in (1, 2):
        assert np.abs(np.diff(weights, axis=axis)).max() < 0.15


def test_the_neck_has_little_of_the_mask() -> None:
    neck = region_weights(mean_face(), SIZE)[REGIONS.index("neck")] * face_mask(mean_face(), SIZE)
    assert neck.sum() < 0.03 * face_mask(mean_face(), SIZE).sum()


def test_a_factor_is_that_of_the_region_and_one_elsewhere() -> None:
    factor = region_factor(mean_face(), SIZE, {"mouth": 0, "forehead": 1.5})
    for name, expected in (("mouth", 0), ("forehead", 1.5), ("cheeks", 1)):
        x, y = mean_face()[PLACES[name][0]].round().astype(int)
        assert factor[y, x] == pytest.approx(expected, abs=0.05)
    assert (region_factor(mean_face(), SIZE, dict.fromkeys(REGIONS, 1)) == 1).all()


def test_wrong_regions_are_refused() -> None:
    check_regions({"forehead": 0, "neck": 1.5})
    for wrong, message in (
        ({"forhead": 1}, "did you mean 'forehead'"),
        ({"nose": 1}, "there are hair, forehead, eyes, cheeks, mouth, neck"),
        ({"eyes": 1.6}, "outside 0 to 1.5"),
        ({"eyes": -0.1}, "outside 0 to 1.5"),
        ({"eyes": float("nan")}, "outside 0 to 1.5"),
    ):
        with pytest.raises(RegionError, match=message):
            check_regions(wrong)


def test_the_mask_ends_at_the_outline(faces: list[np.ndarray]) -> None:
    for landmarks in (mean_face(), *faces):
        unit = np.linalg.norm(landmarks[[33, 133], :2].mean(0) - landmarks[[362, 263], :2].mean(0))
        outside = (face_outline(landmarks, SIZE) < 0.5).astype(np.uint8)
        away = cv2.distanceTransform(outside, cv2.DIST_L2, 5) / unit
        mask = face_mask(landmarks, SIZE)
        assert mask[away > 0].max() < 0.1
        assert (mask[away > 0.1] == 0).all()


def test_an_edit_of_the_head_reaches_over_hair_and_jaw_and_ends_before_the_border(
    faces: list[np.ndarray],
) -> None:
    for landmarks in (mean_face(), *faces):
        face, head = face_mask(landmarks, SIZE), face_mask(landmarks, SIZE, "head")
        top, chin = landmarks[10], landmarks[152]
        eyes = float(np.linalg.norm(landmarks[33] - landmarks[263]))
        above = (top + 0.2 * eyes * (top - chin) / np.linalg.norm(top - chin)).round().astype(int)
        if 0.1 * SIZE < above[1] < 0.9 * SIZE and 0.1 * SIZE < above[0] < 0.9 * SIZE:
            assert face[above[1], above[0]] < 0.1
            assert head[above[1], above[0]] > 0.5
        assert head.sum() > 1.15 * face.sum()
        assert (head >= face - 0.1).all()
        assert max(head[0].max(), head[-1].max(), head[:, 0].max(), head[:, -1].max()) < 0.01
        eye = landmarks[[159, 145]].mean(0).round().astype(int)
        assert head[eye[1], eye[0]] < 0.5
