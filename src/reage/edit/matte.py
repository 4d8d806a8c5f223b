"""A matte: a small soft mask, enlarged so that it follows the edges of the photograph at full resolution.

He, Sun and Tang, "Guided image filtering", 2010, and He and Sun, "Fast guided filter", 2015: around each place the mask
is a linear function of the photograph's colour. The functions are fitted in the small picture; they are smooth, so
they can be enlarged, and only then are they given the photograph's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reage.arrays import Float32
from reage.edit.masks import rise

_RADIUS = 0.012
"""Half the side of the windows that a function is fitted in, in sides of the picture."""
_EPSILON = 0.003
"""Variance, in units of [-1, 1], of colours that count as equal: below it the mask is averaged instead."""

_NEAR = (0.06, 0.2)
"""Parts of a neighbourhood that both of two colours must fill for them to be told apart: from nothing to surely."""
_APART = (0.1, 0.4)
"""Squared difference, in units of [-1, 1], between two colours that are told apart: from nothing to surely."""
_SUMS = np.ones((4, 4), np.float32)
"""Puts the sum of four channels into each of them."""
_TRACE = 0.15
"""Less of a mask than this counts as none, and as much less than all of it as all: where there is no edge to follow,
a soft border would be seen as a glow."""


@dataclass(frozen=True)
class Matte:
    """A mask (S, S) as functions of the photo's colour.

    At a place where the photo has the colour ``c`` in [-1, 1], the mask is ``functions[..., :3] @ c +
    functions[..., 3]``, cut to [0, 1]. The ``functions`` (S, S, 4) are smooth.
    """

    functions: Float32

    def at(self, pixels: Float32) -> Float32:
        """The mask (S, S) for ``pixels`` (S, S, 3) in [-1, 1]."""
        return evaluate(self.functions, cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA))[..., 0]

    def sharpened(self, low: float, high: float) -> Matte:
        """The matte that is 0 where this one is ``low`` or less, and 1 where it is ``high`` or more."""
        functions = self.functions / np.float32(high - low)
        functions[..., 3] -= low / (high - low)
        return Matte(functions)

    def mixed(self, other: Matte, weight: Float32) -> Matte:
        """The matte that is ``other`` where ``weight`` (S, S) is 1, and this one where it is 0."""
        functions = self.functions + weight[..., None] * (other.functions - self.functions)
        return Matte(np.asarray(functions, np.float32))

    def inverse(self) -> Matte:
        """The matte that is 1 where this one is 0."""
        functions = -self.functions
        functions[..., 3] += 1
        return Matte(functions)


def evaluate(functions: Float32, pixels: Float32) -> Float32:
    """The mask, in each of four channels (H, W, 4), which are multiplied fastest so.

    ``functions`` (H, W, 4) are those of a `Matte`, enlarged; ``pixels`` (H, W, 4) are the photo's in [-1, 1], the last
    channel being 1.
    """
    value = cv2.transform(functions * pixels, _SUMS)
    return np.asarray(np.clip(value, 0, 1, out=value), np.float32)


def fit_matte(mask: Float32, guide: Float32) -> Matte:
    """The matte that follows ``mask`` (S, S) along the edges of ``guide`` (S, S, 3) in [-1, 1]."""
    functions = np.zeros((*mask.shape, 4), np.float32)
    functions[..., 3] = -_TRACE / (1 - 2 * _TRACE)
    radius = max(2, round(_RADIUS * len(mask)))
    ys, xs = np.nonzero(mask > 0.01)
    if len(ys):  # further away than two windows there is nothing to fit
        reach = 2 * radius + 2
        rows, columns = (slice(max(0, at.min() - reach), at.max() + reach + 1) for at in (ys, xs))
        functions[rows, columns] = _fitted(mask[rows, columns], guide[rows, columns], radius)
    return Matte(functions)


def tell_apart(one: Float32, other: Float32, guide: Float32, sigma: float) -> tuple[Matte, Float32]:
    """The matte of what has the colour that ``one`` has nearby rather than that of ``other``, and how sure that is.

    Around the border of two masks (S, S), ``guide`` (S, S, 3) in [-1, 1] shows mixtures of both, such as strands of
    hair over a forehead. Each side's colour is its mean under a Gaussian of ``sigma`` pixels. A mixture's place on the
    line between these is the part that ``one`` has in it, a linear function of the mixture. It is sure (S, S) where
    both sides are near and their colours differ.
    """
    # Everything is as smooth as the Gaussian, so that half the size shows all of it.
    size, half = (len(one), len(one)), (len(one) // 2, len(one) // 2)
    guide = cv2.cvtColor(guide, cv2.COLOR_RGB2RGBA)  # with a fourth channel of ones
    colours, weights = [], []
    for mask in (one, other):
        certain = cv2.erode((mask > 0.8).astype(np.float32), np.ones((5, 5), np.uint8))
        maps = cv2.resize(guide * certain[..., None], half, interpolation=cv2.INTER_AREA)
        near = cv2.GaussianBlur(maps, (0, 0), sigma / 2)
        colours.append(near[..., :3] / (near[..., 3:] + 1e-6))
        weights.append(near[..., 3])
    line = colours[0] - colours[1]
    length = np.square(line).sum(2)
    slopes = line / (length[..., None] + 1e-3)
    offset = -(slopes * colours[1]).sum(2)
    sure = rise(np.minimum(*weights), *_NEAR) * rise(length, *_APART)
    functions, sure = (
        cv2.resize(each, size, interpolation=cv2.INTER_CUBIC) for each in (np.dstack([slopes, offset]), sure)
    )
    return Matte(np.asarray(functions, np.float32)), np.asarray(sure, np.float32)


def _fitted(mask: Float32, guide: Float32, radius: int) -> Float32:
    """`Matte.functions` of the windows of ``radius`` around each place."""

    def mean(values: Float32) -> Float32:
        return np.asarray(cv2.blur(values, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT))

    # Plane by plane, since neither numpy nor OpenCV is quick with three channels.
    planes = cv2.split(guide)
    colour, weight = [mean(plane) for plane in planes], mean(mask)
    r, g, b = (mean(plane * mask) - each * weight for plane, each in zip(planes, colour, strict=True))
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    (rr, rg, rb, gg, gb, bb) = (
        mean(planes[i] * planes[j]) - colour[i] * colour[j] + (_EPSILON if i == j else 0) for i, j in pairs
    )
    # The inverse of each symmetric 3 x 3 matrix, by cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c00 + rg * c01 + rb * c02)
    slopes = [
        scale * (c00 * r + c01 * g + c02 * b),
        scale * (c01 * r + c11 * g + c12 * b),
        scale * (c02 * r + c12 * g + c22 * b),
    ]
    offset = weight - sum(slope * each for slope, each in zip(slopes, colour, strict=True))
    fitted = mean(cv2.merge([*slopes, offset]))
    fitted[..., 3] -= _TRACE
    return np.asarray(fitted / np.float32(1 - 2 * _TRACE), np.float32)
