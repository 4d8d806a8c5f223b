"""One face of a photo seen from near, so that a small face in a large photo shows what is changed of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reage.arrays import Bool
from reage.face.framing import head_box
from reage.reager import Sitting

_AROUND = 1.4
"""Side of the picture, in sides of the square around the head."""


@dataclass(frozen=True)
class CloseUp:
    """The part of a photo around one face, reduced for the screen."""

    face: int
    """Index of the face."""
    sitting: Sitting
    """That part of the photo, with all of the photo's faces."""
    whole: frozenset[int]
    """Indices of the faces that are in it completely."""
    touched: frozenset[int]
    """Indices of these and of the faces that are in it partly."""
    before: Path
    """Where the part as it is can be found: a JPEG file."""


def frame_face(sitting: Sitting, index: int, side: int, before: Path) -> CloseUp:
    """The part around face ``index``, its sides at most ``side`` pixels; ``before`` is for whoever writes that file."""
    face = sitting.faces[index]
    part = sitting.cropped(head_box(face.face.landmarks_photo, sitting.photo.pixels.shape, around=_AROUND))
    x0, y0, x1, y1 = np.array([other.box for other in part.faces]).T
    width, height = part.photo.width, part.photo.height
    whole = (x0 >= 0) & (y0 >= 0) & (x1 <= width) & (y1 <= height)
    whole[index] = True  # though the photo itself may cut it
    touched = whole | ((x1 > 0) & (y1 > 0) & (x0 < width) & (y0 < height))
    return CloseUp(index, part.reduced(side), _indices(whole), _indices(touched), before)


def _indices(chosen: Bool) -> frozenset[int]:
    return frozenset(int(index) for index in np.flatnonzero(chosen))
