"""Things drawn before faces: they lie where they should, and the same seed draws the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reage.data import coverings
from reage.data.coverings import draw_coverings
from reage.face.alignment import rescale_points, utkface_template

SIZE = 64
FACES = np.full((40, SIZE, SIZE, 3), 150, np.uint8)
LANDMARKS = np.repeat(rescale_points(utkface_template().mesh, 200, SIZE)[None], 40, 0)


def drawn(monkeypatch: pytest.MonkeyPatch, kind: Any) -> np.ndarray:
    monkeypatch.setattr(coverings, "_KINDS", (kind,))
    monkeypatch.setattr(coverings, "_SHARES", (1.0,))
    return draw_coverings(FACES, LANDMARKS, np.arange(40))


def test_the_same_seed_draws_the_same_and_mostly_something() -> None:
    first, second = (draw_coverings(FACES, LANDMARKS, np.arange(40)) for _ in range(2))
    assert np.array_equal(first, second)
    opacity = first[:, 3]
    assert (opacity.max((1, 2)) > 0.4).mean() > 0.8  # some hands and objects lie beyond the frame
    assert opacity.min() >= 0
    assert opacity.max() <= 1
    assert first[:, :3].min() >= -1
    assert first[:, :3].max() <= 1


def test_glasses_have_rims_around_the_eyes_which_mostly_stay_in_sight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opacity = drawn(monkeypatch, coverings._glasses)[:, 3]
    pupils = np.round(LANDMARKS[0][[[33, 133], [362, 263]]].mean(1)).astype(int)
    assert (opacity[:, pupils[:, 1], pupils[:, 0]].mean(1) < 0.5).mean() > 0.7
    rows = slice(pupils[0, 1] - 12, pupils[0, 1] + 16)
    assert (opacity[:, rows].max((1, 2)) > 0.25).all()
    assert (opacity.sum((1, 2)) < 0.25 * SIZE**2).all()  # forehead, cheeks and mouth are free


def test_hands_have_the_colour_of_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    things = drawn(monkeypatch, coverings._hand)
    opacity, every = things[:, 3], ((things[:, :3] + 1) * 127.5).transpose(0, 2, 3, 1)
    colours = every[opacity > 0.99]
    assert len(colours) > 1000
    assert 90 < np.median(colours) < 170
    edges = every[
        (opacity > 0.1) & (opacity < 0.9)
    ]  # as thin as they are, no darker than fingers are at their sides
    assert np.median(edges) > 0.6 * np.median(colours)


@pytest.mark.parametrize("kind", [coverings._strands, coverings._object])
def test_strands_and_objects_hide_a_part_of_the_face(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    hidden = drawn(monkeypatch, kind)[:, 3].mean((1, 2))
    assert np.median(hidden) > 0.002
    assert hidden.max() < 0.6
