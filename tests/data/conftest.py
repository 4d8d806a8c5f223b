"""Drawn faces: aligned like UTKFace's, so that strangers resemble each other coarsely and not in detail."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Draw = Callable[..., NDArray[np.uint8]]


def _draw_face(seed: int, size: int = 200, colour: bool = True) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    image = _texture(rng, (5, 5, 3), 60) + 120  # every face before its own background
    skin = tuple(int(level) for level in rng.integers((90, 110, 140), (150, 180, 230)))
    cv2.ellipse(image, (100, 105), _around(rng, 66, 88, by=8), 0, 0, 360, skin, -1)
    cv2.ellipse(image, (100, 25), _around(rng, 70, 28, by=20), 0, 0, 360, tuple(v // 3 for v in skin), -1)
    for x in (70, 130):
        cv2.ellipse(image, _around(rng, x, 85, by=3), _around(rng, 13, 6, by=3), 0, 0, 360, (40, 40, 60), -1)
    cv2.ellipse(image, _around(rng, 100, 150, by=4), _around(rng, 25, 8, by=5), 0, 0, 360, (80, 70, 160), -1)
    image = cv2.resize(image + _texture(rng, (14, 14, 1), 22), (size, size), interpolation=cv2.INTER_AREA)
    face: NDArray[np.uint8] = image.clip(0, 255).astype(np.uint8)
    return face if colour else cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def _around(rng: np.random.Generator, x: int, y: int, by: int) -> tuple[int, int]:
    return x + int(rng.integers(-by, by + 1)), y + int(rng.integers(-by, by + 1))


def _texture(rng: np.random.Generator, shape: tuple[int, int, int], strength: float) -> NDArray[np.float32]:
    noise = rng.normal(0, strength, shape).astype(np.float32)
    return cv2.resize(noise, (200, 200), interpolation=cv2.INTER_CUBIC).reshape(200, 200, shape[2])


@pytest.fixture
def draw_face() -> Draw:
    """`draw_face(seed, size=200, colour=True)` -> uint8 (size, size, 3) BGR."""
    return _draw_face
