"""Turns hair grey, and gives grey hair its colour back: the share of grey hair at an age, and its colours.

The networks hardly change hair, since they see little of it; what they leave out is added from a curve. It follows 95
portraits of members of the US Congress: the median luma of hair, by the age that they look, is -0.68 in their thirties,
-0.61, -0.43, -0.44, and 0.19 in their seventies (of an image in [-1, 1]). The part that is grey would thus be 0.06 in
their forties, then 0.21, 0.20 and 0.74. The curve lies lower in the fifties, since people there differ most, and
from 70 on, since dark hair made as light as theirs looked flat. By the selection score on 120 validation faces, it is
better than one with 0.18 at 55 and 0.33 at 65 (docs/training.md).

Which colour grey hair once had cannot be seen; it gets that of its darkest strands, or a brown.
"""

from __future__ import annotations

import numpy as np

from reage.arrays import Bool, Float32, percentile
from reage.edit.masks import rise

_AGES = (30.0, 45.0, 55.0, 65.0, 75.0, 85.0)
"""Ages of the entries of the curve, in years."""
_GREY = (0.0, 0.04, 0.11, 0.2, 0.43, 0.65)
"""Part of the hair that is grey at each of these ages."""
_WHITE = np.array([0.5, -0.08, 0.05], np.float32)
"""Hair without colour: luma, and the differences of blue and red from it, in units of an image in [-1, 1]."""
_PALER = 1.5
"""How much sooner hair loses chroma than darkness: what is between dark and white looks grey, not brown or blue."""
_SHADE = 0.6
"""How much less light hair gains in the shade: from 0, as much as elsewhere, to 1, in proportion to the light there."""
_REFLECTS = 60.0
"""How many times as much light white hair reflects as black hair, at most. What would have to gain more is so dark that
its strands are not seen, and would become a flat grey."""
_GAMMA = 2.2
"""Exponent from the values of an image in [0, 1] to light."""
_STRANDS = 1.3
"""Where dark hair turns grey, strands stand out as much more as it grows lighter, since grey and dark ones lie side by
side; at most by this part."""
_BROWN = np.array([-0.5, -0.12, 0.12], np.float32)
"""Hair that gets its colour back, if none of it is darker: luma, and the differences of blue and red from it."""
_DARKEST = -0.72
"""The least luma that it gets."""
_TURNED = (42.0, 56.0)
"""Up to the first age light hair is taken for fair, from the second on for grey, if it has no chroma either."""
_LIGHT = (-0.65, -0.15)
"""Luma of hair up to which it is not grey, and from which on it may be."""
_FAIR = (0.22, 0.36)
"""Saturation up to which light hair is grey, and from which on it is fair."""
_FLATTER = 0.1
"""How much less strands stand out where hair grows darker, in parts of how much darker it grows."""
_GLOSSY = 0.7
"""How much more contrast between light and shade dark hair has than white hair: as an exponent, 0 is none."""
_LIT = (0.3, 1.4)
"""Limits of the light that is counted for that, in parts of that on most of the hair."""


def greying(source: float, target: float) -> float:
    """How much of the hair changes between coloured and grey from age ``source`` to ``target``, in years: -1 to 1.

    Above 0 it is the part, of the hair that still has its colour, that loses it. Below 0 it is the part of the grey
    hair that gets its colour back, once `coloured` has found that it is grey.
    """
    before, after = np.interp([source, target], _AGES, _GREY)
    if after >= before:
        return float((after - before) / (1 - before))
    return float((after - before) / before * rise(np.float32(source), *_TURNED))


def greyed(luma: Float32, weight: Float32, share: float) -> tuple[Float32, float, float]:
    """What changes when ``share`` of the hair loses its colour.

    Returns the change of its broad colours (T, T, 3), as luma and the differences of blue and red from it; the gain of
    detail; and the part of its own chroma that each pixel loses. ``luma`` (T, T) is that of broad colours, in units of
    an image in [-1, 1]; ``weight`` (T, T) says where hair is. Hair that is as light as grey hair stays as light, and
    what lies in the shade gains less; what is black stays dark.
    """
    if not share:
        return np.zeros((*luma.shape, 3), np.float32), 0.0, 0.0
    mean = float(np.average(luma, weights=weight + 1e-9))
    lit = 1 - _SHADE + _SHADE * (luma + 1) / (mean + 1)
    lighter = np.clip(share * (_WHITE[0] - mean) * lit, 0, np.maximum(_WHITE[0] - luma, 0))
    times = (1 + share * (_REFLECTS - 1)) ** (1 / _GAMMA)
    lighter = np.minimum(lighter, (times - 1) * (luma + 1))
    fade = min(1.0, _PALER * share)
    change = np.dstack([lighter, np.broadcast_to(fade * _WHITE[1:], (*luma.shape, 2))])
    gain = np.clip(share * (_WHITE[0] - mean) / (mean + 1), 0, _STRANDS)
    return np.asarray(change, np.float32), float(gain), fade


def saturation(broad: Float32) -> Float32:
    """Chroma of broad colours (T, T, 3), as in `coloured`, in parts of the light there: (T, T)."""
    return np.asarray(np.hypot(broad[..., 1], broad[..., 2]) / np.maximum(broad[..., 0] + 1, 0.2), np.float32)


def coloured(broad: Float32, hair: Bool, share: float) -> tuple[Float32, float]:
    """What changes when ``share`` of the hair gets its colour back, as far as it is grey.

    Returns the change of its broad colours (T, T, 3) and the gain of detail. ``broad`` (T, T, 3) are these colours, as
    luma and the differences of blue and red from it, in units of an image in [-1, 1]; ``hair`` (T, T) says where it is
    for certain.
    """
    if not (share and hair.any()):
        return np.zeros_like(broad), 0.0
    luma = broad[..., 0]
    middle, least = (float(percentile(luma[hair], part)) for part in (50, 5))
    typical = percentile(saturation(broad)[hair], 50)
    share *= float(rise(np.float32(middle), *_LIGHT) * (1 - rise(typical, *_FAIR)))
    dark = float(np.clip(least, _DARKEST, _BROWN[0]))
    left = min(1.0, (dark + 1) / (middle + 1))
    glossy = np.clip((luma + 1) / (middle + 1), *_LIT) ** _GLOSSY
    change = share * (left * glossy - 1)[..., None] * (broad + np.array([1, 0, 0], np.float32))
    change[..., 1:] += share * _BROWN[1:] * (dark + 1) / (_BROWN[0] + 1)
    return np.asarray(change, np.float32), _FLATTER * share * (left - 1)
