"""Tracks the people of a video from frame to frame, also over short gaps."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from reage.arrays import Float32, UInt8
from reage.face.alignment import align_landmarks, warp
from reage.face.apparent_age import AgeReader
from reage.face.candidates import overlap
from reage.face.detection import Face, FaceDetector
from reage.face.identity import IdentityReader
from reage.face.sureness import read_sureness
from reage.video.scenes import Dissolve, ShotDetector
from reage.video.tracks import CHIP, SAME_PERSON, SOMEBODY_ELSE, Track, TrackedVideo, correlation

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
_MOST_ESTIMATES = 25
"""How often the age and gender of one person are estimated at most."""


class Tracker(TrackedVideo):
    """Tracks faces through the frames of a video, which are given to `feed` in order.

    In each frame, landmarks are read near their last position. Detection at intervals finds new faces and confirms
    known ones. A person who leaves for more than two seconds, or appears in another shot, gets another track; in the
    end, `people` groups tracks by descriptors.
    """

    def __init__(self, detector: FaceDetector, reader: AgeReader, identity: IdentityReader) -> None:
        super().__init__()
        self._detector = detector
        self._reader = reader
        self._identity = identity
        self._shots = ShotDetector()
        self._active: list[Track] = []
        self._lost: list[Track] = []
        self._searched = -np.inf

    def feed(self, pixels: UInt8, time: float) -> None:
        """The next frame (H, W, 3), shown at ``time`` seconds."""
        self.times.append(time)
        cut, dissolve = self._shots.feed(pixels, time)
        self._follow(pixels, time, cut)
        if cut:
            self.cuts.add(len(self.times) - 1)
            self._lost = []
        self._lost = [track for track in self._lost if time - track.times[-1] <= _ABSENCE]
        wait = _SEARCH_LOST_EVERY if self._lost else _SEARCH_EVERY
        if dissolve:
            self._part(dissolve)
        if cut or dissolve or time - self._searched >= wait:
            self._searched = time
            self._search(pixels, time)
        for track in [track for track in self._active if not track.estimates]:  # of a dissolve, and not there
            self._active.remove(track)
            self.tracks.remove(track)

    def _part(self, dissolve: Dissolve) -> None:
        """Part the faces of the shot before a dissolve from those of the next: in between, each may look like another.

        Those that were there before end in the middle, and what was followed from there on is somebody new. Who
        appeared within it and was lost again was nobody.
        """
        now = len(self.times) - 1
        self._lost = []
        for track in [track for track in self.tracks if track.frames and track.frames[-1] > dissolve.first]:
            track.forget_estimates(dissolve.first + 1, now)
            if track in self._active:
                if track.frames[0] <= dissolve.first:
                    self._split(track, dissolve.middle)
            elif track.frames[0] <= dissolve.first:
                track.shorten(0, int(np.searchsorted(track.frames, dissolve.middle)))
            else:
                self.tracks.remove(track)

    def _split(self, track: Track, frame: int) -> Track:
        """End an active ``track`` before ``frame``; returns that of somebody new, who was followed from there on."""
        place = int(np.searchsorted(track.frames, frame))
        after = replace(track, estimates=[], descriptors=[], sureness=[], estimated=[], strangers=[])
        after.shorten(place, len(track.frames))
        track.shorten(0, place)
        self._active[self._active.index(track)] = after
        self.tracks.append(after)
        return after

    def _follow(self, pixels: UInt8, time: float, cut: bool) -> None:
        """Continue each active track whose face is still there."""
        for track in list(self._active):
            face = self._detector.follow(pixels, track.landmarks[-1])
            alike = _ALIKE_OVER_CUT if cut else _ALIKE
            chip = _chip(pixels, face.landmarks_photo) if face else None
            if face is None or chip is None or correlation(chip, track.chips[-1]) < alike:
                self._lose(track)
            else:
                track.add(len(self.times) - 1, time, face.landmarks_photo, chip)
        for track in sorted(self._active, key=lambda track: len(track.frames)):
            others = [other.box for other in self._active if other is not track]
            if others and overlap(track.box, np.stack(others))[0].max() > 0.5:  # two tracks, one face
                self._lose(track)

    def _search(self, pixels: UInt8, time: float) -> None:
        """Detect faces in the frame: confirm tracks, resume lost ones, start new ones."""
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
            self._look(track, pixels)
        for track in missing:
            track.misses += 1
            if track.misses >= _MISSES:
                track.forget_unconfirmed()
                self._lose(track)

    def _look(self, track: Track, pixels: UInt8) -> None:
        """Read the descriptor and age of tracked faces; a different person gets a new track."""
        descriptor = self._identity.read([pixels], track.landmarks[-1])[0]
        known = track.descriptor
        if known is not None and np.linalg.norm(descriptor - known) > SOMEBODY_ELSE:
            track.strangers.append(descriptor)
            if len(track.strangers) < 2 or np.linalg.norm(descriptor - track.strangers[-2]) > SAME_PERSON:
                return  # turned away, perhaps, or in the middle of a dissolve
            track = self._split(track, track.turn())
        track.strangers, track.chips = [], track.chips[-1:]
        if len(track.estimates) < _MOST_ESTIMATES:
            track.estimates.append(self._reader.read(pixels, track.landmarks[-1]))
            track.descriptors.append(descriptor)
            track.sureness.append(read_sureness(pixels, track.landmarks[-1]))
            track.estimated.append(track.frames[-1])

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
    chip = warp(pixels, align_landmarks(landmarks, CHIP), (CHIP, CHIP))
    return np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY))
