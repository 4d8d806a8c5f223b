"""Extends an edit to the hair and neck beyond the aligned frame of the face.

A network sees, and edits, hair and neck as far as its aligned frame and the mask of the head reach. What it does to the
broad colours of the hair there is measured, and done to all of the hair; so it is with the skin of the neck. The whole
change is

    mask * skin * edit + hair * change of hair + neck * (1 - mask) * change of neck

with ``mask`` that of the face's own edit, and ``skin``, ``hair`` and ``neck`` mattes at the photo's resolution. Hair
and skin meet strand by strand, and the edit ends where the person ends: nothing of it is left on the background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32
from reage.edit.colour_transfer import Part, enlarged, hair_edit, neck_edit, to_luma, to_rgb, without_strands
from reage.edit.compositing import AlignedFace, Edit
from reage.edit.hair import find_hair
from reage.edit.head import BORDER, SIDE, Head, Places, cut_head, places
from reage.edit.head_colours import SMALL, read_colours
from reage.edit.masks import rise
from reage.edit.matte import Matte, fit_matte, tell_apart
from reage.edit.neck import find_neck
from reage.face.alignment import compose, invert_transform, rescale_points, resizing, transform_scale, warp
from reage.face.person import PersonNetwork

_FAINT = 0.1
"""A mask that is nowhere more certain than this is none."""
_SURE = (0.3, 0.8)
"""Where the matte of hair says less than the first, nothing follows, since skin beside dark hair would turn grey, too;
where it says more than the second, all does."""
_CERTAIN = (0.0, 0.2)
"""Inside the outline of the face, from the first distance to the second, in eye distances, it becomes certain that this
is the person, whatever the network says of glasses or hands."""
_STRANDS = 0.15
"""Blur over which the colours of hair and of skin beside it are averaged, in eye distances."""
_OUTLINE = 0.11
"""The same of hair and of the background: less, since light strands may have its colour."""
_BESIDE_HAIR = 0.06
"""Blur of hair around which an edit is not that of skin alone, in eye distances."""
_FROM_SKIN = 0.2
"""Blur that continues the edit of skin to there, in eye distances."""
_CHEEKS = 0.3
"""How much the skin of the cheeks counts for that of the neck, of which the frame may show little."""
LARGEST_SURROUNDINGS = 4 * (11 * SIDE**2 + 3 * SMALL**2 + 2 * (4 * SIDE**2 + 5 * SMALL**2))
"""Bytes of memory that `Surroundings` with both of its parts take: 5.8 MB."""


@dataclass(frozen=True)
class Masks:
    """How surely each place of the head frame is ``hair`` (T, T), bare ``neck`` (T, T), and not background: ``front``
    (S, S)."""

    hair: Float32
    neck: Float32
    front: Float32

    def towards(self, other: Masks, part: float) -> Masks:
        """The masks that lie ``part`` of the way to those of ``other``."""
        pairs = ((self.hair, other.hair), (self.neck, other.neck), (self.front, other.front))
        return Masks(*(np.asarray(a + np.float32(part) * (b - a), np.float32) for a, b in pairs))


@dataclass(frozen=True)
class Surroundings:
    """What lies around a face, in the head frame: its ``pixels`` (S, S, 3) in [-1, 1], ``hair`` and ``neck``.

    ``matrix`` (2, 3) leads there from the photo; ``unit`` is how many pixels an average pair of eyes is apart; ``skin``
    is the matte of the person without hair. A part is None where it was not found for certain.
    """

    unit: float
    matrix: Float32
    pixels: Float32
    skin: Matte
    hair: Part | None
    neck: Part | None

    def moved(self, transform: Float32) -> Surroundings:
        """The same in the photo seen through ``transform`` (2, 3)."""
        return replace(self, matrix=compose(self.matrix, invert_transform(transform)))

    def on_skin(self, face: AlignedFace, edit: Edit) -> tuple[AlignedFace, Edit]:
        """``face`` with a matte of its skin, and ``edit`` as it is for skin: both without hair and background.

        What the network does to hair must not be seen on the skin beside it. Where there is hair, and close to it, the
        edit is therefore continued from the skin around.
        """
        there = compose(face.matrix, invert_transform(self.matrix))
        side = (face.size, face.size)
        functions = warp(self.skin.functions, there, side, border=cv2.BORDER_REPLICATE)
        face = replace(face, matte=Matte(np.asarray(functions, np.float32)))
        if self.hair is None:
            return face, edit
        hair = warp(self.hair.matte.at(self.pixels), there, side, border=cv2.BORDER_CONSTANT)
        unit = self.unit * transform_scale(there)
        bare = 1 - rise(cv2.GaussianBlur(hair, (0, 0), _BESIDE_HAIR * unit), 0.02, 0.3)
        maps = np.dstack([edit.delta, edit.gain]) * bare[..., None]
        near, weight = (cv2.GaussianBlur(each, (0, 0), _FROM_SKIN * unit) for each in (maps, bare))
        maps += (1 - bare)[..., None] * near / (weight + 0.01)[..., None]
        return face, Edit(maps[..., :3], maps[..., 3])

    def hair_inside(self, face: AlignedFace) -> Float32 | None:
        """How surely each place (S, S) of the aligned ``face`` is hair; None if that is not known."""
        if self.hair is None:
            return None
        mask = self.hair.matte.at(self.pixels)
        there = compose(face.matrix, invert_transform(self.matrix))
        found = warp(mask, there, (face.size, face.size), border=cv2.BORDER_CONSTANT)
        return np.asarray(found, np.float32)

    def follow(
        self, face: AlignedFace, edit: Edit, *, hair: float, neck: float, greying: float = 0.0
    ) -> list[tuple[AlignedFace, Edit]]:
        """What to composite besides ``edit`` of ``face``: the same change of hair and neck beyond its mask.

        ``edit`` is the network's own; ``hair`` and ``neck`` say how strongly each of them follows. ``greying`` is
        how much of the hair, inside that mask and beyond it, turns grey on top of this edit, or gets its colour back
        (`reage.edit.greying`). For the same ``face`` there are always the same parts, in the same order; one of which
        too little is seen changes nothing.
        """
        there = compose(self.matrix, invert_transform(face.matrix))
        small = compose(resizing((SIDE, SIDE), (SMALL, SMALL)), there)
        maps = np.dstack([to_luma(edit.delta), face.mask])
        inside = warp(maps, small, (SMALL, SMALL), border=cv2.BORDER_CONSTANT)
        change, mask = inside[..., :3], np.clip(inside[..., 3], 0, 1)
        followed, window = [], _window()
        if self.hair is not None:
            area = enlarged(self.hair.support * window)
            matte = self.hair.matte.sharpened(*_SURE)
            aligned = AlignedFace(self.hair.pixels, area, self.matrix, matte)
            followed.append((aligned, hair_edit(change, mask, self.hair, hair, greying)))
        if self.neck is not None:
            area = enlarged(self.neck.support * window)
            aligned = AlignedFace(self.neck.pixels, area, self.matrix, self.neck.matte)
            followed.append((aligned, neck_edit(change, mask, self.neck, neck)))
        return [(part, follows.without_colour() if face.is_grey else follows) for part, follows in followed]


def survey(
    photo: npt.NDArray[Any],
    face: AlignedFace,
    landmarks: Float32,
    others: Sequence[Float32],
    network: PersonNetwork,
    steady: Callable[[Callable[[], Masks], float], Masks] | None = None,
) -> Surroundings | None:
    """Hair and neck of ``face`` in ``photo`` (H, W, 3) of uint8 or uint16.

    ``landmarks`` (468, 2) lie in the face's aligned frame; ``others`` are the transforms (2, 3) from the photo to the
    aligned frames of the other faces in it. ``steady`` makes the masks of a video's frames follow each other gently;
    it is given what finds those of this frame, which takes most of the time, and need not call it; and how many pixels
    of the head frame an average pair of eyes is apart. Masks of frames in which that differs do not fit each other.
    None where the face is too small for that.
    """
    head = cut_head(photo, face, landmarks, others)
    if head is None:
        return None
    at = places(rescale_points(head.landmarks, SIDE, SMALL), SMALL, head.unit * SMALL / SIDE)
    find = partial(_find_masks, head, at, network)
    masks = steady(find, head.unit) if steady else find()
    pixels = head.pixels.astype(np.float32) * np.float32(2 / 255) - 1
    colours = to_luma(cv2.resize(pixels, (SMALL, SMALL), interpolation=cv2.INTER_AREA))
    off_face = rise(at.beyond, 0, 0.1)
    front = np.maximum(masks.front, enlarged(rise(-at.beyond, *_CERTAIN)))

    def part(mask: Float32, weight: Float32, like_hair: bool) -> Part | None:
        if mask.max() < _FAINT:
            return None
        broad = without_strands(colours, weight, at.unit) if like_hair else colours
        return Part(
            at.unit, fit_matte(enlarged(mask) * masks.front, pixels), _grown(mask), weight, broad, pixels
        )

    parts = (
        part(masks.hair, masks.hair * off_face, True),
        part(masks.neck, np.maximum(masks.neck * off_face, _CHEEKS * at.cheeks), False),
    )
    covered = enlarged(masks.hair)
    skin = fit_matte(front * (1 - covered), pixels)
    hair, neck = parts
    if hair:
        found = covered * masks.front
        outline = tell_apart(found, 1 - masks.front, pixels, _OUTLINE * head.unit)
        strands, sure = tell_apart(found, skin.at(pixels), pixels, _STRANDS * head.unit)
        matte = hair.matte.mixed(*outline).mixed(strands, sure)
        skin = skin.mixed(strands.inverse(), sure)
        person = np.maximum(matte.at(pixels), skin.at(pixels))[..., None]
        alone = person * pixels + (1 - person) * enlarged(to_rgb(hair.broad))
        if face.is_grey:  # rounding would leave a trace of colour
            alone = np.repeat(alone[..., :1], 3, 2)
        hair = replace(hair, matte=matte, pixels=np.asarray(alone, np.float32))
    return Surroundings(head.unit, head.matrix, pixels, skin, hair, neck)


def _find_masks(head: Head, at: Places, network: PersonNetwork) -> Masks:
    person = network.read(head.pixels)
    seen = read_colours(head, person, at)
    hair = find_hair(seen)
    neck = find_neck(seen, hair)
    # The edges of what is in front are finer than those of colours, which are compared in fewer pixels.
    return Masks(_continued(hair, head), _continued(neck, head), rise(person, 0.4, 0.8))


def _continued(mask: Float32 | None, head: Head) -> Float32:
    """``mask`` (T, T) continued beyond the border of the photo, so that it does not fade there; zero if it is None."""
    if mask is None:
        return np.zeros((SMALL, SMALL), np.float32)
    shown = cv2.resize(head.shown.astype(np.float32), (SMALL, SMALL), interpolation=cv2.INTER_AREA) == 1
    return np.where(shown, mask, cv2.dilate(mask, np.ones((9, 9), np.uint8)))


def _grown(mask: Float32) -> Float32:
    """1 where ``mask`` (T, T) is more than 0 or nearly so, else 0."""
    return np.asarray(cv2.dilate((mask > 0.01).astype(np.float32), np.ones((9, 9), np.uint8)), np.float32)


@cache
def _window() -> Float32:
    """1, falling to 0 at the border of the head frame: (T, T)."""
    edge = np.minimum(np.arange(SMALL), np.arange(SMALL)[::-1]).astype(np.float32)
    row = rise(edge, 0, BORDER * SMALL)
    return np.asarray(row[:, None] * row, np.float32)
