"""Finds cuts and dissolves, where one shot of a video ends and the next begins."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import UInt8

_THUMB = (64, 36)
"""Width and height to which frames are reduced before they are compared."""
_CHANGE = 15.0
"""Mean change of a pixel from frame to frame, in levels of 255; a smaller change is no cut."""
_COLOURS = 0.45
"""Bhattacharyya distance of two frames' colour histograms, 0 to 1, above which such a change is a cut. Between the
bundled portraits it is 0.6 and more; after a pan by 15 % of the width or a zoom by 30 % it is up to 0.32."""
_WINDOWS = (0.6, 1.0, 2.0, 3.2)
"""Seconds that are searched for dissolves, with still moments before and after them."""
_REST = 0.2
"""Seconds of such a still moment."""
_NEAR = 0.06
"""How much of the other shot, 0 to 1, frames seem to show which show one alone."""
_TINY = (8, 5)
"""The same, where mixtures are looked for: the fewer pixels, the less a moving camera matters."""
_RESIDUAL = 0.35
"""Most that a frame within a dissolve may differ from a mixture of its first and its last, as a part of what these
differ by; the median over the frames counts. In dissolves of calm shots it is below 0.3, in zooms above 0.45."""


@dataclass(frozen=True)
class Dissolve:
    """One shot turns into the next: ``first`` is the number of the last frame that shows the first shot alone, ``last``
    that of the first frame that shows the next alone, and from ``middle`` on the next shows more."""

    first: int
    middle: int
    last: int


@dataclass(frozen=True)
class _Seen:
    number: int
    time: float
    thumb: UInt8
    tiny: UInt8


class ShotDetector:
    """Tells cuts and dissolves from movements of people and cameras. A flash counts as a cut, and a fade to black or
    from black as a dissolve; one between shots that both move quickly is not seen."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque()
        self._count = 0

    def feed(self, pixels: UInt8, time: float) -> tuple[bool, Dissolve | None]:
        """The next frame ``pixels`` (H, W, 3), shown at ``time`` seconds.

        Returns:
            Whether it begins a shot by a cut; the very first begins none. And the dissolve that ended shortly before
            it, if one did.
        """
        thumb = np.asarray(cv2.resize(pixels, _THUMB, interpolation=cv2.INTER_AREA), np.uint8)
        tiny = np.asarray(cv2.resize(thumb, _TINY, interpolation=cv2.INTER_AREA), np.uint8)
        now = _Seen(self._count, time, thumb, tiny)
        self._count += 1
        cut = bool(self._seen) and _is_other(self._seen[-1], now)
        if cut:
            self._seen.clear()
        self._seen.append(now)
        while self._seen[0].time < time - _WINDOWS[-1]:
            self._seen.popleft()
        dissolve = next(filter(None, map(self._dissolve, _WINDOWS)), None)
        while dissolve and self._seen[0].number < dissolve.last:
            self._seen.popleft()
        return cut, dissolve

    def _dissolve(self, seconds: float) -> Dissolve | None:
        """The dissolve within the last ``seconds``, if there is one between two rests."""
        end = self._seen[-1]
        frames = [seen for seen in self._seen if seen.time > end.time - seconds]
        if end.time - self._seen[0].time < seconds - 1e-6 or not _is_other(frames[0], end):
            return None
        levels = np.stack([seen.tiny.ravel() for seen in frames]).astype(np.float32)
        changes, whole = levels - levels[0], levels[-1] - levels[0]
        parts = changes @ whole / (whole @ whole)
        times = np.array([seen.time for seen in frames])
        before, after = times < times[0] + _REST, times > times[-1] - _REST
        between = (parts > _NEAR) & (parts < 1 - _NEAR)
        if (parts[before] > _NEAR).any() or (parts[after] < 1 - _NEAR).any() or between.sum() < 2:
            return None
        rest = changes[between] - parts[between, None] * whole
        if np.median(np.linalg.norm(rest, axis=1)) > _RESIDUAL * np.linalg.norm(whole):
            return None
        number = frames[0].number
        first, last = (int(place) for place in np.flatnonzero(between)[[0, -1]])
        middle = first + int(np.argmax(parts[first:] >= 0.5))
        return Dissolve(number + first - 1, number + middle, number + last + 1)


def _is_other(before: _Seen, now: _Seen) -> bool:
    """Whether two frames belong to different shots."""
    if cv2.absdiff(now.thumb, before.thumb).mean() < _CHANGE:
        return False
    distance = cv2.compareHist(_histogram(now.thumb), _histogram(before.thumb), cv2.HISTCMP_BHATTACHARYYA)
    return bool(distance > _COLOURS)


def _histogram(thumb: UInt8) -> npt.NDArray[Any]:
    hsv = cv2.cvtColor(thumb, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 8], [0, 180, 0, 256, 0, 256])
    return np.asarray(counts)
