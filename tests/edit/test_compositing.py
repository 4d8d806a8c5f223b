"""The compositor: nothing outside the mask changes, and what is added is what the equation says."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from reage.edit.compositing import AlignedFace, Edit, composite, cut_face
from reage.edit.masks import face_mask
from reage.face.alignment import (
    align_landmarks,
    apply_transform,
    invert_transform,
    rescale_points,
    utkface_template,
)

SIZE = 64


def landmarks_in_photo(scale: float, shift: tuple[float, float], degrees: float = 0.0) -> np.ndarray:
    """The mean face, enlarged, turned and moved into a photo."""
    turn = cv2.getRotationMatrix2D((100, 100), degrees, scale).astype(np.float32)
    return apply_transform(turn, utkface_template().mesh) + np.array(shift, np.float32)


def face_of(photo: np.ndarray, landmarks: np.ndarray) -> AlignedFace:
    matrix = align_landmarks(landmarks, SIZE)
    return cut_face(photo, matrix, face_mask(apply_transform(matrix, landmarks), SIZE))


def edit_of(delta: float, gain: float) -> Edit:
    return Edit(np.full((SIZE, SIZE, 3), delta, np.float32), np.full((SIZE, SIZE), gain, np.float32))


def smooth_photo(height: int, width: int, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.uniform(0.3, 0.7, (8, 8, 3)).astype(np.float32)
    full = np.iinfo(dtype).max
    return (cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1) * full).astype(dtype)


@pytest.mark.parametrize("degrees", [0, 30, -75])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_outside_the_face_stay_equal_to_the_bit(degrees: float, dtype: type) -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(0, np.iinfo(dtype).max, (700, 900, 3)).astype(dtype)
    landmarks = landmarks_in_photo(1.5, (250, 150), degrees)
    out = photo.copy()
    composite(photo, out, face_of(photo, landmarks), edit_of(0.5, 1.0))
    changed = (out != photo).any(2)
    hull = np.zeros(changed.shape, np.uint8)
    oval = cv2.convexHull(landmarks.astype(np.int32))
    cv2.fillConvexPoly(hull, oval, 1)
    reach = cv2.dilate(hull, np.ones((75, 75), np.uint8)).astype(
        bool
    )  # a quarter of the 115 px between the eyes
    assert changed[hull.astype(bool)].mean() > 0.7
    assert not changed[~reach].any()


def test_a_zero_edit_changes_nothing() -> None:
    photo = np.random.default_rng(2).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    out = photo.copy()
    composite(photo, out, face_of(photo, landmarks_in_photo(1.0, (50, 50))), edit_of(0, 0))
    assert np.array_equal(out, photo)


def test_a_face_cut_by_the_frame_shows_no_edge_of_the_crop() -> None:
    photo = smooth_photo(300, 300)
    out = photo.copy()
    composite(photo, out, face_of(photo, landmarks_in_photo(1.3, (-60, 20))), edit_of(0.2, 0))
    change = out.astype(int) - photo
    assert np.abs(change).max() > 15
    steps = np.abs(np.diff(change[..., 0], axis=1)).max()
    assert steps <= 5  # of 25 levels that the edit adds: it fades, it does not jump


def test_the_change_is_the_delta_where_the_mask_is_one() -> None:
    photo = smooth_photo(400, 400)
    landmarks = landmarks_in_photo(1.6, (40, 40))
    out = photo.copy()
    composite(photo, out, face_of(photo, landmarks), edit_of(0.2, 0))
    x, y = landmarks[205].astype(int)  # the cheek
    change = out[y - 2 : y + 3, x - 2 : x + 3].astype(float) - photo[y - 2 : y + 3, x - 2 : x + 3]
    assert change.mean() == pytest.approx(0.2 * 127.5, abs=1)


def test_gain_of_minus_one_leaves_the_blurred_face_and_plus_one_doubles_the_detail() -> None:
    rng = np.random.default_rng(3)
    photo = np.clip(120 + rng.normal(0, 12, (600, 600, 3)), 0, 255).astype(np.uint8)
    landmarks = landmarks_in_photo(2.4, (60, 60))
    x, y = landmarks[205].astype(int)
    spot = (slice(y - 12, y + 13), slice(x - 12, x + 13))

    def grain(gain: float) -> float:
        out = photo.copy()
        composite(photo, out, face_of(photo, landmarks), edit_of(0, gain))
        return float(out[spot].astype(float).std(axis=(0, 1)).mean())

    original = float(photo[spot].astype(float).std(axis=(0, 1)).mean())
    assert grain(-1) < 0.25 * original
    assert grain(1) == pytest.approx(2 * original, rel=0.15)


def test_what_fades_keeps_its_luma_and_loses_its_own_chroma() -> None:
    photo = smooth_photo(400, 400)
    photo[:, 200:] = 0  # deep shade has no chroma to lose, and gets no tint
    landmarks = landmarks_in_photo(1.6, (40, 40))
    out, face = photo.copy(), face_of(photo, landmarks)
    nothing = edit_of(0, 0)
    composite(photo, out, face, Edit(nothing.delta, nothing.gain, np.ones((SIZE, SIZE), np.float32)))
    luma = photo @ np.array([0.299, 0.587, 0.114])
    grey = (face.mask > 0.999).astype(np.float32)
    whole = cv2.warpAffine(grey, invert_transform(face.matrix), (400, 400)) > 0.999
    assert whole[:, :200].sum() > 1000
    assert np.abs(out - luma[..., None])[whole].max() <= 1
    assert not out[:, 200:].any()


def test_an_edit_half_way_to_another_is_their_mean_in_every_part() -> None:
    one, other = edit_of(0.2, 0.4), replace(edit_of(0.4, 0.0), fade=np.full((SIZE, SIZE), 0.5, np.float32))
    for first, second in ((one, other), (other, one)):
        middle = first.towards(second, 0.5)
        assert middle.delta == pytest.approx(np.full((SIZE, SIZE, 3), 0.3))
        assert middle.gain == pytest.approx(np.full((SIZE, SIZE), 0.2))
        assert middle.fade == pytest.approx(np.full((SIZE, SIZE), 0.25))
    assert one.towards(one, 0.5).fade is None


def test_16_bits_and_8_bits_agree() -> None:
    photo = smooth_photo(300, 300)
    deep = photo.astype(np.uint16) * 257
    landmarks = landmarks_in_photo(1.2, (30, 30))
    out, out_deep = photo.copy(), deep.copy()
    composite(photo, out, face_of(photo, landmarks), edit_of(0.3, 0.5))
    composite(deep, out_deep, face_of(deep, landmarks), edit_of(0.3, 0.5))
    assert np.abs(out_deep / 257 - out).max() <= 1.5


def test_bands_do_not_show() -> None:
    """A face higher than one band of rows gives the same as a photo in which the bands fall elsewhere."""
    photo = smooth_photo(1200, 900)
    landmarks = landmarks_in_photo(4.0, (50, 100))
    face = face_of(photo, landmarks)
    out, shifted = photo.copy(), np.pad(photo, ((101, 0), (0, 0), (0, 0)), mode="edge")
    composite(photo, out, face, edit_of(0.3, 0.7))
    moved = AlignedFace(face.pixels, face.mask, face.matrix.copy())
    moved.matrix[:, 2] -= face.matrix[:, :2] @ np.array([0, 101], np.float32)
    out_shifted = shifted.copy()
    composite(shifted, out_shifted, moved, edit_of(0.3, 0.7))
    assert np.abs(out_shifted[101:].astype(int) - out).max() <= 1


def test_strength_scales_and_detail_cannot_turn_negative() -> None:
    edit = edit_of(0.2, -0.8).scaled(1.5)
    assert edit.delta.max() == pytest.approx(0.3)
    assert edit.gain.min() == -1


def test_mask_spares_eyes_and_reaches_zero_inside_the_crop() -> None:
    size = 128
    landmarks = rescale_points(utkface_template().mesh, 200, size)
    mask = face_mask(landmarks, size)
    assert mask.shape == (size, size)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).max() == 0
    eye = landmarks[[159, 145, 33, 133]].mean(0).round().astype(int)
    cheek = landmarks[205].round().astype(int)
    assert mask[eye[1], eye[0]] < 0.3
    assert mask[cheek[1], cheek[0]] > 0.95
    wild = face_mask(landmarks * 1.7, size)  # landmarks far outside the crop
    assert np.concatenate([wild[0], wild[-1], wild[:, 0], wild[:, -1]]).max() == 0
