"""Hair and neck beyond the frame of a face follow what the edit does to them inside it.

A network sees, and edits, hair and neck as far as its aligned frame and the mask of the head reach. What it does to
the broad colours of the hair there is measured, and the same is done to the rest of the hair; the strands, which are
finer, stay as they are. So it is with the skin of the neck. The whole change is

    mask * edit + (1 - mask) * matte * (mean change for this colour + rest)

with ``mask`` the mask of the face's own edit, ``matte`` that of the hair at the photo's resolution, and ``rest`` by how
much the edit nearby differs from the mean: so nothing jumps where ``mask`` ends.

The edit itself ends where the person ends: nothing of it is left on the background beside jaw and hair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, percentile
from reage.edit.compositing import AlignedFace, Edit
from reage.edit.greying import greyed
from reage.edit.hair import find_hair
from reage.edit.head import SIDE, UNIT, Head, Places, cut_head, places
from reage.edit.head_colours import SMALL, read_colours
from reage.edit.masks import rise
from reage.edit.matte import Matte, fit_matte, tell_apart
from reage.edit.neck import find_neck
from reage.face.alignment import compose, invert_transform, rescale_points, resizing, transform_scale, warp
from reage.face.person import PersonNetwork

_FINE = 0.08
"""Blur that takes the strands out of hair, in eye distances."""
_FAR = 0.6
"""Blur that continues the colours of hair and skin beyond their edges, in eye distances."""
_NEAR = 0.35
"""How far what the edit does nearby counts for more than its mean, in eye distances."""
_ENOUGH = (0.005, 0.03)
"""Areas of hair or neck inside the mask of the face, in squared eye distances: from the first on a mean is followed in
part, from the second on fully."""
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
_BESIDE_HAIR = 0.06
"""Blur of hair around which an edit is not that of skin alone, in eye distances."""
_FROM_SKIN = 0.2
"""Blur that continues the edit of skin to there, in eye distances."""
_CHEEKS = 0.3
"""How much the skin of the cheeks counts for that of the neck, of which the frame may show little."""
_TO_YUV = np.array([[0.299, -0.299, 0.701], [0.587, -0.587, -0.587], [0.114, 0.886, -0.114]], np.float32)
"""From RGB to luma (ITU-R BT.601) and the differences of blue and red from it."""
_TO_RGB = np.linalg.inv(_TO_YUV).astype(np.float32)
LARGEST_SURROUNDINGS = 4 * (7 * SIDE**2 + 3 * SMALL**2 + 2 * (4 * SIDE**2 + 5 * SMALL**2))
"""Bytes of memory that `Surroundings` with both of its parts take: 3.7 MB."""


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
class Part:
    """Hair, or the skin of the neck, in the head frame."""

    matte: Matte
    support: Float32
    """(T, T): 1 where the matte may be more than 0, else 0."""
    weight: Float32
    """(T, T) in [0, 1]: where the colours of the part and their change may be measured."""
    broad: Float32
    """(T, T, 3): its colours, of hair those without strands and continued beyond it. They are luma, and the differences
    of blue and red from it."""


@dataclass(frozen=True)
class Surroundings:
    """What lies around a face, in the head frame: its ``pixels`` (S, S, 3) in [-1, 1], ``hair`` and ``neck``.

    ``matrix`` (2, 3) leads there from the photo; ``skin`` is the matte of the person without hair. A part is None where
    it was not found for certain.
    """

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
        unit = UNIT * transform_scale(there)
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

        ``edit`` is the network's own; ``hair`` and ``neck`` say how strongly each of them follows. ``greying`` is the
        part of the coloured hair, inside that mask and beyond it, that turns grey on top of this edit. For the same
        ``face`` there are always the same parts, in the same order; one of which too little is seen changes nothing.
        """
        there = compose(self.matrix, invert_transform(face.matrix))
        small = compose(resizing((SIDE, SIDE), (SMALL, SMALL)), there)
        maps = np.dstack([cv2.transform(edit.delta, _TO_YUV.T), face.mask])
        inside = warp(maps, small, (SMALL, SMALL), border=cv2.BORDER_CONSTANT)
        change, mask = inside[..., :3], np.clip(inside[..., 3:], 0, 1)
        followed, window = [], _window()
        if self.hair is not None:
            area = _large(self.hair.support * window)
            matte = self.hair.matte.sharpened(*_SURE)
            aligned = AlignedFace(self._hair_before_itself(self.hair), area, self.matrix, matte)
            followed.append((aligned, _hair_edit(change, mask[..., 0], self.hair, hair, greying)))
        if self.neck is not None:
            delta = np.float32(neck) * (1 - mask) * _continued(change, mask[..., 0], self.neck)
            area = _large(self.neck.support * window)
            followed.append((AlignedFace(self.pixels, area, self.matrix, self.neck.matte), _edit(delta)))
        return [(part, follows.without_colour() if face.is_grey else follows) for part, follows in followed]

    def _hair_before_itself(self, hair: Part) -> Float32:
        """`pixels` with the colours of ``hair`` in place of the background, so that its detail has no edges there."""
        person = np.maximum(hair.matte.at(self.pixels), self.skin.at(self.pixels))[..., None]
        behind = _large(cv2.transform(hair.broad, _TO_RGB.T))
        return np.asarray(person * self.pixels + (1 - person) * behind, np.float32)


