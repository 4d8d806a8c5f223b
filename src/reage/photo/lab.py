"""Colours of a photograph in CIELAB, in which distances are about as large as they look."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from reage.arrays import Float32, UInt8

_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    np.float32,
)
"""From linear sRGB to CIE XYZ under D65 (ITU-R BT.709)."""
_TO_LAB = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]], np.float32)


def to_lab(pixels: UInt8) -> Float32:
    """Pixels (H, W, 3) in sRGB as CIELAB: lightness 0 to 100, and two axes of chroma, about -100 to 100.

    OpenCV does the same, but takes a tenth of a second to prepare itself for the first picture.
    """
    linear = _linear()[pixels]
    white = _TO_XYZ.sum(1, keepdims=True)
    xyz = linear @ (_TO_XYZ / white).T
    roots = np.where(
        xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * np.float32((29 / 6) ** 2 / 3) + np.float32(4 / 29)
    )
    lab = roots @ _TO_LAB.T
    lab[..., 0] -= 16
    return np.asarray(lab, np.float32)


@lru_cache(maxsize=1)
def _linear() -> Float32:
    """The linear intensity of each of the 256 levels of sRGB (IEC 61966-2-1)."""
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)
