"""Finding where one shot of a video ends and the next begins."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, UInt8

_THUMB = (64, 36)
"""Width and height to which frames are reduced before they are compared."""
_CHANGE = 15.0
"""Mean change of a pixel from frame to frame, in levels of 255; a smaller change is no cut."""
_COLOURS = 0.45
"""Bhattacharyya distance of two frames' colour histograms, 0 to 1, above which such a change is a cut. Between the
bundled portraits it is 0.6 and more; after a pan by 15 % of the width or a zoom by 30 % it is up to 0.32."""


class CutDetector:
    """Tells cuts from movements of people and cameras. A flash counts as a cut, a dissolve does not."""

    def __init__(self) -> None:
        self._before: tuple[Float32, npt.NDArray[Any]] | None = None

    def is_cut(self, pixels: UInt8) -> bool:
        """Whether a new shot begins with the next frame ``pixels`` (H, W, 3); the first frame begins none."""
        thumb = cv2.resize(pixels, _THUMB, interpolation=cv2.INTER_AREA)
        before, now = self._before, (thumb.astype(np.float32), _histogram(thumb))
        self._before = now
        if before is None or np.abs(now[0] - before[0]).mean() < _CHANGE:
            return False
        return bool(cv2.compareHist(now[1], before[1], cv2.HISTCMP_BHATTACHARYYA) > _COLOURS)


def _histogram(thumb: UInt8) -> npt.NDArray[Any]:
    hsv = cv2.cvtColor(thumb, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 8], [0, 180, 0, 256, 0, 256])
    return np.asarray(counts)
