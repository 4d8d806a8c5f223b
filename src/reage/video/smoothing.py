"""Steadiness over time: the poses of a tracked face without jitter, and edits that neither flicker nor pop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, Float64, Int64
from reage.edit.compositing import Edit
from reage.face.alignment import align_landmarks, apply_transform, invert_transform
from reage.video.tracking import Track

_BRIDGE = 0.13
"""Seconds for which a face may be lost and is taken to be there still, moving evenly: a blurred frame or two."""
_FADE = 0.3
"""Seconds over which an edit appears where a face is found, and disappears before it is lost."""
_TIME = 0.25
"""Time constant in seconds with which edits follow the face while it looks the same."""
_NEWS = 0.2
"""Change of the aligned face, in units of [-1, 1], that an edit follows at once: a blink, an open mouth."""


_PLACE, _SHAPE = 0.08, 0.05
"""Widths in seconds of what is smoothed over: for the transform of a face, and for its landmarks, which blink."""


def smoothed(values: npt.NDArray[Any], times: Float64, width: float) -> Float32:
    """``values`` (n, k) at ascending ``times`` (n,) without their jitter: local quadratic regression.

    At each time a parabola is fitted to what lies around it, under Gaussian weights of ``width`` seconds
    (Savitzky and Golay, "Smoothing and differentiation of data by simplified least squares procedures", 1964;
    Cleveland, "Robust locally weighted regression", 1979). It looks ahead as well as back, so nothing lags; and
    a moving camera is near enough a parabola for that time, where a low-pass filter would hold it back.
    """
    out = np.empty(values.shape, np.float32)
    for number, time in enumerate(times):
        first, last = np.searchsorted(times, (time - 3 * width, time + 3 * width))
        apart = (times[first:last] - time) / width
        weights = np.exp(-(apart**2) / 4)  # the square root of the Gaussian
        design = np.stack([weights, weights * apart, weights * apart**2], 1)
        out[number] = (np.linalg.pinv(design)[0] * weights) @ values[first:last]
    return out


@dataclass(frozen=True)
class Pose:
    """A face in one frame: ``matrix`` (2, 3) from it to the aligned frame, ``landmarks`` (468, 2) in that, and
    how much of the edit is shown, ``weight`` 0 to 1. ``fresh`` poses begin anew: nothing came before."""

    matrix: Float32
    landmarks: Float32
    weight: float
    fresh: bool


def poses(
    track: Track, size: int, frame_times: Float64, cuts: set[int], *, smooth: bool = True
) -> dict[int, Pose]:
    """The pose of a tracked face in each frame where it is shown, for an aligned frame of ``size`` pixels.

    ``frame_times`` (n,) are those of all frames of the video in seconds, ``cuts`` the frames that begin a shot.
    Smoothing bridges losses of a frame or two, but no cut. Edits fade in and out where a face is found and lost,
    but not at a cut nor at the video's ends.
    """
    found = {}
    for frames, landmarks in _spans(track, frame_times, cuts):
        times = frame_times[frames] - frame_times[frames[0]]
        matrices, points = _aligned(landmarks, size)
        if smooth:
            matrices = _steady(matrices, times, size)
            points = smoothed(points.reshape(len(points), -1), times, _SHAPE).reshape(points.shape)
        opens = frames[0] == 0 or frames[0] in cuts
        closes = frames[-1] == len(frame_times) - 1 or frames[-1] + 1 in cuts
        for at, frame in enumerate(frames):
            weight = 1.0 if opens else _rise(float(times[at]))
            weight *= 1.0 if closes else _rise(float(times[-1] - times[at]))
            found[int(frame)] = Pose(matrices[at], points[at], weight, at == 0)
    return found


def _spans(track: Track, frame_times: Float64, cuts: set[int]) -> Iterator[tuple[Int64, Float32]]:
    """Frames (n,) and landmarks (n, 468, 2) of each unbroken stretch, small gaps filled evenly."""
    frames = np.array(track.frames)
    apart = np.diff(frame_times[frames]) > _BRIDGE
    apart &= np.diff(frames) > 1
    breaks = apart | np.array([any(a < cut <= b for cut in cuts) for a, b in pairwise(track.frames)], bool)
    for part in np.split(np.arange(len(frames)), np.flatnonzero(breaks) + 1):
        known = frames[part]
        every = np.arange(known[0], known[-1] + 1)
        points = np.stack([track.landmarks[at] for at in part]).reshape(len(part), -1)
        at = np.interp(every, known, np.arange(len(known)))
        low = np.minimum(at.astype(int), len(known) - 1)
        high, rest = np.minimum(low + 1, len(known) - 1), (at - at.astype(int))[:, None]
        filled = points[low] * (1 - rest) + points[high] * rest
        yield every, filled.reshape(len(every), -1, 2).astype(np.float32)


def _aligned(landmarks: Float32, size: int) -> tuple[Float32, Float32]:
    """The transforms (n, 2, 3) to the aligned frame, and the landmarks (n, 468, 2) in it."""
    matrices = np.stack([align_landmarks(points, size) for points in landmarks])
    pairs = zip(matrices, landmarks, strict=True)
    return matrices, np.stack([apply_transform(matrix, points) for matrix, points in pairs])


def _steady(matrices: Float32, times: Float64, size: int) -> Float32:
    """Similarities (n, 2, 3) smoothed as what they are: a place, a roll and a size, each on its own."""
    middle = (size - 1) / 2
    roll = np.unwrap(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    scale = np.log(np.hypot(matrices[:, 0, 0], matrices[:, 1, 0]))
    centre = np.stack(
        [apply_transform(invert_transform(m), np.full((1, 2), middle, np.float32))[0] for m in matrices]
    )
    values = np.column_stack([centre, roll, scale])
    x, y, roll, scale = smoothed(values, times, _PLACE).T
    cos, sin = np.exp(scale) * np.cos(roll), np.exp(scale) * np.sin(roll)
    linear = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    shift = middle - linear @ np.stack([x, y], 1)[..., None]
    return np.concatenate([linear, shift], 2).astype(np.float32)


def _rise(seconds: float) -> float:
    part = min(1.0, (seconds + 1e-3) / _FADE)
    return part * part * (3 - 2 * part)


class EditSmoother:
    """Lets the edits of one face follow each other gently, in the aligned frame.

    Where the face itself changes, they follow at once: otherwise wrinkles of a smile would stay behind it.
    """

    def __init__(self) -> None:
        self._edit: Edit | None = None
        self._face: Float32 | None = None

    def next(self, edit: Edit, face: Float32, step: float, *, fresh: bool) -> Edit:
        """The edit to show for a ``face`` (S, S, 3), ``step`` seconds after the last; ``fresh`` begins anew."""
        if fresh or self._edit is None or self._face is None:
            self._edit, self._face = edit, face
            return edit
        change = cv2.GaussianBlur(np.abs(face - self._face).mean(2), (0, 0), 0.02 * len(face))
        news = np.minimum(1, change / _NEWS) ** 2
        slow = 1 - np.float32(np.exp(-step / _TIME))
        weight = slow + (1 - slow) * news  # (S, S)
        self._face = self._face + weight[..., None] * (face - self._face)
        self._edit = Edit(
            self._edit.delta + weight[..., None] * (edit.delta - self._edit.delta),
            self._edit.gain + weight * (edit.gain - self._edit.gain),
        )
        return self._edit
