"""Smooths the poses of a tracked face and its edits over time, so that they do not jitter, flicker or jump."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, Float64, Int64
from reage.edit.compositing import Edit
from reage.edit.surroundings import Masks
from reage.face.alignment import align_landmarks, apply_transform, invert_transform
from reage.video.tracks import Track

_BRIDGE = 0.13
"""Longest gap in seconds, a blurred frame or two, that is bridged by assuming even movement."""
_FADE = 0.3
"""Seconds over which an edit fades in after a face is found, and fades out before it is lost."""
_FIND_EVERY = 0.1
"""Seconds between segmentations of hair and neck. In between, the head frame moves with the face."""
_TIME = 0.25
"""Time constant in seconds of the smoothing of edits, while the face looks the same."""
_MOTION = 0.2
"""A change of the aligned face that an edit follows at once, such as a blink or an open mouth, in units of [-1, 1]."""


_PLACE, _SHAPE = 0.08, 0.05
"""Widths in seconds of the smoothing of a face's transform, and of its landmarks, which must follow blinks."""


def smoothed(values: npt.NDArray[Any], times: Float64, width: float) -> Float32:
    """Smooths values over time by local quadratic regression.

    At each time a parabola is fitted to the values around it, under Gaussian weights (Savitzky and Golay, "Smoothing
    and differentiation of data by simplified least squares procedures", 1964; Cleveland, "Robust locally weighted
    regression", 1979). It looks ahead as well as back, so nothing lags. For so short a time a moving camera follows a
    parabola closely, where a low-pass filter would hold it back.

    Args:
        values: (n, k), a row for each time.
        times: (n,) in seconds, ascending.
        width: standard deviation of the weights, in seconds.
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
    """The position of a face in one frame of a video, and the weight of its edit."""

    matrix: Float32
    """The similarity (2, 3) from the frame to the aligned frame."""
    landmarks: Float32
    """(468, 2) in the aligned frame."""
    weight: float
    """The part of the edit that is shown, 0 to 1."""
    fresh: bool
    """Whether the smoothing of edits starts again here, because the face was not visible just before."""


def poses(
    track: Track,
    size: int,
    frame_times: Float64,
    cuts: set[int],
    *,
    zoom: float = 1.0,
    smooth: bool = True,
) -> dict[int, Pose]:
    """The poses of a tracked face, by number of frame.

    Losses of a frame or two are bridged, unless a cut lies between. Edits fade in after a face is found and fade out
    before it is lost, but not at a cut nor at the beginning and end of the video.

    Args:
        track: the face.
        size: side of the aligned frame in pixels.
        frame_times: when each frame of the video is shown (n,), in seconds.
        cuts: the numbers of frames that begin a shot.
        zoom: how many times as large as usual the face is in that frame; see `align_landmarks`.
        smooth: whether to smooth the poses.
    """
    found = {}
    for frames, landmarks in _spans(track, frame_times, cuts):
        times = frame_times[frames] - frame_times[frames[0]]
        matrices, points = _aligned(landmarks, size, zoom)
        if smooth:
            matrices = _steady(matrices, times, size)
            points = smoothed(points.reshape(len(points), -1), times, _SHAPE).reshape(points.shape)
        opens = frames[0] == 0 or frames[0] in cuts
        closes = frames[-1] == len(frame_times) - 1 or frames[-1] + 1 in cuts
        for at, frame in enumerate(frames):
            weight = 1.0 if opens else _fade(float(times[at]))
            weight *= 1.0 if closes else _fade(float(times[-1] - times[at]))
            found[int(frame)] = Pose(matrices[at], points[at], weight, at == 0)
    return found


def _spans(track: Track, frame_times: Float64, cuts: set[int]) -> Iterator[tuple[Int64, Float32]]:
    """Frame numbers (n,) and landmarks (n, 468, 2) of each unbroken stretch of a track; small gaps are filled."""
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


def _aligned(landmarks: Float32, size: int, zoom: float) -> tuple[Float32, Float32]:
    """The similarities (n, 2, 3) to the aligned frame, and the landmarks (n, 468, 2) in it."""
    matrices = np.stack([align_landmarks(points, size, zoom) for points in landmarks])
    pairs = zip(matrices, landmarks, strict=True)
    return matrices, np.stack([apply_transform(matrix, points) for matrix, points in pairs])


def _steady(matrices: Float32, times: Float64, size: int) -> Float32:
    """Similarities (n, 2, 3) smoothed over time: the place, the roll and the size of the face, each on its own."""
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


def _fade(seconds: float) -> float:
    """The part of an edit that is shown so many seconds after a face is found, or before it is lost."""
    part = min(1.0, (seconds + 1e-3) / _FADE)
    return part * part * (3 - 2 * part)


class EditSmoother:
    """Smooths the edits of one face over time, in the aligned frame.

    Where the face itself changes, its edit follows at once; otherwise the wrinkles of a smile would stay behind it.
    """

    def __init__(self) -> None:
        self._edit: Edit | None = None
        self._face: Float32 | None = None

    @property
    def memory(self) -> dict[str, Float32]:
        """Its state, to continue in another process."""
        if self._edit is None or self._face is None:
            return {}
        return {"delta": self._edit.delta, "gain": self._edit.gain, "face": self._face}

    @memory.setter
    def memory(self, memory: Mapping[str, Float32]) -> None:
        self._edit = Edit(memory["delta"], memory["gain"]) if memory else None
        self._face = memory["face"] if memory else None

    def next(self, edit: Edit, face: Float32, step: float, *, fresh: bool) -> Edit:
        """The edit to show for the next frame.

        Args:
            edit: the network's edit for this frame.
            face: the aligned face (S, S, 3) in this frame.
            step: seconds since the frame before.
            fresh: whether to forget what came before.
        """
        if fresh or self._edit is None or self._face is None:
            self._edit, self._face = edit, face
            return edit
        change = cv2.GaussianBlur(np.abs(face - self._face).mean(2), (0, 0), 0.02 * len(face))
        motion = np.minimum(1, change / _MOTION) ** 2
        slow = 1 - np.float32(np.exp(-step / _TIME))
        weight = slow + (1 - slow) * motion  # (S, S)
        self._face = self._face + weight[..., None] * (face - self._face)
        self._edit = self._edit.towards(edit, weight)
        return self._edit


class MaskSmoother:
    """Smooths the masks of hair and neck of one person over time, in the head frame."""

    def __init__(self) -> None:
        self._masks: Masks | None = None
        self._found: Masks | None = None
        self._unit = self._since = 0.0

    @property
    def memory(self) -> dict[str, Float32]:
        """Its state, to continue in another process."""
        if self._masks is None or self._found is None:
            return {}
        found = {f"found_{name}": mask for name, mask in vars(self._found).items()}
        numbers = {"unit": np.array(self._unit), "since": np.array(self._since)}
        return {**vars(self._masks), **found, **numbers}

    @memory.setter
    def memory(self, memory: Mapping[str, Float32]) -> None:
        names = "hair", "neck", "front"
        self._masks = Masks(**{name: memory[name] for name in names}) if memory else None
        self._found = Masks(**{name: memory[f"found_{name}"] for name in names}) if memory else None
        self._unit, self._since = (float(memory[name]) if memory else 0.0 for name in ("unit", "since"))

    def next(self, find: Callable[[], Masks], unit: float, step: float, *, fresh: bool) -> Masks:
        """The masks for the next frame, ``step`` seconds after the last one; where ``fresh``, nothing came before.

        ``find`` finds those of this frame, and is called every `_FIND_EVERY` seconds. ``unit`` is how many pixels of
        the head frame an average pair of eyes is apart; where it changes, everything is forgotten.
        """
        self._since += step
        if fresh or unit != self._unit or self._masks is None or self._found is None:
            self._masks = self._found = find()
            self._unit, self._since = unit, 0.0
            return self._masks
        if self._since > _FIND_EVERY:
            self._found, self._since = find(), 0.0
        self._masks = self._masks.towards(self._found, 1 - float(np.exp(-step / _TIME)))
        return self._masks
