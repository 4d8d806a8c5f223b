"""Turns hair grey: the share of grey hair at an age, and its colours.

The networks hardly change hair, since they see little of it; what they leave out is added from a curve. It follows 95
portraits of members of the US Congress: the median luma of hair, by the age that they look, is -0.68 in their thirties,
-0.61, -0.43, -0.44, and 0.19 in their seventies (of an image in [-1, 1]). From 70 on it was lowered by eye, since dark
hair made as light as theirs looked flat.
"""

from __future__ import annotations

import numpy as np

from reage.arrays import Float32

_AGES = (30.0, 45.0, 55.0, 65.0, 75.0, 85.0)
"""Ages of the entries of the curve, in years."""
_GREY = (0.0, 0.06, 0.18, 0.33, 0.5, 0.65)
"""Part of the hair that is grey at each of these ages."""
_WHITE = np.array([0.5, -0.08, 0.05], np.float32)
"""Hair without colour: luma, and the differences of blue and red from it, in units of an image in [-1, 1]."""
_PALER = 1.5
"""How much sooner hair loses chroma than darkness: what is between dark and white looks grey, not brown or blue."""
_SHADE = 0.6
"""How much less light hair gains in the shade: from 0, as much as elsewhere, to 1, in proportion to the light there."""
_STRANDS = 1.0
"""How much more strands stand out where dark hair turns grey, since grey and dark ones lie side by side."""


def greying(source: float, target: float) -> float:
    """What part of the hair that still has its colour at age ``source`` has lost it at age ``target``: 0 to 1."""
    before, after = np.interp([source, target], _AGES, _GREY)
    return float(max(0.0, (after - before) / (1 - before)))


def greyed(luma: Float32, weight: Float32, share: float) -> tuple[Float32, float, float]:
    """What changes when ``share`` of the hair loses its colour.

    Returns the change of its broad colours (T, T, 3), as luma and the differences of blue and red from it; the gain of
    detail; and the part of its own chroma that each pixel loses. ``luma`` (T, T) is that of broad colours, in units of
    an image in [-1, 1]; ``weight`` (T, T) says where hair is. Hair that is as light as grey hair stays as light, and
    what lies in the shade gains less.
    """
    if not share:
        return np.zeros((*luma.shape, 3), np.float32), 0.0, 0.0
    mean = float(np.average(luma, weights=weight + 1e-9))
    lit = 1 - _SHADE + _SHADE * (luma + 1) / (mean + 1)
    lighter = np.clip(share * (_WHITE[0] - mean) * lit, 0, np.maximum(_WHITE[0] - luma, 0))
    fade = min(1.0, _PALER * share)
    change = np.dstack([lighter, np.broadcast_to(fade * _WHITE[1:], (*luma.shape, 2))])
    return np.asarray(change, np.float32), _STRANDS * share * float(np.clip(_WHITE[0] - mean, 0, 1)), fade
