"""CIELAB has known answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reage.photo.lab import to_lab


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_colours_have_their_places(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    found = to_lab(np.array([[rgb]], np.uint8))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], lab, atol=0.03)


def test_it_is_what_opencv_gives() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    theirs = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    np.testing.assert_allclose(to_lab(pixels), theirs, atol=0.5)  # OpenCV interpolates in a table
