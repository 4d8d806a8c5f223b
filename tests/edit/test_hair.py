"""What is decided about hair, on colours that are given instead of photographed."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from reage.edit.hair import _without_shade

SKIN, DARK, SHADED = (60, 20, 25), (8, 0.5, 0.5), (25, 12, 16)
"""Colours in CIELAB: of cheeks, of dark hair, and of skin in deep shade."""


def colours(rows: tuple[tuple[float, tuple[float, ...]], ...]) -> Any:
    """A head of bands of ten rows, each at a distance beyond the face and of a colour; below them are the cheeks."""
    height = 10 * len(rows) + 20
    lab, beyond = np.full((height, 40, 3), SKIN, np.float32), np.full((height, 40), -1, np.float32)
    for number, (distance, colour) in enumerate(rows):
        band = slice(10 * number, 10 * number + 10)
        lab[band], beyond[band] = colour, distance
    places = SimpleNamespace(beyond=beyond, cheeks=beyond < 0)
    return SimpleNamespace(lab=lab, texture=np.ones((height, 40), np.float32), at=places)


def all_hair(seen: Any) -> np.ndarray:
    return (seen.at.beyond > 0).astype(np.float32)


def test_skin_in_deep_shade_is_no_hair() -> None:
    seen = colours(((0.8, DARK), (0.4, DARK), (0.1, SHADED)))
    left = _without_shade(seen, all_hair(seen))
    assert left[:20].min() == 1
    assert left[20:30].max() < 0.1


def test_hair_that_looks_like_shaded_skin_far_from_the_face_stays_beside_it() -> None:
    seen = colours(((0.8, SHADED), (0.6, DARK), (0.4, DARK), (0.1, SHADED)))
    assert _without_shade(seen, all_hair(seen))[:40].min() == 1


def test_hair_close_to_the_face_alone_is_judged_without_a_warning() -> None:
    seen = colours(((0.4, DARK), (0.1, SHADED)))
    left = _without_shade(seen, all_hair(seen))
    assert left[:10].min() == 1
    assert left[10:20].max() < 0.1
