"""Measures the calibration of a trained generator: the target age to give it so that its output has the age asked for.

The age of an output is the estimate of an age network for edited training faces: preferably one that was not a teacher,
else the teachers.
No network and no face of the evaluation takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reage.arrays import Float64
from reage.calibration import network_target

SOURCES = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)
GAPS = (-60.0, -45.0, -30.0, -20.0, -12.0, -6.0, 0.0, 6.0, 12.0, 20.0, 30.0, 45.0, 60.0)
"""Ages in a photo, and years beyond them, for which a table is measured."""
TARGETS = 9
"""Target ages, over the range of the network, that are tried for each age in a photo."""
MOST = 2.0
"""The network is given at most this many times the gap asked for; larger edits would not look natural.

And never less than that gap. Where an age network asked for less, as dlib's does for younger faces, both judges of age
then found them too little changed on the validation split.
"""

Shown = Callable[[float, float], float]
"""Takes an age in a photo and a target age, in years; returns the age that the edited faces show, on average."""


@dataclass(frozen=True)
class Calibrated:
    """A calibration and what it achieves, over all of its entries within the range of the network."""

    table: dict[str, Any]
    """The calibration, as `reage.calibration` describes it."""
    before: float
    """Mean distance of the age shown from the age asked for without it, in years."""
    after: float
    """The same with it."""


def calibrate(shown: Shown, targets: tuple[float, float], sources: Sequence[float] = SOURCES) -> Calibrated:
    """Measure the calibration of a network.

    Args:
        shown: gives the age that edits show; see `Shown`.
        targets: youngest and oldest target age of the network, in years.
        sources: ages in a photo for which it is measured, in years.
    """
    rows, before, after = [], [], []
    for source in sources:
        given = np.unique([*np.linspace(*targets, TARGETS), source])
        given = given[(given >= targets[0]) & (given <= targets[1])]
        unedited = shown(source, source)
        ages = np.array([unedited if age == source else shown(source, age) for age in given])
        gaps = _rising(given - source, ages - unedited)
        row = _inverse(given - source, gaps)
        rows.append([round(float(gap), 2) for gap in row])
        table = {"source_ages": [source], "gaps": list(GAPS), "network_gaps": [rows[-1]]}
        for gap in GAPS:
            if gap and targets[0] <= source + gap <= targets[1]:
                before.append(abs(np.interp(gap, given - source, gaps) - gap))
                age = network_target(table, source, source + gap)
                after.append(abs(np.interp(age - source, given - source, gaps) - gap))
    table = {"source_ages": list(sources), "gaps": list(GAPS), "network_gaps": rows}
    return Calibrated(table, float(np.mean(before)), float(np.mean(after)))


def _rising(given: Float64, shown: Float64) -> Float64:
    """The gaps ``shown`` (N,) for those ``given`` (N,), made to rise with distance from zero on both sides."""
    out = shown.copy()
    out[given >= 0] = np.maximum.accumulate(np.maximum(out[given >= 0], 0))
    out[given <= 0] = np.minimum.accumulate(np.minimum(out[given <= 0][::-1], 0))[::-1]
    return np.asarray(out)


def _inverse(given: Float64, shown: Float64) -> Float64:
    """The gap to give the network for each of the `GAPS`: the least that shows it, up to `MOST` times as much."""
    asked = np.array(GAPS)
    row = np.zeros(len(asked))
    for sign in (1.0, -1.0):
        side, ours = given * sign >= 0, asked * sign > 0
        reach, showing = np.abs(given[side]), np.abs(shown[side])
        order = np.argsort(reach)
        found = np.interp(np.abs(asked[ours]), showing[order] + 1e-6 * np.arange(len(order)), reach[order])
        row[ours] = sign * np.clip(found, np.abs(asked[ours]), MOST * np.abs(asked[ours]))
    return np.asarray(np.sort(row))
