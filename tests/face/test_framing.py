"""The square around a head, for sheets and films."""

from __future__ import annotations

import numpy as np
import pytest

from reage.arrays import Float32
from reage.face.alignment import utkface_template
from reage.face.framing import head_box, head_tile


def landmarks(scale: float, x: float, y: float) -> Float32:
    """The mean face, enlarged and moved; it is about 100 px high at scale 1."""
    mesh = utkface_template().mesh
    return ((mesh - mesh.mean(0)) * scale + (x, y)).astype(np.float32)


def test_the_square_holds_the_whole_face_with_room_above_it() -> None:
    points = landmarks(2.0, 500, 400)
    x0, y0, x1, y1 = head_box(points, (1000, 1000, 3))
    assert x1 - x0 == y1 - y0
    left, top = points.min(0)
    right, bottom = points.max(0)
    assert min(left - x0, top - y0, x1 - right, y1 - bottom) > 0.2 * (bottom - top)  # hair, ears and neck
    assert top - y0 > y1 - bottom


@pytest.mark.parametrize(("x", "y"), [(0, 0), (640, 0), (0, 480), (640, 480), (320, 240)])
def test_the_square_stays_within_the_photo(x: float, y: float) -> None:
    for scale in (0.2, 1, 3, 10):
        x0, y0, x1, y1 = head_box(landmarks(scale, x, y), (480, 640, 3))
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 480
        assert x1 - x0 == y1 - y0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("side", [64, 500])
def test_a_tile_shows_what_is_in_the_square(side: int, dtype: type) -> None:
    points = landmarks(1.0, 200, 150)
    x0, y0, x1, y1 = head_box(points, (400, 400, 3))
    photo = np.zeros((400, 400, 3), dtype)
    photo[y0:y1, x0 : (x0 + x1) // 2] = np.iinfo(dtype).max
    tile = head_tile(photo, points, side)
    assert tile.shape == (side, side, 3)
    assert tile.dtype == np.uint8
    assert tile[:, : side // 2 - 5].min() == 255
    assert tile[:, side // 2 + 5 :].max() == 0
