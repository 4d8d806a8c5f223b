"""Array types by dtype (docstrings give shapes and units), and a `percentile` that starts faster than numpy's."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
UInt8: TypeAlias = npt.NDArray[np.uint8]
Int64: TypeAlias = npt.NDArray[np.int64]
Bool: TypeAlias = npt.NDArray[np.bool_]
Pixels: TypeAlias = npt.NDArray[Any]
"""A picture (H, W, 3) or a plane (H, W) of `uint8` or `uint16`; functions that take only one of them say so."""


def percentile(values: npt.NDArray[Any], share: float) -> npt.NDArray[Any]:
    """The value (...) below which ``share`` per cent of ``values`` (N, ...) lie, N being at least 1.

    It is `np.percentile` along the first axis. That one, like `np.median`, imports numpy.ma when it is first called,
    which takes as long as finding a face.
    """
    ordered = np.sort(values, axis=0)
    place = share / 100 * (len(ordered) - 1)
    below = int(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return np.asarray(high - (high - low) * (1 - (place - below)))
