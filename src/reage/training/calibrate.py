"""Measuring the calibration of a trained generator by what its teachers read of edited training faces.

No network that judges takes part, and no face that a judge sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reage.arrays import Float64
from reage.calibration import told_age

SOURCES = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)
GAPS = (-60.0, -45.0, -30.0, -20.0, -12.0, -6.0, 0.0, 6.0, 12.0, 20.0, 30.0, 45.0, 60.0)
"""Ages in a photo, and years beyond them, for which a table is measured."""
TOLD = 9
"""Ages within the range of the network that it is told at each age in a photo."""
MOST = 2.0
"""The network is told at most so many times the years asked for: what takes more would not look natural."""

Shown = Callable[[float, float], float]
"""Takes an age in a photo and an age told, in years; returns the age that the edited faces show, on average."""


@dataclass(frozen=True)
class Calibrated:
    """A table as `reage.calibration` describes, and the mean distance in years between the age asked for and the age
    shown, over all entries within the range of the network, without it and with it."""

    table: dict[str, Any]
    before: float
    after: float


def calibrate(shown: Shown, targets: tuple[float, float], sources: Sequence[float] = SOURCES) -> Calibrated:
    """Measure the table of a network that can be told ages within ``targets``."""
    rows, before, after = [], [], []
    for source in sources:
        told = np.unique([*np.linspace(*targets, TOLD), source])
        told = told[(told >= targets[0]) & (told <= targets[1])]
        read = np.array([shown(source, age) for age in told])
        gaps = _rising(told - source, read - shown(source, source))
        row = _inverse(told - source, gaps)
        rows.append([round(float(gap), 2) for gap in row])
        table = {"source_ages": [source], "gaps": list(GAPS), "told_gaps": [rows[-1]]}
        for gap in GAPS:
            if gap and targets[0] <= source + gap <= targets[1]:
                before.append(abs(np.interp(gap, told - source, gaps) - gap))
                age = told_age(table, source, source + gap)
                after.append(abs(np.interp(age - source, told - source, gaps) - gap))
    table = {"source_ages": list(sources), "gaps": list(GAPS), "told_gaps": rows}
    return Calibrated(table, float(np.mean(before)), float(np.mean(after)))


def _rising(told: Float64, shown: Float64) -> Float64:
    """``shown`` gaps made to rise away from a told gap of zero, on both sides."""
    out = shown.copy()
    out[told >= 0] = np.maximum.accumulate(np.maximum(out[told >= 0], 0))
    out[told <= 0] = np.minimum.accumulate(np.minimum(out[told <= 0][::-1], 0))[::-1]
    return np.asarray(out)


def _inverse(told: Float64, shown: Float64) -> Float64:
    """What to tell for each of the `GAPS`: the least that shows it, at most `MOST` times the gap."""
    asked = np.array(GAPS)
    row = np.zeros(len(asked))
    for sign in (1.0, -1.0):
        side, ours = told * sign >= 0, asked * sign > 0
        reach, showing = np.abs(told[side]), np.abs(shown[side])
        order = np.argsort(reach)
        found = np.interp(np.abs(asked[ours]), showing[order] + 1e-6 * np.arange(len(order)), reach[order])
        row[ours] = sign * np.minimum(found, MOST * np.abs(asked[ours]))
    return np.asarray(np.sort(row))
