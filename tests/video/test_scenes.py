"""Where shots begin: cuts and dissolves, and what is neither."""

from __future__ import annotations

import numpy as np
import pytest
from clips import camera, filmed, portrait

from reage.arrays import UInt8
from reage.video.scenes import Dissolve, ShotDetector

FPS = 24
BLACK = np.zeros((240, 320, 3), np.uint8)


def shot(name: str, count: int, swing: float = 0.25) -> list[UInt8]:
    return filmed(portrait(name), camera(count, 320, swing=swing), noise=2)


def mixed(one: list[UInt8], other: list[UInt8], first: int, length: int) -> list[UInt8]:
    """From frame ``first`` on, one shot turns into the other within so many frames."""
    parts = np.clip((np.arange(len(one)) - first) / length, 0, 1)
    pairs = zip(one, other, parts, strict=True)
    return [np.rint(a * (1 - part) + b * part).astype(np.uint8) for a, b, part in pairs]


def found(frames: list[UInt8]) -> tuple[list[int], list[Dissolve]]:
    detector, cuts, dissolves = ShotDetector(), [], []
    for number, pixels in enumerate(frames):
        cut, dissolve = detector.feed(pixels, number / FPS)
        cuts += [number] * cut
        dissolves += [dissolve] if dissolve else []
    return cuts, dissolves


@pytest.mark.parametrize("length", [10, 24, 40])
def test_dissolves_are_found_where_they_are(length: int) -> None:
    one, other = shot("house_grace-meng", 80), shot("senate_angus-king", 80)
    cuts, (dissolve,) = found(mixed(one, other, 20, length))
    assert cuts == []
    assert dissolve.middle == pytest.approx(20 + length / 2, abs=2)
    assert dissolve.first == pytest.approx(20, abs=4)
    assert dissolve.last == pytest.approx(20 + length, abs=4)


def test_fades_to_black_and_back_are_dissolves() -> None:
    black = [BLACK] * 60
    there = mixed(shot("house_grace-meng", 60), black, 20, 20)
    back = mixed(black, shot("senate_angus-king", 60), 10, 20)
    cuts, dissolves = found(there + back)
    assert cuts == []
    assert [dissolve.middle for dissolve in dissolves] == pytest.approx([30, 80], abs=2)


def test_moving_cameras_and_changing_light_are_neither() -> None:
    moving = shot("house_grace-meng", 60, swing=2)
    assert found(moving) == ([], [])
    dimmed = [np.rint(pixels * (1 - 0.3 * i / 60)).astype(np.uint8) for i, pixels in enumerate(moving)]
    assert found(dimmed) == ([], [])
    wide = np.hstack([portrait(name) for name in ("house_grace-meng", "senate_angus-king")])
    pan = [np.ascontiguousarray(wide[:240, at : at + 320]) for at in range(0, 320, 8)]
    assert found([pan[0]] * 10 + pan + [pan[-1]] * 10) == ([], [])


def test_cuts_are_found_to_the_frame() -> None:
    frames = shot("house_grace-meng", 20) + shot("senate_angus-king", 20)
    assert found(frames) == ([20], [])
