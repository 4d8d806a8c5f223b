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
    colours = np.zeros((4, 4, 3), np.float32)
    colours[:2] = (-0.7, -0.2, 0.3)
    colours[2:] = (0.9, 0.0, 0.0)
    weight = np.zeros((4, 4), np.float32)
    weight[:2] = 1
    change, gain = greyed(colours, weight, 0.5)
    assert (change[:2, :, 0] > 0.3).all()
    assert (np.abs(colours + change)[:2, :, 1:] < np.abs(colours)[:2, :, 1:]).all()
    assert gain > 0
    weight = 1 - weight
    assert (greyed(colours, weight, 0.5)[0][2:, :, 0] == 0).all()
    nothing, no_gain = greyed(colours, weight, 0.0)
    assert not nothing.any()
    assert no_gain == 0
