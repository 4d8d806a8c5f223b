"""The curve by which hair turns grey, and what grey hair looks like."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from reage.edit.greying import greyed, greying


def test_hair_turns_grey_with_age_and_never_back() -> None:
    shares = [greying(25, age) for age in range(25, 90, 5)]
    assert shares[0] == shares[1] == 0
    assert all(a <= b for a, b in pairwise(shares))
    assert 0.4 < greying(25, 80) < 0.8
    assert greying(80, 25) == greying(60, 60) == 0


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
    assert gain > 0
    assert (greyed(luma, 1 - dark, 0.5)[0][2:, :, 0] == 0).all()
    nothing, no_gain, no_fade = greyed(luma, dark, 0.0)
    assert not nothing.any()
    assert no_gain == no_fade == 0


def test_hair_in_the_shade_gains_less_light() -> None:
    luma = np.linspace(-0.95, -0.6, 16, dtype=np.float32).reshape(4, 4)
    change, _, _ = greyed(luma, np.ones((4, 4), np.float32), 0.4)
    assert (np.diff(change[..., 0].ravel()) > 0).all()
    assert (np.diff((luma + change[..., 0]).ravel()) > 0).all()
