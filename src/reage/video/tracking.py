"""Following the people of a video from frame to frame, also over a short absence."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from reage.arrays import Float32, UInt8
from reage.face.alignment import align_landmarks, warp
from reage.face.apparent_age import AgeReader, ApparentAge
from reage.face.candidates import overlap
from reage.face.detection import Face, FaceDetector
from reage.video.scenes import CutDetector

_SEARCH_EVERY = 0.5
"""Seconds between searches of the whole frame."""
_SEARCH_LOST_EVERY = 0.15
"""The same while a face is lost."""
_ABSENCE = 2.0
"""Seconds for which a face that was lost keeps its identity."""
_STRAY, _GROW = 1.0, 1.6
"""A face that appears near where one was lost is that face: at most so many of its sides away, and at most so many
times larger or smaller."""
_SAME = 0.3
"""Least intersection over union of a detected face with the tracked face that it confirms."""
_MISSES = 2
"""After so many searches in a row that miss a face, it is lost, even if the landmark network still sees it."""
_ALIKE, _ALIKE_OVER_CUT = 0.5, 0.85
"""Least correlation of a face with itself in the frame before; the second over a cut or a flash, where it could be
somebody else: the bundled portraits, all of which face the camera, reach 0.63 with each other."""
_CHIP = 32
"""Side in pixels of the small pictures that are compared."""
_MOST_ESTIMATES = 25
"""How often the age and gender of one person are estimated at most."""


@dataclass(eq=False)
class Track:
    """One person: where the face is in which frames, and what it looks like."""

    frames: list[int] = field(default_factory=list)
    """Numbers of frames, ascending, with gaps where the face was lost."""
    times: list[float] = field(default_factory=list)
    """When each of them is shown, in seconds."""
    landmarks: list[Float32] = field(default_factory=list)
    """Landmarks (468, 2) in each of them, in pixels of the frame."""
    estimates: list[ApparentAge] = field(default_factory=list)
    """Age and gender as estimated in some of them."""
    chip: UInt8 = field(default_factory=lambda: np.zeros((_CHIP, _CHIP), np.uint8), repr=False)
    """The face in the last of them, small and grey."""
    confirmed: int = 0
    """The number of frames when a search last found the face."""
    misses: int = 0
    """Searches in a row that did not find it."""

    @property
    def apparent_age(self) -> float:
        """Median of the estimates, in years."""
        return float(np.median([estimate.age for estimate in self.estimates]))

    @property
    def male_probability(self) -> float:
        """Median of the estimates, 0 to 1."""
        return float(np.median([estimate.male_probability for estimate in self.estimates]))

    @property
    def box(self) -> Float32:
        """The box (4,) of the last landmarks: x0, y0, x1, y1."""
        return np.concatenate([self.landmarks[-1].min(0), self.landmarks[-1].max(0)])

    @property
    def prominence(self) -> float:
        """Area of the face summed over its frames."""
        return float(sum(np.ptp(points, axis=0).prod() for points in self.landmarks))

    def add(self, frame: int, time: float, landmarks: Float32, chip: UInt8) -> None:
        """The face in one more frame."""
        self.frames.append(frame)
        self.times.append(time)
        self.landmarks.append(landmarks)
        self.chip = chip

    def forget_unconfirmed(self) -> None:
        """Drop what followed upon the last search that saw the face."""
        del self.frames[self.confirmed :], self.times[self.confirmed :], self.landmarks[self.confirmed :]


@dataclass
class Followed:
    """The people of a video."""

    tracks: list[Track] = field(default_factory=list)
    """Those found."""
    times: list[float] = field(default_factory=list)
    """When each frame is shown, in seconds."""
    cuts: set[int] = field(default_factory=set)
    """The numbers of frames that begin a new shot."""
    damaged: int = 0
    """Packets of the video that could not be decoded."""


class Tracker(Followed):
    """Follows faces through the frames of a video, which `feed` is given in order.

    In each frame, landmarks are read from where they were in the frame before. Searches at intervals find new faces and
    confirm known ones. No face is recognised: who leaves for longer than two seconds, or is seen again after a cut, is
    somebody new, unless the face is in the same place and looks the same.
    """

    def __init__(self, detector: FaceDetector, reader: AgeReader) -> None:
        super().__init__()
        self._detector = detector
        self._reader = reader
        self._cut_detector = CutDetector()
        self._active: list[Track] = []
        self._lost: list[Track] = []
        self._searched = -np.inf

    def feed(self, pixels: UInt8, time: float) -> None:
        """The next frame (H, W, 3), shown at ``time`` seconds."""
        self.times.append(time)
        cut = self._cut_detector.is_cut(pixels)
        self._follow(pixels, time, cut)
        if cut:
            self.cuts.add(len(self.times) - 1)
            self._lost = []
        self._lost = [track for track in self._lost if time - track.times[-1] <= _ABSENCE]
        wait = _SEARCH_LOST_EVERY if self._lost else _SEARCH_EVERY
        if cut or time - self._searched >= wait:
            self._searched = time
            self._search(pixels, time)

    def _follow(self, pixels: UInt8, time: float, cut: bool) -> None:
        """Go on with each active track whose face is still there."""
        for track in list(self._active):
            face = self._detector.follow(pixels, track.landmarks[-1])
            alike = _ALIKE_OVER_CUT if cut else _ALIKE
            chip = _chip(pixels, face.landmarks_photo) if face else None
            if face is None or chip is None or _correlation(chip, track.chip) < alike:
                self._lose(track)
            else:
                track.add(len(self.times) - 1, time, face.landmarks_photo, chip)
        for track in sorted(self._active, key=lambda track: len(track.frames)):
            others = [other.box for other in self._active if other is not track]
            if others and overlap(track.box, np.stack(others))[0].max() > 0.5:  # two tracks, one face
                self._lose(track)

    def _search(self, pixels: UInt8, time: float) -> None:
        """Search the frame: confirm tracks, go on with lost ones, begin new ones."""
        missing = list(self._active)
        for face in self._detector.detect(pixels):
            track = _overlapping(face, missing)
            if track is not None:
                missing.remove(track)
            elif _overlapping(face, self._active) is not None:
                continue
            else:
                track = self._known(face) or self._begin()
                self._active.append(track)
                landmarks = face.landmarks_photo
                track.add(len(self.times) - 1, time, landmarks, _chip(pixels, landmarks))
            track.confirmed, track.misses = len(track.frames), 0
            if len(track.estimates) < _MOST_ESTIMATES:
                track.estimates.append(self._reader.read(pixels, track.landmarks[-1]))
        for track in missing:
            track.misses += 1
            if track.misses >= _MISSES:
                track.forget_unconfirmed()
                self._lose(track)

    def _lose(self, track: Track) -> None:
        self._active.remove(track)
        self._lost.append(track)

    def _begin(self) -> Track:
        track = Track()
        self.tracks.append(track)
        return track

    def _known(self, face: Face) -> Track | None:
        """The track of the nearest lost face that ``face`` may be; it is lost no longer."""
        centre, near = face.box_photo.reshape(2, 2).mean(0), []
        for track in self._lost:
            size = float((track.box[2:] - track.box[:2]).max())
            apart = float(np.linalg.norm(track.box.reshape(2, 2).mean(0) - centre)) / size
            if apart < _STRAY and 1 / _GROW < face.size / size < _GROW:
                near.append((apart, track))
        if not near:
            return None
        track = min(near, key=lambda pair: pair[0])[1]
        self._lost.remove(track)
        return track


def _overlapping(face: Face, tracks: list[Track]) -> Track | None:
    """The track whose box overlaps most with that of ``face``, if by enough."""
    if not tracks:
        return None
    union = overlap(face.box_photo, np.stack([track.box for track in tracks]))[0]
    best = int(union.argmax())
    return tracks[best] if union[best] > _SAME else None


def _chip(pixels: UInt8, landmarks: Float32) -> UInt8:
    """The face as a small grey picture (32, 32), to be compared with that of the next frame."""
    chip = warp(pixels, align_landmarks(landmarks, _CHIP), (_CHIP, _CHIP))
    return np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY))


def _correlation(one: UInt8, other: UInt8) -> float:
    """How alike two such pictures are, from -1 to 1, but for their borders, where hair and background show."""
    inner = (slice(4, -4), slice(4, -4))
    a, b = (chip[inner].astype(np.float32) - chip[inner].mean() for chip in (one, other))
    return float((a * b).sum() / max(1e-6, float(np.linalg.norm(a) * np.linalg.norm(b))))
