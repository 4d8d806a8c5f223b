"""The curve by which hair turns grey, and what grey hair looks like."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from reage.edit.greying import coloured, greyed, greying


def test_hair_turns_grey_with_age() -> None:
    shares = [greying(25, age) for age in range(25, 90, 5)]
    assert shares[0] == shares[1] == 0
    assert all(a <= b for a, b in pairwise(shares))
    assert 0.4 < greying(25, 80) < 0.8
    assert greying(60, 60) == 0


def test_grey_hair_gets_its_colour_back_and_light_hair_of_the_young_stays_light() -> None:
    shares = [greying(80, age) for age in range(20, 85, 5)]
    assert shares[0] == -1
    assert all(a <= b for a, b in pairwise(shares))
    assert shares[-1] == 0
    assert greying(42, 20) == 0 > greying(50, 20) > -1


def test_two_steps_leave_as_much_colour_as_one() -> None:
    left = (1 - greying(30, 55)) * (1 - greying(55, 80))
    assert left == pytest.approx(1 - greying(30, 80))


def test_dark_hair_grows_lighter_and_less_colourful_and_light_hair_no_darker() -> None:
    luma = np.repeat(np.array([-0.7, 0.9], np.float32), 8).reshape(4, 4)
    dark = np.repeat(np.array([1, 0], np.float32), 8).reshape(4, 4)
    change, gain, fade = greyed(luma, dark, 0.5)
    assert change[:2, :, 0] == pytest.approx(np.full((2, 4), 0.6))  # half-way to light grey
    assert fade == 0.75
    assert np.abs(change[..., 1:]).max() < 0.1  # the tint of grey hair
    # What is dark grows lighter by twice its light; strands do not stand out as much more.
    assert gain == pytest.approx(1.3)
    assert greyed(np.zeros((4, 4), np.float32), dark, 0.2)[1] == pytest.approx(0.1)
    assert (greyed(luma, 1 - dark, 0.5)[0][2:, :, 0] == 0).all()
    nothing, no_gain, no_fade = greyed(luma, dark, 0.0)
    assert not nothing.any()
    assert no_gain == no_fade == 0


def test_hair_in_the_shade_gains_less_light() -> None:
    luma = np.linspace(-0.95, -0.6, 16, dtype=np.float32).reshape(4, 4)
    change, _, _ = greyed(luma, np.ones((4, 4), np.float32), 0.4)
    assert (np.diff(change[..., 0].ravel()) > 0).all()
    assert (np.diff((luma + change[..., 0]).ravel()) > 0).all()


def test_black_that_shows_no_strands_stays_dark() -> None:
    black = np.full((4, 4), -0.98, np.float32)
    change, _, _ = greyed(black, np.ones((4, 4), np.float32), 0.5)
    assert (black + change[..., 0]).max() < -0.85


def hair(luma: float, blue: float, red: float) -> np.ndarray:
    """A patch (4, 4, 3) of hair, whose right half is lit more."""
    broad = np.full((4, 4, 3), (luma, blue, red), np.float32)
    broad[:, 2:, 0] += 0.1
    return broad


def test_white_hair_grows_dark_and_brown_and_keeps_its_shading() -> None:
    white = hair(0.6, -0.05, 0.04)
    change, gain = coloured(white, np.ones((4, 4), bool), 1.0)
    after = white + change
    assert after[..., 0].max() < -0.3
    assert (after[:, 2:, 0] > after[:, :2, 0]).all()
    lit, shaded = after[0, 3, 0] + 1, after[0, 0, 0] + 1
    assert lit / shaded > 1.7 / 1.6, "dark hair shows light and shade more than white hair"
    assert (after[..., 2] > 0.05).all()
    assert (after[..., 1] < -0.05).all()
    assert -1 < gain < 0
    half, _ = coloured(white, np.ones((4, 4), bool), 0.5)
    assert half == pytest.approx(change / 2, abs=1e-6)


def test_it_grows_as_dark_as_its_darkest_strands() -> None:
    mixed = hair(0.5, 0, 0)
    mixed[0, :2, 0] = -0.7
    change, _ = coloured(mixed, np.ones((4, 4), bool), 1.0)
    plain, _ = coloured(hair(0.5, 0, 0), np.ones((4, 4), bool), 1.0)
    assert change[2, 2, 0] < plain[2, 2, 0]


@pytest.mark.parametrize("colour", [(-0.8, -0.03, 0.03), (0.3, -0.42, 0.25)], ids=["dark", "fair"])
def test_dark_and_fair_hair_keep_their_colour(colour: tuple[float, float, float]) -> None:
    change, gain = coloured(hair(*colour), np.ones((4, 4), bool), 1.0)
    assert np.abs(change[..., 0]).max() < 0.02
    assert abs(gain) < 0.02


def test_without_hair_nothing_gets_its_colour_back() -> None:
    change, gain = coloured(hair(0.6, 0, 0), np.zeros((4, 4), bool), 1.0)
    assert not change.any()
    assert gain == 0
