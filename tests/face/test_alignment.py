"""Similarity transforms and warps have known answers."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reage.arrays import Float32
from reage.face.alignment import (
    align_landmarks,
    apply_transform,
    fit_similarity,
    invert_transform,
    rescale_points,
    transform_scale,
    utkface_template,
    warp,
)


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> Float32:
    turn = scale * np.exp(1j * np.radians(degrees))
    return np.array([[turn.real, -turn.imag, shift[0]], [turn.imag, turn.real, shift[1]]], np.float32)


def smooth_picture(width: int, height: int, wave: float) -> npt.NDArray[np.uint8]:
    """Waves of ``wave`` pixels in three directions, one per channel."""
    y, x = np.mgrid[:height, :width] * (2 * np.pi / wave)
    return np.stack([127 + 100 * np.sin(v) for v in (x, y, x + y)], -1).round().astype(np.uint8)


def worst(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], margin: int = 4) -> float:
    inner = (slice(margin, -margin), slice(margin, -margin))
    return float(np.abs(a[inner].astype(float) - b[inner]).max())


@pytest.mark.parametrize(
    ("scale", "degrees", "shift"), [(1, 0, (0, 0)), (0.2, 35, (-7, 900)), (3, -170, (50, 3))]
)
def test_fit_recovers_a_known_transform(scale: float, degrees: float, shift: tuple[float, float]) -> None:
    known = similarity(scale, degrees, shift)
    points = np.random.default_rng(0).uniform(0, 500, (9, 2)).astype(np.float32)
    fitted = fit_similarity(points, apply_transform(known, points))
    np.testing.assert_allclose(fitted, known, atol=2e-3)
    assert transform_scale(fitted) == pytest.approx(scale, rel=1e-4)


def test_fit_shares_the_error_between_points() -> None:
    square = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    noisy = square + np.array([[0.1, 0], [-0.1, 0], [-0.1, 0], [0.1, 0]], np.float32)
    np.testing.assert_allclose(fit_similarity(square, noisy), similarity(1, 0, (0, 0)), atol=1e-6)


def test_fit_does_not_reflect() -> None:
    points = np.array([[0, 0], [1, 0], [0, 2]], np.float32)
    matrix = fit_similarity(points, points * np.array([-1, 1], np.float32))
    assert np.linalg.det(matrix[:, :2]) > 0


def test_fit_refuses_coinciding_points() -> None:
    with pytest.raises(ValueError, match="coincide"):
        fit_similarity(np.ones((5, 2), np.float32), np.zeros((5, 2), np.float32))


def test_inverse_undoes_a_transform() -> None:
    matrix = similarity(0.3, 20, (12, -5))
    points = np.random.default_rng(1).uniform(0, 4000, (20, 2)).astype(np.float32)
    np.testing.assert_allclose(
        apply_transform(invert_transform(matrix), apply_transform(matrix, points)), points, atol=0.01
    )


def test_points_rescale_by_pixel_areas() -> None:
    corners = np.array([[-0.5, -0.5], [199.5, 199.5]], np.float32)  # outer corners of a 200 x 200 square
    np.testing.assert_allclose(rescale_points(corners, 200, 128), [[-0.5, -0.5], [127.5, 127.5]], atol=1e-4)
    points = np.array([[3, 77]], np.float32)
    np.testing.assert_allclose(rescale_points(rescale_points(points, 200, 128), 128, 200), points, atol=1e-4)


def test_the_mean_face_is_already_aligned() -> None:
    template = utkface_template()
    matrix = align_landmarks(template.mesh, template.canvas)
    np.testing.assert_allclose(matrix, similarity(1, 0, (0, 0)), atol=0.02)
    np.testing.assert_allclose(
        apply_transform(matrix, template.points_of(template.mesh)), template.points, atol=2
    )


def test_a_zoom_enlarges_the_face_about_the_centre_of_the_frame() -> None:
    mesh, middle = utkface_template().mesh, np.full((1, 2), 63.5, np.float32)
    plain, zoomed = (apply_transform(align_landmarks(mesh, 128, zoom), mesh) for zoom in (1.0, 1.2))
    np.testing.assert_allclose(zoomed - middle, 1.2 * (plain - middle), atol=1e-3)


@pytest.mark.parametrize("scale", [0.25, 0.1])
def test_a_reduction_averages_areas(scale: float) -> None:
    picture = smooth_picture(800, 600, 120)
    size = (round(800 * scale), round(600 * scale))
    matrix = similarity(scale, 0, (0.5 * scale - 0.5, 0.5 * scale - 0.5))
    expected = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    assert worst(warp(picture, matrix, size), expected) <= 6


@pytest.mark.parametrize("scale", [0.4, 0.25, 0.1])
def test_a_reduction_averages_away_what_is_finer_than_its_pixels(scale: float) -> None:
    """Sampling without averaging would keep all of the contrast of these lines."""
    lines = np.zeros((600, 800, 3), np.uint8)
    lines[::2] = 255
    reduced = warp(lines, similarity(scale, 7, (0, 0)), (round(600 * scale), round(500 * scale)))
    inner = reduced[10:-10, 10:-10].astype(float)
    assert inner.std() < 0.25 * lines.std()
    assert inner.mean() == pytest.approx(127.5, abs=3)


@pytest.mark.parametrize("scale", [1.0, 0.7, 0.3])
def test_a_warp_puts_points_where_the_transform_says(scale: float) -> None:
    picture = np.zeros((400, 500, 3), np.uint8)
    cv2.circle(picture, (310, 140), 20, (255, 255, 255), -1)
    matrix = similarity(scale, 25, (60, -20))
    weight = warp(picture, matrix, (450, 350), border=cv2.BORDER_CONSTANT)[..., 0].astype(np.float64)
    y, x = np.mgrid[:350, :450]
    centre = [(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()]
    np.testing.assert_allclose(
        centre, apply_transform(matrix, np.array([[310, 140]], np.float32))[0], atol=0.15
    )


def test_there_and_back_gives_the_picture() -> None:
    picture = smooth_picture(300, 240, 40)
    matrix = similarity(1.7, 30, (40, 10))
    there = warp(picture, matrix, (700, 700))
    back = warp(there, invert_transform(matrix), (300, 240))
    seen = warp(np.full_like(there, 255), invert_transform(matrix), (300, 240), border=cv2.BORDER_CONSTANT)
    inside = seen.min(-1) == 255
    assert inside.mean() > 0.5
    assert np.abs(back.astype(float) - picture)[inside].max() < 12


def test_a_face_in_a_large_photo_equals_the_same_face_cut_out() -> None:
    small = smooth_picture(900, 900, 90)
    large = np.zeros((1500, 2000, 3), np.uint8)
    large[400:1300, 1000:1900] = small
    matrix = similarity(0.2, 10, (20, -10))
    moved = matrix.copy()
    moved[:, 2] -= matrix[:, :2] @ np.array([1000, 400], np.float32)
    assert worst(warp(large, moved, (150, 150)), warp(small, matrix, (150, 150)), margin=30) <= 6


def test_outside_the_photo_is_mirrored_or_black() -> None:
    picture = np.full((50, 50, 3), 200, np.uint8)
    matrix = similarity(1, 0, (30, 0))
    assert warp(picture, matrix, (50, 50)).min() == 200
    assert warp(picture, matrix, (50, 50), border=cv2.BORDER_CONSTANT)[:, :28].max() == 0
