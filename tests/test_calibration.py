"""Calibration: the target that a network is given, so that it shows what was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from reage.calibration import is_calibration, network_target
from reage.training.calibrate import GAPS, calibrate

HALF = {"source_ages": [20, 80], "gaps": [-20, 0, 20], "network_gaps": [[-40, 0, 40], [-20, 0, 20]]}


def test_between_its_entries_it_is_linear() -> None:
    assert network_target({}, 30, 50) == 50
    assert network_target(HALF, 20, 30) == 40
    assert network_target(HALF, 80, 90) == 90
    assert network_target(HALF, 50, 60) == pytest.approx(65)
    assert network_target(HALF, 20, 75) == 60  # beyond its last gap it goes on as there
    assert all(network_target(HALF, age, age) == age for age in (20, 37.5, 80))


@pytest.mark.parametrize(
    "changed",
    [
        {"gaps": [-20, 1, 20]},
        {"gaps": [20, 0, -20]},
        {"source_ages": [20]},
        {"network_gaps": [[-40, 0, 40], [-20, 1, 20]]},
        {"network_gaps": [[-40, 0, -1], [-20, 0, 20]]},
        {"network_gaps": [[-40, 0], [-20, 0]]},
        {"network_gaps": [[-40, 0, float("inf")], [-20, 0, 20]]},
        {"more": 1},
    ],
)
def test_what_is_no_calibration_is_refused(changed: dict[str, object]) -> None:
    assert is_calibration(HALF)
    assert is_calibration({})
    assert not is_calibration({**HALF, **changed})
    assert not is_calibration([HALF])


def test_a_network_that_moves_half_as_far_is_given_twice_as_much() -> None:
    found = calibrate(lambda source, told: source + 0.5 * (told - source), (10, 100), sources=[40, 60])
    assert is_calibration(found.table)
    assert network_target(found.table, 40, 55) == pytest.approx(70, abs=0.1)
    assert network_target(found.table, 60, 50) == pytest.approx(40, abs=0.1)
    assert network_target(found.table, 40, 90) == pytest.approx(
        100, abs=0.1
    )  # no further than its targets go
    assert found.after < 0.5 * found.before


def test_a_network_that_falls_back_is_given_the_least_that_shows_most() -> None:
    def shown(source: float, told: float) -> float:
        return source + float(np.interp(told - source, [-30, 0, 15, 30], [-30, 0, 12, 6]))

    found = calibrate(shown, (20, 80), sources=[50])
    rows = found.table["network_gaps"]
    assert rows[0] == sorted(rows[0])
    assert rows[0][GAPS.index(0)] == 0
    assert network_target(found.table, 50, 62) <= 50 + 24
