"""Candidates for faces: the output of the detector network on the photo at several sizes.

A BlazeFace detector (Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019) looks
at reduced copies of the photo, large ones tile by tile. `reage.face.detection` checks what it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float32, UInt8
from reage.devices import Device
from reage.onnx_session import shipped_session

_COARSE, _FINE = 256, 512
"""Longer sides of the coarser copy to search in any case, and of the finest one of a small photo."""
SMALLEST_FACE, _SMALL_FACE = 40, 32
"""Faces of the first size in pixels are found in any photo that is not huge; of the second, mostly, in photos that have
no larger one."""
_VISIBLE = 40 / 3
"""The detector finds faces of so many pixels: a copy that is to show a face must not make it smaller."""
_STEP = 3.0
"""Each copy is so many times as large as the next coarser one, or less."""
_LARGEST_SIDE = 4096
"""The longer side of the finest copy, whatever the photo; searching it takes seconds."""
_BORDERED = 128
"""Longer side of a copy that is searched with a border half as wide, for faces that fill the frame or are cut by it."""
_SMALLEST_BOX, _LARGEST_BOX = 10.0, 100.0
"""Sides of boxes to believe, in pixels of a reduced copy. Boxes of more than about 130 px often cover a part of a
face, which a coarser copy shows whole; in the coarsest copies there is no upper limit."""
_TILE, _OVERLAP = 1024, 128
"""Larger copies are searched in tiles, which limits memory; the overlap holds the largest box that is believed."""
_STRIDE = 32
"""The detector takes sides that are multiples of this."""
_SAME_BOX = 0.3
"""Candidates whose intersection over union is more than this are one."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Places where a face may be.

    ``points`` (n, 8, 2) are for each place the corners x0, y0 and x1, y1 of a box, then right eye, left eye, nose,
    mouth and the two ears; ``scores`` (n,) are probabilities.
    """

    points: Float32
    scores: Float32

    @property
    def boxes(self) -> Float32:
        """The boxes (n, 4) as x0, y0, x1, y1."""
        return self.points[:, :2].reshape(-1, 4)

    def __getitem__(self, chosen: Bool | npt.NDArray[np.intp]) -> Candidates:
        return Candidates(self.points[chosen], self.scores[chosen])

    def moved(self, scale: tuple[float, float], shift: tuple[float, float]) -> Candidates:
        """The same in a frame whose coordinates are ``scale`` times these plus ``shift``."""
        points = self.points * np.array(scale, np.float32) + np.array(shift, np.float32)
        return Candidates(points, self.scores)

    def turned_back(self, quarters: int, width: int, height: int) -> Candidates:
        """The same in a picture of ``width`` x ``height`` pixels, which was turned by ``np.rot90(.., quarters)``."""
        x, y = self.points[..., 0], self.points[..., 1]
        back = [(x, y), (width - y, x), (width - x, height - y), (y, height - x)][quarters % 4]
        points = np.stack(back, -1)
        points[:, :2] = np.sort(points[:, :2], axis=1)  # x0 < x1 and y0 < y1 again
        return Candidates(points, self.scores)


class CandidateFinder:
    """Finds candidates that score at least ``min_score``.

    ``threads`` limits the threads of the network, which is computed on ``device``, as `open_session` says.
    """

    def __init__(self, *, min_score: float, threads: int | None = None, device: Device | None = None) -> None:
        self._session = shipped_session("face_detector.onnx", threads, device)
        self._min_score = min_score

    def load(self) -> None:
        """Open the network now, not on first use."""
        self._session.load()

    def find(self, pixels: UInt8, copies: list[UInt8], quarters: int = 0) -> list[Candidates]:
        """What is found in each of ``copies``, in pixels of the photo (H, W, 3) of which they are copies.

        Each is turned by ``quarters`` of a circle before it is searched. `merge_candidates` makes one of what is found
        several times.
        """
        found = []
        for copy in copies:
            height, width = copy.shape[:2]
            turned = np.ascontiguousarray(np.rot90(copy, quarters))
            coarsest = max(height, width) <= _COARSE
            border = _BORDERED // 2 if max(height, width) <= _BORDERED else 0
            seen = self._search(turned, border, np.inf if coarsest else _LARGEST_BOX)
            seen = seen.turned_back(quarters, width, height)
            # The detector counts from the edge of the first pixel, the photo frame from its centre.
            scale = (pixels.shape[1] / width, pixels.shape[0] / height)
            found.append(seen.moved(scale, (-0.5, -0.5)))
        return found

    def _search(self, picture: UInt8, border: int, largest: float) -> Candidates:
        """Candidates in one picture (h, w, 3), in its pixels, tile by tile if it is large."""
        found = []
        for x, y, tile in _tiles(picture):
            seen = self.run(tile, border)
            boxes = seen.boxes
            sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
            keep = (sides >= _SMALLEST_BOX) & (sides <= largest) & ~_cut_by_tile(boxes, x, y, tile, picture)
            found.append(seen[keep].moved((1, 1), (x, y)))
        return _joined(found)

    def run(self, picture: UInt8, border: int = 0) -> Candidates:
        """What the network finds in a picture (h, w, 3), in its pixels; it sees ``border`` black pixels around it."""
        height, width = picture.shape[:2]
        rows, columns = (-(-(side + 2 * border) // _STRIDE) * _STRIDE for side in (height, width))
        batch = np.zeros((1, 3, rows, columns), np.float32)
        batch[0, :, border : border + height, border : border + width] = picture.transpose(2, 0, 1)
        outputs = ["boxes", "scores", "keypoints"]
        boxes, scores, keypoints = (out[0] for out in self._session.run(outputs, {"image": batch}))
        keep = scores >= self._min_score
        points = np.concatenate([boxes[keep].reshape(-1, 2, 2), keypoints[keep]], 1)
        return Candidates(points - np.float32(border), scores[keep])


def coarse_copies(pixels: UInt8) -> list[UInt8]:
    """A photo (H, W, 3) at two sizes that are quickly searched and show all but small faces.

    The first, which is the smaller one, is for faces that fill the frame of the photo or are cut by it.
    """
    return reduced_copies(pixels, [_BORDERED, _COARSE])


def fine_copies(pixels: UInt8, smallest: float | None) -> list[UInt8]:
    """The further copies to search for faces of ``smallest`` pixels and more, as `fine_sides` says."""
    return reduced_copies(pixels, fine_sides(max(pixels.shape[:2]), smallest))


def fine_sides(longer_side: int, smallest: float | None) -> list[int]:
    """The longer sides in pixels, ascending, of the copies that show small faces; they may be none.

    Args:
        longer_side: that of the photo.
        smallest: the size of a face, in pixels of the photo, from which on it is looked for; None looks for all that
            may be found, which are those of `SMALLEST_FACE` pixels and, in small photos, smaller ones.
    """
    finest = -(-longer_side * _VISIBLE // (smallest or _SMALL_FACE))
    if smallest is None:
        finest = max(finest, min(longer_side, _FINE))
    side = float(min(finest, _LARGEST_SIDE))
    sides: list[int] = []
    while side > _COARSE:
        sides.insert(0, round(side))
        side /= _STEP
    return sides


def reduced_copies(pixels: UInt8, sides: list[int]) -> list[UInt8]:
    """A photo (H, W, 3) at each of ``sides``, ascending longer sides in pixels, each reduced from the next larger."""
    copies: list[UInt8] = []
    current = pixels
    for side in reversed(sides):
        scale = side / max(pixels.shape[:2])
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        source = current if max(current.shape[:2]) >= side else pixels
        current = cv2.resize(source, size, interpolation=interpolation)
        copies.insert(0, current)
    return copies


def overlap(box: Float32, others: Float32) -> tuple[Float32, Float32]:
    """Intersection over union of a box (4,) with each of ``others`` (n, 4), and intersection over the smaller box."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.maximum(sides, 0).prod(1)
    area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(1)
    union, smaller = area + areas - common, np.minimum(area, areas)
    return common / np.maximum(union, 1e-6), common / np.maximum(smaller, 1e-6)