def survey(
    photo: npt.NDArray[Any],
    face: AlignedFace,
    landmarks: Float32,
    others: Sequence[Float32],
    network: PersonNetwork,
    steady: Callable[[Callable[[], Masks]], Masks] | None = None,
) -> Surroundings | None:
    """Hair and neck of ``face`` in ``photo`` (H, W, 3) of uint8 or uint16.

    ``landmarks`` (468, 2) lie in the face's aligned frame; ``others`` are the transforms (2, 3) from the photo to the
    aligned frames of the other faces in it. ``steady`` makes the masks of a video's frames follow each other gently;
    it is given what finds those of this frame, which takes most of the time, and need not call it.
    None where the face is too small for that.
    """
    head = cut_head(photo, face, landmarks, others)
    if head is None:
        return None
    at = places(rescale_points(head.landmarks, SIDE, SMALL), SMALL)
    find = partial(_find_masks, head, at, network)
    masks = steady(find) if steady else find()
    pixels = head.pixels.astype(np.float32) * np.float32(2 / 255) - 1
    colours = cv2.transform(cv2.resize(pixels, (SMALL, SMALL), interpolation=cv2.INTER_AREA), _TO_YUV.T)
    off_face = rise(at.beyond, 0, 0.1)
    front = np.maximum(masks.front, _large(rise(-at.beyond, *_CERTAIN)))

    def part(mask: Float32, weight: Float32, like_hair: bool) -> Part | None:
        if mask.max() < _FAINT:
            return None
        broad = _without_strands(colours, weight) if like_hair else colours
        return Part(fit_matte(_large(mask) * masks.front, pixels), _grown(mask), weight, broad)

    parts = (
        part(masks.hair, masks.hair * off_face, True),
        part(masks.neck, np.maximum(masks.neck * off_face, _CHEEKS * at.cheeks), False),
    )
    skin = fit_matte(front * (1 - _large(masks.hair)), pixels)
    hair, neck = parts
    if hair:
        strands, sure = tell_apart(_large(masks.hair) * masks.front, skin.at(pixels), pixels, _STRANDS * UNIT)
        hair = replace(hair, matte=hair.matte.mixed(strands, sure))
        skin = skin.mixed(strands.inverse(), sure)
    return Surroundings(head.matrix, pixels, skin, hair, neck)


def _find_masks(head: Head, at: Places, network: PersonNetwork) -> Masks:
    person = network.read(head.pixels)
    seen = read_colours(head, person, at)
    hair = find_hair(seen)
    neck = find_neck(seen, hair)
    # The edges of what is in front are finer than those of colours, which are compared in fewer pixels.
    return Masks(_or_nothing(hair), _or_nothing(neck), rise(person, 0.4, 0.8))


def _or_nothing(mask: Float32 | None) -> Float32:
    return np.zeros((SMALL, SMALL), np.float32) if mask is None else mask


def _grown(mask: Float32) -> Float32:
    """1 where ``mask`` (T, T) is more than 0 or nearly so, else 0."""
    return np.asarray(cv2.dilate((mask > 0.01).astype(np.float32), np.ones((9, 9), np.uint8)), np.float32)


