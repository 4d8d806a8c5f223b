"""The types of arrays, by their elements; docstrings give their shapes and units."""

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