def merge_candidates(found: list[Candidates]) -> Float32:
    """Non-maximum suppression: the points (n, 8, 2) of overlapping candidates, averaged by score, the best first.

    The average, as in BlazeFace, moves less than the best box when the photo changes a little.
    """
    merged, candidates = [], _joined(found)
    left = candidates[np.argsort(-candidates.scores, kind="stable")]
    while len(left.scores):
        boxes = left.boxes
        same = overlap(boxes[0], boxes)[0] > _SAME_BOX
        same[0] = True  # even if its box is empty
        weights = left.scores[same, None, None]
        merged.append((left.points[same] * weights).sum(0) / weights.sum())
        left = left[~same]
    return np.array(merged, np.float32).reshape(-1, 8, 2)


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


def _cut_by_tile(boxes: Float32, x: int, y: int, tile: UInt8, picture: UInt8) -> Bool:
    """Which boxes (n, 4) of a tile at ``x``, ``y`` reach an edge inside the picture; the next tile shows them whole."""
    right, bottom = tile.shape[1], tile.shape[0]
    cut = np.zeros(len(boxes), bool)
    cut |= (boxes[:, 0] < 2) & (x > 0)
    cut |= (boxes[:, 1] < 2) & (y > 0)
    cut |= (boxes[:, 2] > right - 2) & (x + right < picture.shape[1])
    cut |= (boxes[:, 3] > bottom - 2) & (y + bottom < picture.shape[0])
    return cut


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(np.concatenate([p.points for p in parts]), np.concatenate([p.scores for p in parts]))