def _large(maps: npt.NDArray[Any]) -> Float32:
    return np.asarray(cv2.resize(maps, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


def _hair_edit(change: Float32, mask: Float32, hair: Part, strength: float, greying: float) -> Edit:
    """The ``change`` (T, T, 3) of colours where ``mask`` (T, T) is, done to all of the ``hair``.

    The part ``greying`` of it turns grey besides; ``strength`` multiplies both.
    """
    known = (hair.weight * mask) ** 2
    delta, fade = np.zeros_like(change), 0.0
    if trust := _trust(known):
        recolouring = _Recolouring(hair.broad, change, known, like_hair=True)
        # The pixels themselves lose their chroma, not the broad colours: deep shade has none that could be lost.
        delta = trust * strength * recolouring(hair.broad * np.array([1, 0, 0], np.float32))
        fade = -trust * strength * float(recolouring.slope[1])
    grey, gain, paler = greyed(hair.broad[..., 0] + delta[..., 0], hair.weight, min(1.0, greying * strength))
    delta = delta * np.array([1, 1 - paler, 1 - paler], np.float32) + grey
    return _edit(delta, gain, 1 - (1 - fade) * (1 - paler))


def _edit(delta: Float32, gain: float = 0.0, fade: float = 0.0) -> Edit:
    """An edit of the head frame: ``delta`` (T, T, 3) of luma and the differences from it; ``gain`` and ``fade`` are the
    same everywhere."""
    everywhere = np.ones((SIDE, SIDE), np.float32)
    colour = _large(cv2.transform(np.asarray(delta, np.float32), _TO_RGB.T))
    return Edit(colour, gain * everywhere, fade * everywhere if fade else None)


def _continued(change: Float32, mask: Float32, part: Part) -> Float32:
    """The ``change`` (T, T, 3) of colours, known where ``mask`` (T, T) is, continued over all of the ``part``."""
    known = (part.weight * mask) ** 2
    trust = _trust(known)
    if not trust:
        return np.zeros_like(change)
    mean = _Recolouring(part.broad, change, known, like_hair=False)(part.broad)
    near = _blur(np.dstack([(change - mean) * known[..., None], known]), _NEAR * UNIT * SMALL / SIDE)
    rest = near[..., :3] / (near[..., 3:] + 0.1)
    return np.asarray(trust * (mean + rest), np.float32)


def _trust(known: Float32) -> float:
    """How far a change is followed, 0 to 1, of which the weights (T, T) say how much of it is ``known`` where."""
    return float(rise(known.sum() / (UNIT * SMALL / SIDE) ** 2, *_ENOUGH))


class _Recolouring:
    """The mean change of colours, as a function of the colour.

    Luma changes by a constant and a part of its distance from the mean: lighter strands may grow less light than dark
    ones. The colour differences are multiplied and shifted: hair that turns grey loses its chroma whatever it was.
    """

    def __init__(self, colours: Float32, change: Float32, known: Float32, like_hair: bool) -> None:
        """Fits ``change`` (T, T, 3) at ``colours`` (T, T, 3) with weights ``known`` (T, T), outliers counting less."""
        where = known > 0.02
        have, step, weights = colours[where], change[where], known[where]
        self._middle = np.average(have, 0, weights)
        self._shift = np.average(step, 0, weights)
        self.slope = np.zeros(3, np.float32)
        """By how much each channel changes for each unit of itself."""
        for _ in range(3):
            off = np.abs(step - self._shift - self.slope * (have - self._middle)).sum(1)
            robust = weights / np.maximum(off, 0.5 * percentile(off, 50) + 1e-4)
            self._middle, self._shift = (np.average(each, 0, robust) for each in (have, step))
            if like_hair:
                self.slope = self._fit(have - self._middle, step - self._shift, robust)
        self._low, self._high = (percentile(step[:, 0], share) for share in (2, 98))

    @staticmethod
    def _fit(have: Float32, step: Float32, weights: Float32) -> Float32:
        luma = (weights * have[:, 0] * step[:, 0]).sum() / (
            (weights * have[:, 0] ** 2).sum() + 0.01 * weights.sum()
        )
        chroma = (weights[:, None] * have[:, 1:] * step[:, 1:]).sum()
        chroma /= (weights[:, None] * have[:, 1:] ** 2).sum() + 0.001 * weights.sum()
        return np.array([np.clip(luma, -0.8, 0.2), *[np.clip(chroma, -0.9, 0.2)] * 2], np.float32)

    def __call__(self, colours: Float32) -> Float32:
        step = self._shift + self.slope * (colours - self._middle)
        step[..., 0] = np.clip(step[..., 0], self._low, self._high)
        return np.asarray(step, np.float32)


def _without_strands(colours: Float32, weight: Float32) -> Float32:
    """``colours`` (T, T, 3) blurred over places of ``weight`` (T, T) alone, and continued from these beyond them."""
    unit = UNIT * SMALL / SIDE
    maps = np.dstack([colours * weight[..., None], weight])
    near, wide = _blur(maps, _FINE * unit), _blur(maps, _FAR * unit)
    beyond = wide[..., :3] / (wide[..., 3:] + 1e-4)
    return np.asarray((near[..., :3] + 0.05 * beyond) / (near[..., 3:] + 0.05), np.float32)


def _blur(maps: Float32, sigma: float) -> Float32:
    """``maps`` (T, T, C) blurred; where they become very smooth, in fewer pixels."""
    fewer = SMALL if sigma < 4 else SMALL // 4
    small = cv2.resize(maps, (fewer, fewer), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma * fewer / SMALL, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, (SMALL, SMALL), interpolation=cv2.INTER_CUBIC), np.float32)


@cache
def _window() -> Float32:
    """1, falling to 0 at the border of the head frame: (T, T)."""
    edge = np.minimum(np.arange(SMALL), np.arange(SMALL)[::-1]).astype(np.float32)
    row = rise(edge, 0, 0.06 * SMALL)
    return np.asarray(row[:, None] * row, np.float32)
