"""The faces of a photo: where they are and their 468 landmarks, whatever their size, place or roll.

A BlazeFace detector (Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
2019) looks at the photo at several sizes; the landmark network then confirms or rejects each candidate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reage.assets import asset
from reage.photo.alignment import Float
from reage.photo.landmarks import LandmarkNetwork
from reage.photo.onnx_session import open_session

Bytes = npt.NDArray[np.uint8]

_SIDES = (256, 512)
"""Longer sides of the reduced pictures that every photo is searched at."""
_REDUCTION = 3
"""The detector finds faces of about 13 px: reduced by no more than this, a face of 40 px is seen."""
_LARGEST_SIDE = 4096
"""No finer pass than this, whatever the photo: it alone takes seconds."""
_BORDERED = 128
"""Longer side in the pass with a border of half as much all around, for faces cut by the frame or filling it."""
_SMALLEST_BOX, _LARGEST_BOX = 10.0, 100.0
"""Sides of boxes to believe, in pixels of a reduced picture. Above, boxes cover parts of a face, and a coarser
pass shows the whole of it; the coarsest passes have no upper limit."""
_TILE, _OVERLAP = 1024, 128
"""Larger pictures are searched in tiles, which bounds memory; the overlap holds the largest believed box."""
_STRIDE = 32
"""The detector takes sides that are multiples of this."""
_SAME_BOX = 0.3
"""Candidates whose intersection over union is more than this are one."""
_SAME_FACE, _WITHIN = 0.4, 0.6
"""Of two sets of landmarks whose boxes overlap more than this, or of which one lies within the other by more
than this part of its area, one is kept."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo. Coordinates are ``(x, y)`` pixels of the photo and may lie outside its frame.

    ``box_photo`` (4,) is x0, y0, x1, y1 of the landmarks; ``score`` the detector's probability of a face;
    ``presence`` the landmark network's; ``landmarks_photo`` (468, 2) has the indices of MediaPipe Face Mesh.
    """

    box_photo: Float
    score: float
    presence: float
    landmarks_photo: Float

    @property
    def size(self) -> float:
        """The longer side of the box in pixels of the photo."""
        return float((self.box_photo[2:] - self.box_photo[:2]).max())


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Detections: ``points`` (n, 4, 2) are two opposite corners, right eye, left eye; ``scores`` is (n,)."""

    points: Float
    scores: Float

    @property
    def boxes(self) -> Float:
        """(n, 4) x0, y0, x1, y1."""
        return np.concatenate([self.points[:, :2].min(1), self.points[:, :2].max(1)], 1)

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> _Candidates:
        return _Candidates(self.points[chosen], self.scores[chosen])

    def moved(self, scale: tuple[float, float], shift: tuple[float, float]) -> _Candidates:
        """The same in a frame whose coordinates are ``scale`` times these plus ``shift``."""
        return _Candidates((self.points * np.float32(scale) + np.float32(shift)).astype(np.float32), self.scores)

    def turned_back(self, quarters: int, width: int, height: int) -> _Candidates:
        """In the picture of ``width`` x ``height``, when these were seen in its ``np.rot90(..., quarters)``."""
        x, y = self.points[..., 0], self.points[..., 1]
        back = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters % 4]
        return _Candidates(np.stack(back, -1), self.scores)


