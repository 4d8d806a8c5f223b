"""The faces of a photo: where they are and their 468 landmarks, whatever their size, place or roll.

A BlazeFace detector (Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
2019) looks at the photo at several sizes. Each candidate must then convince twice more: the detector itself,
in a second look at the face alone, upright and of a comfortable size, and the landmark network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float32, UInt8
from reage.assets import asset
from reage.face.alignment import apply_transform, invert_transform, warp
from reage.face.landmarks import CROP, LandmarkNetwork, square_transform
from reage.onnx_session import open_session

_SIDES = (256, 512)
"""Longer sides of the reduced pictures to search: the coarsest, and the finest unless the photo is large."""
_REDUCTION = 3
"""The detector finds faces of about 13 px: reduced by no more than this, a face of 40 px is seen."""
_LARGEST_SIDE = 4096
"""No finer pass than this, whatever the photo: it alone takes seconds."""
_BORDERED = 128
"""Longer side in the pass with a border half as wide, for faces that fill the frame or are cut by it."""
_SMALLEST_BOX, _LARGEST_BOX = 10.0, 100.0
"""Sides of boxes to believe, in pixels of a reduced picture. Boxes of more than about 130 px often cover part
of a face, which a coarser pass shows whole; the coarsest passes have no upper limit."""
_TILE, _OVERLAP = 1024, 128
"""Larger pictures are searched in tiles, which bounds memory; the overlap holds the largest believed box."""
_STRIDE = 32
"""The detector takes sides that are multiples of this."""
_CANDIDATE = 0.3
"""Score that earns a second look. Small faces score low at first, like many things that are no face."""
_SAME_BOX = 0.3
"""Candidates whose intersection over union is more than this are one."""
_WIDER = 3.0
"""Side of the crop of the second look, in sides of the candidate's box."""
_AGREES = 0.2
"""Intersection over union of the candidate with what the second look finds in its place, at least."""
_ASTRAY = 0.12
"""Mean distance of the landmarks' eyes, nose and mouth from the detector's, in sides of its box, at most."""
_UPRIGHT = 0.8
"""A face read upside down scores less than this at its second look, one read rightly mostly more."""
_REFINEMENTS = 3
"""Readings of the landmarks, each in the crop that the one before suggests, after the first. From a poor box, one,
two and three of them left a mean error of 1.9, 1.1 and 0.7 % of the eye distance."""
_SETTLED = 0.1
"""A face that moved by less than this part of its side needs no second reading of its landmarks."""
_SAME_FACE, _WITHIN = 0.4, 0.6
"""Of two sets of landmarks whose boxes overlap more than this, or of which one lies within the other by more
than this part of its area, one is kept."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo. Coordinates are ``(x, y)`` pixels of the photo and may lie outside its frame.

    ``box_photo`` (4,) is x0, y0, x1, y1 of the landmarks; ``score`` is the detector's probability of a face,
    at its second look; ``presence`` is the landmark network's; ``landmarks_photo`` (468, 2) has the indices
    of MediaPipe Face Mesh.
    """

    box_photo: Float32
    score: float
    presence: float
    landmarks_photo: Float32

    @property
    def size(self) -> float:
        """The longer side of the box in pixels of the photo."""
        return float((self.box_photo[2:] - self.box_photo[:2]).max())

    def moved(self, transform: Float32) -> Face:
        """The same face in the photo seen through ``transform`` (2, 3)."""
        box = apply_transform(transform, self.box_photo.reshape(2, 2)).reshape(4)
        return replace(self, box_photo=box, landmarks_photo=apply_transform(transform, self.landmarks_photo))


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Detections: ``points`` (n, 8, 2) are corners x0, y0 and x1, y1 and six keypoints; ``scores`` (n,)."""

    points: Float32
    scores: Float32

    @property
    def boxes(self) -> Float32:
        """(n, 4) x0, y0, x1, y1."""
        return self.points[:, :2].reshape(-1, 4)

    def __getitem__(self, chosen: Bool | npt.NDArray[np.intp]) -> _Candidates:
        return _Candidates(self.points[chosen], self.scores[chosen])

    def moved(self, scale: tuple[float, float], shift: tuple[float, float]) -> _Candidates:
        """The same in a frame whose coordinates are ``scale`` times these plus ``shift``."""
        points = self.points * np.array(scale, np.float32) + np.array(shift, np.float32)
        return _Candidates(points, self.scores)

    def turned_back(self, quarters: int, width: int, height: int) -> _Candidates:
        """The same in a picture of ``width`` x ``height``, when seen in its ``np.rot90(.., quarters)``."""
        x, y = self.points[..., 0], self.points[..., 1]
        back = [(x, y), (width - y, x), (width - x, height - y), (y, height - x)][quarters % 4]
        points = np.stack(back, -1)
        points[:, :2] = np.sort(points[:, :2], axis=1)  # x0 < x1 and y0 < y1 again
        return _Candidates(points, self.scores)


class FaceDetector:
    """Finds faces of 40 px and more in photos up to 12000 px long, and smaller ones in small photos.

    ``min_score`` and ``min_presence`` are the least probabilities to believe, of the detector and of the
    landmark network; ``threads`` limits the threads of either.
    """

    def __init__(
        self, *, min_score: float = 0.5, min_presence: float = 0.5, threads: int | None = None
    ) -> None:
        self._session = open_session(asset("face_detector.onnx"), threads=threads)
        self._network = LandmarkNetwork(threads=threads)
        self._candidate = min(_CANDIDATE, min_score)
        self._min_score = min_score
        self._min_presence = min_presence

    def detect(self, pixels: UInt8) -> list[Face]:
        """The faces of a photo (H, W, 3), sRGB ``uint8``, largest first; an empty list when there is none.

        Faces may lean by 90 degrees. A photo in which none looks sure is also searched turned by quarters,
        coarsely: one that is upside down works, but not a face that is upside down beside an upright one.
        Raises ValueError for another shape or type.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise ValueError(f"pixels must be (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
        pictures = _reduce(pixels, search_sides(max(pixels.shape[:2])))
        faces = self._confirm(pixels, self._search(pixels, pictures))
        if any(face.score >= _UPRIGHT for face in faces):
            return faces
        coarse = [picture for picture in pictures if max(picture.shape[:2]) <= _SIDES[-1]]
        turned = (self._confirm(pixels, self._search(pixels, coarse, quarters)) for quarters in (1, 2, 3))
        return max(faces, *turned, key=lambda faces: sum(face.score for face in faces))

    def follow(self, pixels: UInt8, landmarks: Float32) -> Face | None:
        """The face that had ``landmarks`` (468, 2) a moment ago, in the next frame (H, W, 3) of a video.

        None where the landmark network sees none. Finds faces that moved by 0.4 of their side, not twice that.
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

    def _search(self, pixels: UInt8, pictures: list[UInt8], quarters: int = 0) -> _Candidates:
        """Candidates in the photo frame from reduced pictures, each turned by ``quarters`` of a circle."""
        found = []
        for picture in pictures:
            height, width = picture.shape[:2]
            turned = np.ascontiguousarray(np.rot90(picture, quarters))
            coarsest = max(height, width) <= _SIDES[0]
            border = _BORDERED // 2 if max(height, width) <= _BORDERED else 0
            seen = self._look(turned, border, np.inf if coarsest else _LARGEST_BOX)
            seen = seen.turned_back(quarters, width, height)
            # The detector counts from the edge of the first pixel, the photo frame from its centre.
            scale = (pixels.shape[1] / width, pixels.shape[0] / height)
            found.append(seen.moved(scale, (-0.5, -0.5)))
        return _join(found)

    def _look(self, picture: UInt8, border: int, largest: float) -> _Candidates:
        """Candidates in one picture (h, w, 3), in its pixels, tile by tile if it is large."""
        found = []
        for x, y, tile in _tiles(picture):
            seen = self._run(tile, border)
            boxes = seen.boxes
            sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
            keep = (sides >= _SMALLEST_BOX) & (sides <= largest) & ~_cut(boxes, x, y, tile, picture)
            found.append(seen[keep].moved((1, 1), (x, y)))
        return _join(found)

    def _run(self, tile: UInt8, border: int) -> _Candidates:
        """What the network finds in one tile (h, w, 3), in its pixels; around it, the network sees black."""
        height, width = tile.shape[:2]
        rows, columns = (-(-(side + 2 * border) // _STRIDE) * _STRIDE for side in (height, width))
        batch = np.zeros((1, 3, rows, columns), np.float32)
        batch[0, :, border : border + height, border : border + width] = tile.transpose(2, 0, 1)
        wanted = ["boxes", "scores", "keypoints"]
        boxes, scores, keypoints = (out[0] for out in self._session.run(wanted, {"image": batch}))
        keep = scores >= self._candidate
        points = np.concatenate([boxes[keep].reshape(-1, 2, 2), keypoints[keep]], 1)
        return _Candidates(points - np.float32(border), scores[keep])

    def _confirm(self, pixels: UInt8, candidates: _Candidates) -> list[Face]:
        """The candidates that prove to be faces, each once, largest first."""
        faces = [self._read(pixels, points) for points in merge_candidates(candidates)]
        return drop_duplicates([face for face in faces if face is not None])

    def _read(self, pixels: UInt8, points: Float32) -> Face | None:
        """The face at a candidate's points (8, 2), or None if the networks do not agree that it is one."""
        score, points = self._look_again(pixels, points)
        if score < self._min_score:
            return None
        landmarks, presence = self._network.read(pixels, *_square(points, 1.5))
        for _ in range(_REFINEMENTS):
            landmarks, presence = self._network.refine(pixels, landmarks)
            if presence < self._min_presence:
                return None
        flat = np.ascontiguousarray(landmarks[:, :2])
        if _distance(flat, points) > _ASTRAY:
            return None
        return Face(np.concatenate([flat.min(0), flat.max(0)]), score, presence, flat)

    def _look_again(self, pixels: UInt8, points: Float32) -> tuple[float, Float32]:
        """Score and points (8, 2) of a candidate (8, 2) seen upright and at one size; 0 if nothing is there.

        The corners come back as those of a box that leans with the face.
        """
        matrix = square_transform(*_square(points, _WIDER))
        crop = warp(pixels, matrix, (CROP, CROP), border=cv2.BORDER_CONSTANT)
        seen = self._run(crop, 0)
        half = CROP / (2 * _WIDER)
        expected = np.array([CROP / 2 - half] * 2 + [CROP / 2 + half] * 2, np.float32)
        agreed = overlap(expected, seen.boxes)[0] > _AGREES
        if not agreed.any():
            return 0.0, points
        best = int(np.argmax(seen.scores * agreed))
        return float(seen.scores[best]), apply_transform(invert_transform(matrix), seen.points[best] - 0.5)


def _square(points: Float32, times: float) -> tuple[tuple[float, float], float, float]:
    """Centre, side and roll of the square ``times`` as large as the box of a candidate (8, 2)."""
    (x, y), (right, left) = points[:2].mean(0), points[2:4]
    roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    return (float(x), float(y)), times * _side(points), roll


def _side(points: Float32) -> float:
    return float(np.linalg.norm(points[1] - points[0]) / np.sqrt(2))  # the detector's boxes are square


def _distance(landmarks: Float32, points: Float32) -> float:
    """Mean distance of eyes, nose and mouth in landmarks (468, 2) from a candidate's (8, 2), in box sides."""
    groups = [[33, 133], [362, 263], [1], [13, 14]]
    ours = np.stack([landmarks[group].mean(0) for group in groups])
    return float(np.linalg.norm(ours - points[2:6], axis=1).mean()) / _side(points)


def search_sides(longer_side: int) -> list[int]:
    """The longer sides to search a photo at, ascending: fine enough for faces of 40 px, if feasible."""
    finest = max(-(-longer_side // _REDUCTION), min(longer_side, _SIDES[1]))
    finest = min(finest, _LARGEST_SIDE)
    sides = [_BORDERED, _SIDES[0]]
    while sides[-1] < finest:
        sides.append(min(2 * sides[-1], finest))
    return sides


def overlap(box: Float32, others: Float32) -> tuple[Float32, Float32]:
    """Intersection over union of a box (4,) with each of ``others`` (n, 4), and intersection over the smaller."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.maximum(sides, 0).prod(1)
    area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(1)
    union, smaller = area + areas - common, np.minimum(area, areas)
    return common / np.maximum(union, 1e-6), common / np.maximum(smaller, 1e-6)


def merge_candidates(candidates: _Candidates) -> Float32:
    """Non-maximum suppression: the points (n, 8, 2) of overlapping candidates, averaged by score.

    The average, as in BlazeFace, moves less than the best box when the photo changes a little.
    """
    merged = []
    left = candidates[np.argsort(-candidates.scores, kind="stable")]
    while len(left.scores):
        boxes = left.boxes
        same = overlap(boxes[0], boxes)[0] > _SAME_BOX
        same[0] = True  # even if its box is empty
        weights = left.scores[same, None, None]
        merged.append((left.points[same] * weights).sum(0) / weights.sum())
        left = left[~same]
    return np.array(merged, np.float32).reshape(-1, 8, 2)


def drop_duplicates(faces: list[Face]) -> list[Face]:
    """The faces, largest first, without those that are another, or a part of another, seen again."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.size):
        boxes = np.array([other.box_photo for other in kept], np.float32).reshape(-1, 4)
        union, within = overlap(face.box_photo, boxes)
        if not np.any((union > _SAME_FACE) | (within > _WITHIN)):
            kept.append(face)
    return kept


def _reduce(pixels: UInt8, sides: list[int]) -> list[UInt8]:
    """The photo at each longer side of ``sides`` (ascending), each reduced from the next larger one."""
    pictures: list[UInt8] = []
    current = pixels
    for side in reversed(sides):
        scale = side / max(pixels.shape[:2])
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        source = current if max(current.shape[:2]) >= side else pixels
        current = cv2.resize(source, size, interpolation=how)
        pictures.insert(0, current)
    return pictures


def _tiles(picture: UInt8) -> Iterator[tuple[int, int, UInt8]]:
    """Corner x, y and pixels of overlapping tiles that cover a picture."""
    height, width = picture.shape[:2]
    for y in _starts(height):
        for x in _starts(width):
            yield x, y, picture[y : y + _TILE, x : x + _TILE]


def _starts(length: int) -> list[int]:
    if length <= _TILE:
        return [0]
    count = -(-(length - _OVERLAP) // (_TILE - _OVERLAP))
    return [round(i * (length - _TILE) / (count - 1)) for i in range(count)]


def _cut(boxes: Float32, x: int, y: int, tile: UInt8, picture: UInt8) -> Bool:
    """Which boxes (n, 4) of a tile at ``x``, ``y`` reach a seam: the neighbour shows the whole face."""
    right, bottom = tile.shape[1], tile.shape[0]
    cut = np.zeros(len(boxes), bool)
    cut |= (boxes[:, 0] < 2) & (x > 0)
    cut |= (boxes[:, 1] < 2) & (y > 0)
    cut |= (boxes[:, 2] > right - 2) & (x + right < picture.shape[1])
    cut |= (boxes[:, 3] > bottom - 2) & (y + bottom < picture.shape[0])
    return cut


def _join(parts: list[_Candidates]) -> _Candidates:
    return _Candidates(np.concatenate([p.points for p in parts]), np.concatenate([p.scores for p in parts]))
