"""Detects the faces of a photo, of any size, position and roll, with 468 landmarks each.

`reage.face.candidates` proposes candidates. Two checks confirm each: the detector network runs again on the face alone,
upright and at a suitable size, and the landmark network must find a face, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from reage.arrays import Float32, UInt8
from reage.devices import Device
from reage.errors import PhotoError
from reage.face.alignment import apply_transform, invert_transform, warp
from reage.face.candidates import (
    SMALLEST_FACE,
    CandidateFinder,
    Candidates,
    coarse_copies,
    fine_copies,
    merge_candidates,
    overlap,
)
from reage.face.landmarks import CROP, LandmarkNetwork, crop_transform

_CANDIDATE = 0.3
"""Score from which a candidate is checked again. Small faces score low at first, as do many other things."""
_WIDER = 3.0
"""Side of the crop of the second look, in sides of the candidate's box."""
_AGREES = 0.2
"""Least intersection over union of a candidate with what the second look finds in its place."""
_ASTRAY = 0.12
"""Largest mean distance of the landmarks' eyes, nose and mouth from the detector's, in sides of its box."""
_UPRIGHT = 0.8
"""A face that was read upside down scores less than this at its second look, one read rightly mostly more."""
_SURE = 0.88
"""A whole face that scores so much was read rightly for certain: of 19 portraits all score more, none when it is upside
down."""
_REFINEMENTS = 3
"""How often landmarks are read again, each time in the crop that the last reading suggests. From a poor box, one, two
and three times left a mean error of 1.9, 1.1 and 0.7 % of the eye distance."""
_SETTLED = 0.1
"""If a face moved by less than this part of its side, its landmarks need not be read again."""
_FILLS = 0.6
"""A face as long as this part of the photo fills it, so that the detector may see only parts of it."""
_BYSTANDER = 16.0
"""Faces this many times smaller than the largest one are not searched for."""
_QUICK = 512
"""Longer side of the copies that are fast to search, and are therefore also searched rotated."""
_SAME_PLACE = 0.5
"""A candidate whose box overlaps that of a face by more than this (intersection over union) is that face."""
_LARGER = 1.5
"""The landmarks' box of a face may be larger than the detector's, but not so many times."""
_SAME_FACE, _WITHIN = 0.4, 0.6
"""Two faces are one if their boxes overlap by more than this (intersection over union), or if one lies within the other
by more than this part of its area."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo. Coordinates are ``(x, y)`` in pixels of the photo and may lie outside its frame."""

    box_photo: Float32
    """The box (4,) around the landmarks: x0, y0, x1, y1."""
    score: float
    """The probability of a face, by the detector network at its second look."""
    presence: float
    """The same by the landmark network."""
    landmarks_photo: Float32
    """(468, 2), with the indices of MediaPipe Face Mesh."""

    @property
    def size(self) -> float:
        """The longer side of the box in pixels of the photo."""
        return float((self.box_photo[2:] - self.box_photo[:2]).max())

    def moved(self, transform: Float32) -> Face:
        """The same face in the photo seen through ``transform`` (2, 3)."""
        box = apply_transform(transform, self.box_photo.reshape(2, 2)).reshape(4)
        return replace(self, box_photo=box, landmarks_photo=apply_transform(transform, self.landmarks_photo))