class FaceDetector:
    """Finds faces of 40 px and more in photos of any size, and smaller ones in small photos.

    ``min_score`` and ``min_presence`` are the least probabilities to believe, of the detector and of the
    landmark network; ``threads`` limits the threads of either.
    """

    def __init__(
        self, *, min_score: float = 0.5, min_presence: float = 0.5, threads: int | None = None
    ) -> None:
        self._session = open_session(asset("face_detector.onnx"), threads=threads)
        self._network = LandmarkNetwork(threads=threads)
        self._min_score = min_score
        self._min_presence = min_presence

    def detect(self, pixels: Bytes) -> list[Face]:
        """The faces of a photo (H, W, 3), sRGB ``uint8``, largest first; an empty list when there is none.

        Faces may lean by 45 degrees or more. A photo without any is searched again turned by quarters, so a
        photo lying on its side works, but not a lying face beside an upright one.
        Raises ValueError for another shape or type.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise ValueError(f"pixels must be (H, W, 3) uint8 and not empty, not {pixels.shape} {pixels.dtype}")
        pictures = _reduce(pixels, search_sides(max(pixels.shape[:2])))
        faces = self._confirm(pixels, self._search(pixels, pictures))
        if not faces:
            coarse = [picture for picture in pictures if max(picture.shape[:2]) <= _SIDES[-1]]
            faces = self._confirm(pixels, *(self._search(pixels, coarse, turn) for turn in (1, 2, 3)))
        return sorted(faces, key=lambda face: -face.size)

    def _search(self, pixels: Bytes, pictures: list[Bytes], quarters: int = 0) -> _Candidates:
        """Candidates in the photo frame from reduced pictures, coarsest first, each turned by ``quarters``."""
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

    def _look(self, picture: Bytes, border: int, largest: float) -> _Candidates:
        """Candidates in one picture (h, w, 3), in its pixels, tile by tile if it is large."""
        found = []
        for x, y, tile in _tiles(picture):
            seen = self._run(tile, border)
            boxes = seen.boxes
            sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
            keep = (sides >= _SMALLEST_BOX) & (sides <= largest) & ~_cut(boxes, x, y, tile, picture)
            found.append(seen[keep].moved((1, 1), (x, y)))
        return _join(found)

    def _run(self, tile: Bytes, border: int) -> _Candidates:
        """What the network finds in one tile (h, w, 3), in its pixels; around it, the network sees black."""
        height, width = tile.shape[:2]
        rows, columns = (-(-(side + 2 * border) // _STRIDE) * _STRIDE for side in (height, width))
        batch = np.zeros((1, 3, rows, columns), np.float32)
        batch[0, :, border : border + height, border : border + width] = tile.transpose(2, 0, 1)
        wanted = ["boxes", "scores", "keypoints"]
        boxes, scores, keypoints = (out[0] for out in self._session.run(wanted, {"image": batch}))
        keep = scores >= self._min_score
        points = np.concatenate([boxes[keep].reshape(-1, 2, 2), keypoints[keep, :2]], 1)
        return _Candidates(points - np.float32(border), scores[keep])

    def _confirm(self, pixels: Bytes, *searches: _Candidates) -> list[Face]:
        """The candidates in which the landmark network sees a face, each face once."""
        merged = merge_candidates(_join(list(searches)))
        faces = [self._read(pixels, points, float(score)) for points, score in zip(*merged, strict=True)]
        return drop_duplicates([face for face in faces if face.presence >= self._min_presence])

    def _read(self, pixels: Bytes, points: Float, score: float) -> Face:
        """The face at a candidate's points (4, 2). The second reading counts: its crop is the better one."""
        corners, (right, left) = points[:2], points[2:]
        x, y = corners.mean(0)
        side = 1.5 * float(np.ptp(corners, axis=0).max())
        roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
        first, _ = self._network.read(pixels, (float(x), float(y)), side, roll)
        landmarks, presence = self._network.refine(pixels, first)
        flat = np.ascontiguousarray(landmarks[:, :2])
        return Face(np.concatenate([flat.min(0), flat.max(0)]), score, presence, flat)


def search_sides(longer_side: int) -> list[int]:
    """The longer sides to search a photo at, ascending: fine enough for faces of 40 px, if feasible."""
    finest = min(-(-longer_side // _REDUCTION), _LARGEST_SIDE)
    sides = [_BORDERED, *_SIDES]
    while sides[-1] < finest:
        sides.append(min(2 * sides[-1], finest))
    return sides


def overlap(a: Float, b: Float) -> tuple[float, float]:
    """Intersection over union of two boxes (4,), and intersection over the smaller area."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    areas = float(np.prod(a[2:] - a[:2])), float(np.prod(b[2:] - b[:2]))
    return common / max(sum(areas) - common, 1e-6), common / max(min(areas), 1e-6)


def merge_candidates(candidates: _Candidates) -> tuple[Float, Float]:
    """Non-maximum suppression: points (n, 4, 2) averaged by score over overlapping candidates, best scores (n,).

    The average, as in BlazeFace, moves less than the best box when the photo changes a little.
    """
    points, scores = [], []
    left = candidates[np.argsort(-candidates.scores, kind="stable")]
    while len(left.scores):
        boxes = left.boxes
        same = np.array([overlap(boxes[0], box)[0] > _SAME_BOX for box in boxes])
        same[0] = True  # even if its box is empty
        weights = left.scores[same, None, None]
        points.append((left.points[same] * weights).sum(0) / weights.sum())
        scores.append(left.scores[0])
        left = left[~same]
    return np.array(points, np.float32).reshape(-1, 4, 2), np.array(scores, np.float32)


def drop_duplicates(faces: list[Face]) -> list[Face]:
    """The faces of which none is another, or a part of another, seen again; the surer one stays."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score * face.presence):
        overlaps = [overlap(face.box_photo, other.box_photo) for other in kept]
        if not any(union > _SAME_FACE or within > _WITHIN for union, within in overlaps):
            kept.append(face)
    return kept


def _reduce(pixels: Bytes, sides: list[int]) -> list[Bytes]:
    """The photo at each longer side of ``sides`` (ascending), each reduced from the next larger one."""
    pictures: list[Bytes] = []
    current = pixels
    for side in reversed(sides):
        scale = side / max(pixels.shape[:2])
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        source = current if max(current.shape[:2]) >= side else pixels
        current = cv2.resize(source, size, interpolation=how)
        pictures.insert(0, current)
    return pictures


def _tiles(picture: Bytes) -> Iterator[tuple[int, int, Bytes]]:
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


def _cut(boxes: Float, x: int, y: int, tile: Bytes, picture: Bytes) -> npt.NDArray[np.bool_]:
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
