"""The tracks of a video: where each face is in which frames, and which tracks are the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reage.arrays import Float32, UInt8
from reage.face.apparent_age import ApparentAge
from reage.face.sureness import Sureness

SAME_PERSON, SOMEBODY_ELSE = 0.45, 0.65
"""Distance of descriptors below which two faces are one person, and above which they are two. Of pairs of different
people in UTKFace, one in a hundred is nearer than 0.6."""
CHIP = 32
"""Side in pixels of the small pictures that are compared."""


@dataclass(eq=False)
class Track:
    """A track: the face of one person in consecutive frames, with estimates and descriptors."""

    frames: list[int] = field(default_factory=list)
    """Numbers of frames, ascending, with gaps where the face was lost."""
    times: list[float] = field(default_factory=list)
    """Time stamp of each of them, in seconds."""
    landmarks: list[Float32] = field(default_factory=list)
    """Landmarks (468, 2) in each of them, in pixels of the frame."""
    estimates: list[ApparentAge] = field(default_factory=list)
    """Estimated age and gender in some of them."""
    descriptors: list[Float32] = field(default_factory=list)
    """Identity descriptors (128,) from the same frames."""
    sureness: list[Sureness] = field(default_factory=list)
    """Reliability of these estimates."""
    estimated: list[int] = field(default_factory=list)
    """Numbers of these frames."""
    chips: list[UInt8] = field(default_factory=list, repr=False)
    """The face, small and grey, in the last frames, from the last confirmed descriptor on."""
    strangers: list[Float32] = field(default_factory=list, repr=False)
    """Descriptors (128,) since then that belong to somebody else."""
    confirmed: int = 0
    """Number of frames when detection last found the face."""
    misses: int = 0
    """Detections in a row that did not find it."""

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
        """Add the face in one more frame."""
        self.frames.append(frame)
        self.times.append(time)
        self.landmarks.append(landmarks)
        self.chips.append(chip)

    def turn(self) -> int:
        """The number of the first frame whose face is more like the last one than like that of the last confirmed
        descriptor."""
        first, last = self.chips[0], self.chips[-1]
        nearer = [correlation(chip, last) > correlation(chip, first) for chip in self.chips]
        return self.frames[nearer.index(True) - len(nearer)]

    def forget_unconfirmed(self) -> None:
        """Drop the frames after the last detection that found the face."""
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
    """The result of tracking the people of a video."""

    tracks: list[Track] = field(default_factory=list)
    """Tracks of all people found."""
    times: list[float] = field(default_factory=list)
    """Time stamp of each frame, in seconds."""
    cuts: set[int] = field(default_factory=set)
    """The numbers of frames that begin a new shot."""
    damaged: int = 0
    """Packets of the video that could not be decoded."""

    def people(self) -> list[list[Track]]:
        """The tracks of each person who was found, in the order in which they appear.

        Tracks belong to one person if their descriptors are near each other and they have no frame in common.
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
    """The least distance between the descriptors of a track and those of a ``person``.

    It is infinite if both are visible at the same time, or if descriptors are missing.
    """
    frames, mine = set(track.frames), track.descriptor
    if mine is None or any(not frames.isdisjoint(other.frames) for other in person):
        return np.inf
    theirs = [other.descriptor for other in person]
    return min((float(np.linalg.norm(mine - each)) for each in theirs if each is not None), default=np.inf)


def correlation(one: UInt8, other: UInt8) -> float:
    """Correlation of two such pictures, -1 to 1, without their borders, which show hair and background."""
    inner = (slice(4, -4), slice(4, -4))
    a, b = (chip[inner].astype(np.float32) - chip[inner].mean() for chip in (one, other))
    return float((a * b).sum() / max(1e-6, float(np.linalg.norm(a) * np.linalg.norm(b))))
