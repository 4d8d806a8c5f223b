"""Extends the colour change of an edit from the hair and neck inside its frame to all of them, in the head frame.

Hair keeps its strands: only its low-frequency colours are changed, each by the mean change of that colour, and every
pixel loses part of its chroma. The neck gets the mean change of skin, and near the edit also the local difference from
that mean, so that there is no jump where the edit ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, percentile
from reage.edit.compositing import Edit
from reage.edit.greying import coloured, greyed, saturation
from reage.edit.head import SIDE
from reage.edit.head_colours import SMALL
from reage.edit.masks import rise
from reage.edit.matte import Matte

_FINE = 0.08
"""Blur that removes the strands of hair, in eye distances."""
_FAR = 0.6
"""Blur that continues the colours of hair and skin beyond their edges, in eye distances."""
_NEAR = 0.35
"""Distance within which the local edit counts more than its mean, in eye distances."""
_ENOUGH = (0.005, 0.03)
"""Areas of hair or neck inside the face mask, in squared eye distances: from the first on the mean change is applied
in part, from the second on fully."""
_UNLIKE = (0.05, 0.12)
"""Saturation above that of most of the hair up to which a place is hair, and from which on it is skin."""
_STRANDED = (0.15, 0.4)
"""Fine detail, in parts of that of most of the hair, up to which a place is skin, and from which on it is hair."""
_MOST = (0.55, 0.8)
"""Part of the hair that is certain to be hair, up to which none of it turns dark, and from which on all does."""
_UNCLEAR = (0.24, 0.3)
"""Part of the area that is neither clearly hair nor clearly something else, because scalp shows between the strands, up
to which all of the hair turns dark, and from which on none does."""
_ISLAND = 0.1
"""Areas that are smaller than this part of the largest one are shine on the forehead, and no hair."""
_EDGE = 3.0
"""Blur of the matte of hair, in pixels of the head frame, that tells strands from the edge between hair and skin."""
_PURE = (0.6, 0.95)
"""Up to the first value of the blurred matte, detail is that edge; from the second on it is strands."""
_TO_YUV = np.array([[0.299, -0.299, 0.701], [0.587, -0.587, -0.587], [0.114, 0.886, -0.114]], np.float32)
"""From RGB to luma (ITU-R BT.601) and the differences of blue and red from it."""
_TO_RGB = np.linalg.inv(_TO_YUV).astype(np.float32)


@dataclass(frozen=True)
class Part:
    """Hair, or the skin of the neck, in the head frame."""

    unit: float
    """Pixels of the reduced frame (T, T) that an average pair of eyes is apart."""
    matte: Matte
    support: Float32
    """(T, T): 1 where the matte may be more than 0, else 0."""
    weight: Float32
    """(T, T) in [0, 1]: where the colours of the part and their change may be measured."""
    broad: Float32
    """(T, T, 3): its colours, of hair those without strands and continued beyond it. They are luma, and the differences
    of blue and red from it."""
    pixels: Float32
    """(S, S, 3) in [-1, 1]: the head, of whose detail the gain is; around hair with the colours of hair in place of the
    background, so that there are no edges."""

    @cached_property
    def certain(self) -> Float32:
        """(T, T) in [0, 1]: how certainly each place is hair, and not skin beside it or behind it; for hair alone.

        Skin that light hair lets through, or that shines as white as it, has another saturation or no strands.
        """
        where = self.weight > 0.5
        if not where.any():
            return np.zeros_like(self.weight)
        chroma = saturation(self.broad)
        luma = to_luma(self.pixels)[..., 0]
        strands = cv2.GaussianBlur(np.abs(luma - cv2.GaussianBlur(luma, (0, 0), 2)), (0, 0), 3)
        strands = cv2.resize(strands, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
        alike = 1 - rise(chroma - percentile(chroma[where], 50), *_UNLIKE)
        alike *= rise(strands / percentile(strands[where], 50), *_STRANDED)
        small, disc = (cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)) for side in (3, 5))
        body = cv2.morphologyEx((alike * self.weight > 0.4).astype(np.uint8), cv2.MORPH_OPEN, small)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(body)
        areas = stats[1:, cv2.CC_STAT_AREA]
        large = np.flatnonzero(areas >= _ISLAND * areas.max(initial=1)) + 1
        body = cv2.dilate(np.isin(labels, large).astype(np.float32), disc)
        # Beyond the mask the change goes on, since a blurred border would leave a light rim.
        beyond = np.maximum(body, self.support * (cv2.dilate(self.weight, disc, iterations=2) < 0.05))
        return np.asarray(cv2.GaussianBlur(beyond, (0, 0), 1.0), np.float32)

    @cached_property
    def strands(self) -> Float32:
        """(S, S) in [0, 1]: where fine detail is strands of hair, and not the edge between hair and skin."""
        return rise(cv2.GaussianBlur(self.matte.at(self.pixels), (0, 0), _EDGE), *_PURE)


def to_luma(colours: Float32) -> Float32:
    """RGB colours (H, W, 3) as luma (ITU-R BT.601) and the differences of blue and red from it."""
    return np.asarray(cv2.transform(colours, _TO_YUV.T), np.float32)


def to_rgb(colours: Float32) -> Float32:
    """The inverse of `to_luma`."""
    return np.asarray(cv2.transform(colours, _TO_RGB.T), np.float32)


def enlarged(maps: npt.NDArray[Any]) -> Float32:
    """Maps (T, T) or (T, T, C) at the full size of the head frame, (S, S) or (S, S, C)."""
    return np.asarray(cv2.resize(maps, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


def hair_edit(change: Float32, mask: Float32, hair: Part, strength: float, greying: float) -> Edit:
    """The ``change`` (T, T, 3) of colours where ``mask`` (T, T) is, done to all of the ``hair``.

    The part ``greying`` of it turns grey besides, or gets its colour back (`coloured`); ``strength`` multiplies both.
    """
    known = (hair.weight * mask) ** 2
    delta, fade = np.zeros_like(change), 0.0
    if trust := _trust(known, hair.unit):
        recolouring = _Recolouring(hair.broad, change, known, like_hair=True)
        # The pixels themselves lose their chroma, not the broad colours: deep shade has none that could be lost.
        delta = trust * strength * recolouring(hair.broad * np.array([1, 0, 0], np.float32))
        fade = -trust * strength * float(recolouring.slope[1])
    share = float(np.clip(greying * strength, -1, 1))
    if share < 0:
        sure = (hair.certain > 0.5) & (hair.weight > 0.5)
        regained, gain = coloured(hair.broad, sure, -share * _clearness(hair))
        return _edit(delta + hair.certain[..., None] * regained, gain * enlarged(hair.certain), fade)
    grey, gain, paler = greyed(hair.broad[..., 0] + delta[..., 0], hair.weight, share)
    delta = delta * np.array([1, 1 - paler, 1 - paler], np.float32) + grey
    return _edit(delta, gain * hair.strands, 1 - (1 - fade) * (1 - paler))


def _clearness(hair: Part) -> float:
    """How well it is known what is hair, 0 to 1: a wrong place that turns dark is worse than hair that stays grey."""
    weight = hair.weight
    unclear = np.mean((weight > 0.1) & (weight < 0.8)) / (np.mean(weight > 0.02) + 1e-6)
    known = (hair.certain * weight).sum() / (weight.sum() + 1e-6)
    return float(rise(np.float32(known), *_MOST) * (1 - rise(np.float32(unclear), *_UNCLEAR)))


def _edit(delta: Float32, gain: float | Float32 = 0.0, fade: float = 0.0) -> Edit:
    """An edit of the head frame: ``delta`` (T, T, 3) of luma and the differences from it; ``fade`` is the same
    everywhere, ``gain`` too if it is one number, and not (S, S)."""
    everywhere = np.ones((SIDE, SIDE), np.float32)
    colour = enlarged(to_rgb(np.asarray(delta, np.float32)))
    return Edit(colour, gain * everywhere, fade * everywhere if fade else None)


def neck_edit(change: Float32, mask: Float32, neck: Part, strength: float) -> Edit:
    """The ``change`` (T, T, 3) of colours where ``mask`` (T, T) is, continued over the rest of the ``neck``.

    ``strength`` multiplies it.
    """
    known = (neck.weight * mask) ** 2
    trust = _trust(known, neck.unit)
    if not trust:
        return _edit(np.zeros_like(change))
    mean = _Recolouring(neck.broad, change, known, like_hair=False)(neck.broad)
    near = _blur(np.dstack([(change - mean) * known[..., None], known]), _NEAR * neck.unit)
    rest = near[..., :3] / (near[..., 3:] + 0.1)
    return _edit(strength * trust * (1 - mask)[..., None] * (mean + rest))


def _trust(known: Float32, unit: float) -> float:
    """How far a change is followed, 0 to 1, of which the weights (T, T) say how much of it is ``known`` where."""
    return float(rise(known.sum() / unit**2, *_ENOUGH))


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


def without_strands(colours: Float32, weight: Float32, unit: float) -> Float32:
    """``colours`` (T, T, 3) blurred over places of ``weight`` (T, T) alone, and continued from these beyond them.

    ``unit`` is that of `Part`.
    """
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
