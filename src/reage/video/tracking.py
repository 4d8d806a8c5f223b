"""The people of a video: each followed from frame to frame, and known again after a short absence."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from reage.arrays import Float32, UInt8
from reage.face.alignment import align_landmarks, warp
from reage.face.apparent_age import AgeReader, Reading
from reage.face.detection import Face, FaceDetector, overlap
from reage.video.scenes import CutDetector

_LOOK = 0.5
"""Seconds between searches of the whole frame."""
_LOOK_AGAIN = 0.15
"""The same while somebody is missed."""
_ABSENCE = 2.0
"""Seconds for which a face that was lost keeps its identity."""
_STRAY, _GROW = 1.0, 1.6
"""A face that appears within so many of its sides of where one was lost, and is at most so many times larger or
smaller, is that face."""
_SAME = 0.3
"""Intersection over union of a detected face with the tracked one that it confirms, at least."""
_DOUBTS = 2
"""So many searches in a row may miss a face that the landmark network still sees; then it is gone."""
_ALIKE, _ALIKE_OVER_CUT = 0.5, 0.85
"""Correlation of a face with itself in the frame before, at least; over a cut (or a flash), where the bundled
portraits, all facing the camera, reach 0.63 with each other."""
_CHIP = 32
_READINGS = 25
"""Readings of age and gender per person, at most."""


@dataclass(eq=False)
class Track:
    """One person: where the face is in which frames, and what it looks like.

    ``frames`` are numbers of frames, ascending, with gaps where the face was lost; ``times`` seconds;
    ``landmarks`` (468, 2) each.
    """

    frames: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    landmarks: list[Float32] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    chip: UInt8 = field(default_factory=lambda: np.zeros((_CHIP, _CHIP), np.uint8), repr=False)
    confirmed: int = 0
    """Length of the track when a search last saw its face."""
    doubts: int = 0

    @property
    def apparent_age(self) -> float:
        """Median of the readings, in years."""
        return float(np.median([reading.age for reading in self.readings]))

    @property
    def male_probability(self) -> float:
        """Median of the readings."""
        return float(np.median([reading.male_probability for reading in self.readings]))

    @property
    def box(self) -> Float32:
        """x0, y0, x1, y1 (4,) of the last landmarks."""
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


class Tracker:
    """Follows faces through the frames that `feed` is given in order.

    ``tracks`` are the people found so far, ``times`` the seconds of all frames, ``cuts`` the numbers of those that
    begin a new shot.

    Landmarks are read in each frame from where they were in the frame before. Searches at intervals find new
    faces and confirm known ones. No face is recognised: who leaves for longer than two seconds, or is seen
    again after a cut, is somebody new, unless the face is in the same place and looks the same.
    """

    def __init__(self, detector: FaceDetector, reader: AgeReader) -> None:
        self._detector = detector
        self._reader = reader
        self._cut_detector = CutDetector()
        self._active: list[Track] = []
        self._lost: list[Track] = []
        self._looked = -np.inf
        self.tracks: list[Track] = []
        self.times: list[float] = []
        self.cuts: set[int] = set()

    def feed(self, pixels: UInt8, time: float) -> None:
        """The next frame (H, W, 3), shown at ``time`` seconds."""
        self.times.append(time)
        cut = self._cut_detector.is_cut(pixels)
        self._follow(pixels, time, cut)
        if cut:
            self.cuts.add(len(self.times) - 1)
            self._lost = []
        self._lost = [track for track in self._lost if time - track.times[-1] <= _ABSENCE]
        wait = _LOOK_AGAIN if self._lost else _LOOK
        if cut or time - self._looked >= wait:
            self._looked = time
            self._look(pixels, time)

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

    def _look(self, pixels: UInt8, time: float) -> None:
        """Search the frame: confirm tracks, find those lost again, begin new ones."""
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
            track.confirmed, track.doubts = len(track.frames), 0
            if len(track.readings) < _READINGS:
                track.readings.append(self._reader.read(pixels, track.landmarks[-1]))
        for track in missing:
            track.doubts += 1
            if track.doubts >= _DOUBTS:
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
        """The nearest of the faces lost lately that ``face`` may be."""
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
    """The track whose box overlaps most with that of ``face``, if it does enough."""
    if not tracks:
        return None
    union = overlap(face.box_photo, np.stack([track.box for track in tracks]))[0]
    best = int(union.argmax())
    return tracks[best] if union[best] > _SAME else None


def _chip(pixels: UInt8, landmarks: Float32) -> UInt8:
    """The face, small and grey (32, 32), to compare with the next frame's."""
    chip = warp(pixels, align_landmarks(landmarks, _CHIP), (_CHIP, _CHIP))
    return np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY))


def _correlation(one: UInt8, other: UInt8) -> float:
    inner = (slice(4, -4), slice(4, -4))
    a, b = (chip[inner].astype(np.float32) - chip[inner].mean() for chip in (one, other))
    return float((a * b).sum() / max(1e-6, float(np.linalg.norm(a) * np.linalg.norm(b))))