class FaceDetector:
    """Finds faces of 40 px and more in photos up to 12000 px long, and smaller ones in small photos.

    ``min_score`` and ``min_presence`` are the least probabilities to believe, of the detector and of the landmark
    network; ``threads`` limits the threads of either, and both are computed on ``device``, as `open_session` says.
    """

    def __init__(
        self,
        *,
        min_score: float = 0.5,
        min_presence: float = 0.5,
        threads: int | None = None,
        device: Device | None = None,
    ) -> None:
        self._finder = CandidateFinder(min_score=min(_CANDIDATE, min_score), threads=threads, device=device)
        self._network = LandmarkNetwork(threads=threads, device=device)
        self._min_score = min_score
        self._min_presence = min_presence

    def load(self) -> None:
        """Open the networks now, not on first use."""
        self._finder.load()
        self._network.load()

    def detect(self, pixels: UInt8, *, only_largest: bool = False, most: int | None = None) -> list[Face]:
        """The faces of a photo (H, W, 3), sRGB ``uint8``, largest first; an empty list when there is none.

        The photo is searched coarsely first, which shows all but small faces. Where that finds a face, those are also
        looked for that are at least `SMALLEST_FACE` pixels and a sixteenth as large, but with ``only_largest`` no
        others. Faces may lean by 90 degrees. A photo without a face of high score is also searched turned by quarters
        of a circle, coarsely: a photo that is upside down works, but not a face that is upside down beside an upright
        one.

        Raises PhotoError once more than ``most`` faces are found (None: any number is allowed), and ValueError for an
        array of another shape or type.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise ValueError(f"pixels must be (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
        copies = coarse_copies(pixels)
        faces = self._search(pixels, copies, only_largest, most)
        fine = fine_copies(pixels, _worth_looking_for(faces, only_largest))
        if fine:
            faces = self._confirm(pixels, self._finder.find(pixels, fine), faces, only_largest, most)
        if not any(face.score >= _UPRIGHT for face in faces):
            copies += [copy for copy in fine if max(copy.shape[:2]) <= _QUICK]
            turned = (
                self._confirm(pixels, self._finder.find(pixels, copies, quarters), [], only_largest, most)
                for quarters in (1, 2, 3)
            )
            faces = max(faces, *turned, key=lambda faces: sum(face.score for face in faces))
        return faces[:1] if only_largest else faces

    def _search(self, pixels: UInt8, copies: list[UInt8], only_largest: bool, most: int | None) -> list[Face]:
        """The faces that the `coarse_copies` of a photo (H, W, 3) show, largest first.

        The first copy is searched only where the second does not show a face that is surely one, and as a whole.
        """
        extent = pixels.shape[1], pixels.shape[0]
        found = self._finder.find(pixels, copies[1:])
        if any(_is_whole(points[:2].reshape(4), extent) for points in merge_candidates(found)):
            faces = self._confirm(pixels, found, [], only_largest, most)
            if any(face.score >= _SURE and _is_whole(face.box_photo, extent) for face in faces):
                return faces
        found = found + self._finder.find(pixels, copies[:1])
        return self._confirm(pixels, found, [], only_largest, most)

    def follow(self, pixels: UInt8, landmarks: Float32) -> Face | None:
        """The face that had ``landmarks`` (468, 2) a moment ago, in the next frame (H, W, 3) of a video.

        None if the landmark network sees none. Finds faces that moved by 0.4 of their side, not twice that.
        """
        size = float(np.ptp(landmarks, axis=0).max())
        before = landmarks
        for _ in range(_REFINEMENTS):
            found, presence = self._network.refine(pixels, before)
            if presence < self._min_presence:
                return None
            flat = np.ascontiguousarray(found[:, :2])
            moved = float(np.linalg.norm(flat.mean(0) - before.mean(0)))
            if moved < _SETTLED * size:
                break
            before = flat
        return Face(np.concatenate([flat.min(0), flat.max(0)]), presence, presence, flat)

    def _confirm(
        self,
        pixels: UInt8,
        found: list[Candidates],
        known: list[Face],
        only_largest: bool,
        most: int | None,
    ) -> list[Face]:
        """Those of the candidates that prove to be faces, and those ``known``, each once, largest first.

        Candidates that lie where a face is are not looked at; with ``only_largest``, nor those that are smaller.
        Raises PhotoError for more than ``most`` faces.
        """
        faces, candidates = list(known), list(merge_candidates(found))
        if only_largest:
            candidates.sort(key=_side, reverse=True)
        for points in candidates:
            if only_largest and any(_LARGER * _side(points) < face.size for face in faces):
                break
            if not _is_known(points, faces):
                face = self._read(pixels, points)
                faces += [] if face is None else [face]
            if most is not None and len(faces) > most:
                raise PhotoError(f"a photo of more than {most} faces is too much here; crop it")
        return drop_duplicates(faces)

    def _read(self, pixels: UInt8, points: Float32) -> Face | None:
        """The face at the points (8, 2) of a candidate, or None if the networks do not agree that it is one."""
        score, points = self._look_again(pixels, points)
        if score < self._min_score:
            return None
        landmarks, presence = self._network.read(pixels, *_square_around(points, 1.5))
        for _ in range(_REFINEMENTS):
            landmarks, presence = self._network.refine(pixels, landmarks)
            if presence < self._min_presence:
                return None
        flat = np.ascontiguousarray(landmarks[:, :2])
        if _distance(flat, points) > _ASTRAY:
            return None
        return Face(np.concatenate([flat.min(0), flat.max(0)]), score, presence, flat)

    def _look_again(self, pixels: UInt8, points: Float32) -> tuple[float, Float32]:
        """Score and points (8, 2) of a candidate (8, 2) seen upright and at one size; score 0 if nothing is there.

        The box that its first two points span leans with the face.
        """
        matrix = crop_transform(*_square_around(points, _WIDER))
        seen = self._finder.run(warp(pixels, matrix, (CROP, CROP), border=cv2.BORDER_CONSTANT))
        half = CROP / (2 * _WIDER)
        expected = np.array([CROP / 2 - half] * 2 + [CROP / 2 + half] * 2, np.float32)
        agreed = overlap(expected, seen.boxes)[0] > _AGREES
        if not agreed.any():
            return 0.0, points
        best = int(np.argmax(seen.scores * agreed))
        return float(seen.scores[best]), apply_transform(invert_transform(matrix), seen.points[best] - 0.5)


def _worth_looking_for(faces: list[Face], only_largest: bool) -> float | None:
    """The size in pixels from which on further faces are looked for, beside ``faces``; None is however small."""
    sure = [face.size for face in faces if face.score >= _UPRIGHT]
    if not sure:
        return None
    return max(sure) if only_largest else max(SMALLEST_FACE, max(sure) / _BYSTANDER)


def _is_whole(box: Float32, extent: tuple[int, int]) -> bool:
    """Whether a box (4,) lies within a photo of ``extent`` (width, height) without filling it."""
    inside = box.min() > 0 and box[2] < extent[0] and box[3] < extent[1]
    return bool(inside and (box[2:] - box[:2]).max() < _FILLS * max(extent))


def _is_known(points: Float32, faces: list[Face]) -> bool:
    """Whether a candidate (8, 2) lies where one of ``faces`` is, and is not a larger thing around it."""
    boxes = np.array([face.box_photo for face in faces], np.float32).reshape(-1, 4)
    union, within = overlap(points[:2].reshape(4), boxes)
    smaller = np.array([_side(points) < face.size for face in faces], bool)
    return bool(np.any((union > _SAME_PLACE) | ((within > _WITHIN) & smaller)))


def drop_duplicates(faces: list[Face]) -> list[Face]:
    """The faces, largest first, without those that are another face seen again, or a part of one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.size):
        boxes = np.array([other.box_photo for other in kept], np.float32).reshape(-1, 4)
        union, within = overlap(face.box_photo, boxes)
        if not np.any((union > _SAME_FACE) | (within > _WITHIN)):
            kept.append(face)
    return kept


def _square_around(points: Float32, times: float) -> tuple[tuple[float, float], float, float]:
    """Centre, side and roll of the square ``times`` as large as the box of a candidate (8, 2)."""
    (x, y), (right, left) = points[:2].mean(0), points[2:4]
    roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    return (float(x), float(y)), times * _side(points), roll


def _side(points: Float32) -> float:
    return float(np.linalg.norm(points[1] - points[0]) / np.sqrt(2))  # the detector's boxes are square


def _distance(landmarks: Float32, points: Float32) -> float:
    """Mean distance of eyes, nose and mouth of landmarks (468, 2) from those of a candidate (8, 2), in box sides."""
    groups = [[33, 133], [362, 263], [1], [13, 14]]
    ours = np.stack([landmarks[group].mean(0) for group in groups])
    return float(np.linalg.norm(ours - points[2:6], axis=1).mean()) / _side(points)
