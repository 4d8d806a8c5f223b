"""Calibration: the target age to give a network so that its output has the age asked for.

A network moves an apparent age by less than it is asked to, and not by the same part everywhere. A calibration is a
table, measured after training (`reage.training.calibrate`) and stored in the manifest of a bundle:

- ``source_ages``: ages in a photo, in years, ascending;
- ``gaps``: years asked for beyond the age in the photo, ascending, 0 among them;
- ``network_gaps``: for each source age a row of the gaps that the network is given instead; they never fall along the
  row, and are 0 where the gap asked for is 0.

Between its entries it is interpolated linearly, beyond them it continues as at its border. The same age in and out
stays the identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

_MOST = 50
"""Source ages, and gaps, at most."""
_FARTHEST = 1000
"""Years that no age and no gap reaches."""


def is_calibration(value: Any) -> bool:
    """Whether ``value`` is an empty table, or one as described above."""
    if value == {}:
        return True
    if not isinstance(value, dict) or value.keys() != {"source_ages", "gaps", "network_gaps"}:
        return False
    sources, gaps, rows = value["source_ages"], value["gaps"], value["network_gaps"]
    if not (_is_ascending(sources) and _is_ascending(gaps) and 0 in gaps):
        return False
    return (
        isinstance(rows, list)
        and len(rows) == len(sources)
        and all(_is_ascending(row, strictly=False) and len(row) == len(gaps) for row in rows)
        and all(row[gaps.index(0)] == 0 for row in rows)
    )


def network_target(calibration: Mapping[str, Any], source: float, target: float) -> float:
    """The target age in years to give the network for a face of ``source`` years that should show ``target`` years."""
    if not calibration:
        return target
    gaps = [np.interp(target - source, calibration["gaps"], row) for row in calibration["network_gaps"]]
    return source + float(np.interp(source, calibration["source_ages"], gaps))


def _is_ascending(value: Any, *, strictly: bool = True) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST:
        return False
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= _FARTHEST for v in value):
        return False
    return all(low < high or (not strictly and low == high) for low, high in pairwise(value))
