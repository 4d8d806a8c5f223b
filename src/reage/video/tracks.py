"""The tracks of a video: where each face is in which frames, and which tracks are the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reage.arrays import Float32, UInt8
from reage.face.apparent_age import ApparentAge
from reage.face.sureness import Sureness

SAME_PERSON, SOMEBODY_ELSE = 0.45, 0.65
"""Distance of descriptors below which two faces are of one person, and above which they are of two. Of faces of UTKFace
that are of two, one pair in a hundred is nearer than 0.6."""
CHIP = 32
"""Side in pixels of the small pictures that are compared."""


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
    descriptors: list[Float32] = field(default_factory=list)
    """Who it is, (128,), as read in the same frames."""
    sureness: list[Sureness] = field(default_factory=list)
    """How sure these readings are."""
    estimated: list[int] = field(default_factory=list)
    """The numbers of these."""
    chips: list[UInt8] = field(default_factory=list, repr=False)
    """The face, small and grey, in the last frames: from that on where it was last seen who it is."""
    strangers: list[Float32] = field(default_factory=list, repr=False)
    """Descriptors (128,) read since then, of somebody else."""
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

    @property
    def descriptor(self) -> Float32 | None:
        """Median of the descriptors (128,); None if there are none."""
        return np.median(np.stack(self.descriptors), 0).astype(np.float32) if self.descriptors else None

    def add(self, frame: int, time: float, landmarks: Float32, chip: UInt8) -> None:
        """The face in one more frame."""
        self.frames.append(frame)
        self.times.append(time)
        self.landmarks.append(landmarks)
        self.chips.append(chip)

    def turn(self) -> int:
        """The number of the frame from which on the face is more like that of the last frame than like that of the one
        where it was last seen who it is."""
        first, last = self.chips[0], self.chips[-1]
        nearer = [correlation(chip, last) > correlation(chip, first) for chip in self.chips]
        return self.frames[nearer.index(True) - len(nearer)]

    def forget_unconfirmed(self) -> None:
        """Drop what followed upon the last search that saw the face."""
        self.shorten(0, self.confirmed)

    def shorten(self, first: int, last: int) -> None:
        """Keep only its frames from place ``first`` up to ``last``, which is left out."""
        dropped = len(self.frames) - last
        if dropped > 0:
            self.chips = self.chips[:-dropped] or self.chips[:1]
        kept = slice(first, last)
        self.frames, self.times, self.landmarks = self.frames[kept], self.times[kept], self.landmarks[kept]
        self.confirmed = max(0, min(self.confirmed, last) - first)

    def forget_estimates(self, first: int, last: int) -> None:
        """Drop the estimates of the frames numbered ``first`` to ``last``."""
        kept = [at for at, number in enumerate(self.estimated) if not first <= number <= last]
        self.estimates = [self.estimates[at] for at in kept]
        self.descriptors = [self.descriptors[at] for at in kept]
        self.sureness = [self.sureness[at] for at in kept]
        self.estimated = [self.estimated[at] for at in kept]


@dataclass
class TrackedVideo:
    """The people of a video."""

    tracks: list[Track] = field(default_factory=list)
    """Those found."""
    times: list[float] = field(default_factory=list)
    """When each frame is shown, in seconds."""
    cuts: set[int] = field(default_factory=set)
    """The numbers of frames that begin a new shot."""
    damaged: int = 0
    """Packets of the video that could not be decoded."""

    def people(self) -> list[list[Track]]:
        """The tracks of each person who was found, in the order in which they appear.

        Tracks are of one person where their descriptors are near each other, and they have no frame in common.
        """
        people: list[list[Track]] = []
        for track in sorted((track for track in self.tracks if track.frames), key=lambda t: t.frames[0]):
            person = min(people, key=lambda them: _apart(track, them), default=None)
            if person is not None and _apart(track, person) < SAME_PERSON:
                person.append(track)
            else:
                people.append([track])
        return people


def _apart(track: Track, person: Sequence[Track]) -> float:
    """The least distance between the descriptors of a track and of one of a ``person``; infinite where both are seen at
    the same time, or descriptors are missing."""
    frames, mine = set(track.frames), track.descriptor
    if mine is None or any(not frames.isdisjoint(other.frames) for other in person):
        return np.inf
    theirs = [other.descriptor for other in person]
    return min((float(np.linalg.norm(mine - each)) for each in theirs if each is not None), default=np.inf)


def correlation(one: UInt8, other: UInt8) -> float:
    """How alike two such pictures are, from -1 to 1, but for their borders, where hair and background show."""
    inner = (slice(4, -4), slice(4, -4))
    a, b = (chip[inner].astype(np.float32) - chip[inner].mean() for chip in (one, other))
    return float((a * b).sum() / max(1e-6, float(np.linalg.norm(a) * np.linalg.norm(b))))
