"""A soft mask that follows the edges of a photograph at its own resolution, although it was made small.

He, Sun and Tang, "Guided image filtering", 2010, and He and Sun, "Fast guided filter", 2015: around each place the mask
is a linear function of the photograph's colour. The functions are fitted in the small picture; they are smooth, so
they can be enlarged, and only then are they given the photograph's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reage.arrays import Float32

_RADIUS = 0.012
"""Half the side of the windows that a function is fitted in, in sides of the picture."""
_EPSILON = 0.003
"""Variance, in units of [-1, 1], of colours that count as equal: below it the mask is averaged instead."""

_TRACE = 0.15
"""Less of a mask than this counts as none, and as much less than all of it as all: where there is no edge to follow,
a soft border would be seen as a glow."""


@dataclass(frozen=True)
class Matte:
    """At a place where the photo has the colour ``c`` in [-1, 1], the mask is ``slopes @ c + offset``, cut to [0, 1].

    ``slopes`` (S, S, 3) and ``offset`` (S, S) are smooth.
    """

    slopes: Float32
    offset: Float32

    def at(self, pixels: Float32) -> Float32:
        """The mask (S, S) for ``pixels`` (S, S, 3) in [-1, 1]."""
        return evaluate(np.dstack([self.slopes, self.offset]), pixels)

    @property
    def functions(self) -> Float32:
        """Slopes and offset in one array (S, S, 4), as `evaluate` takes them."""
        return np.dstack([self.slopes, self.offset])


def evaluate(functions: Float32, pixels: Float32) -> Float32:
    """The mask (H, W) of `Matte.functions` enlarged to (H, W, 4), for the photo's ``pixels`` (H, W, 3) in [-1, 1]."""
    value = np.einsum("...c,...c", functions[..., :3], pixels) + functions[..., 3]
    return np.asarray(np.clip(value, 0, 1), np.float32)


def fit_matte(mask: Float32, guide: Float32) -> Matte:
    """The matte that follows ``mask`` (S, S) along the edges of ``guide`` (S, S, 3) in [-1, 1]."""
    radius = max(2, round(_RADIUS * len(mask)))

    def mean(values: Float32) -> Float32:
        return np.asarray(cv2.blur(values, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT))

    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    colour, weight = mean(guide), mean(mask)
    together = mean(guide * mask[..., None]) - colour * weight[..., None]
    products = np.concatenate(
        [
            mean(np.dstack([guide[..., i] * guide[..., j] for i, j in part]))
            for part in (pairs[:3], pairs[3:])
        ],
        2,
    )
    (rr, rg, rb, gg, gb, bb) = (
        products[..., n] - colour[..., i] * colour[..., j] + (_EPSILON if i == j else 0)
        for n, (i, j) in enumerate(pairs)
    )
    # The inverse of each symmetric 3 x 3 matrix, by cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c00 + rg * c01 + rb * c02)
    r, g, b = together[..., 0], together[..., 1], together[..., 2]
    slopes = np.dstack(
        [c00 * r + c01 * g + c02 * b, c01 * r + c11 * g + c12 * b, c02 * r + c12 * g + c22 * b]
    )
    slopes *= scale[..., None]
    offset = weight - np.einsum("...c,...c", slopes, colour)
    stretch = np.float32(1 / (1 - 2 * _TRACE))
    return Matte(
        mean(slopes.astype(np.float32)) * stretch, (mean(offset.astype(np.float32)) - _TRACE) * stretch
    )
