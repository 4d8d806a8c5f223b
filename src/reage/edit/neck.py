"""Segments the bare skin of the neck in a head frame."""

from __future__ import annotations

import cv2
import numpy as np

from reage.arrays import Float32
from reage.edit.colours import ANY_COLOUR, ColourModel, hue
from reage.edit.head import among
from reage.edit.head_colours import HeadColours
from reage.edit.masks import rise

_HUE = 0.22
"""How far the hue of the neck may be off that of the cheeks: chroma in parts of lightness. Most necks lie in shade."""
_FEWEST = 0.35
"""Part of the throat that must look like skin."""


def find_neck(seen: HeadColours, hair: Float32 | None) -> Float32 | None:
    """How surely each place (T, T) below the jaw is bare skin, 0 to 1; None if it is not to be trusted.

    ``hair`` (T, T) is what `reage.edit.hair.find_hair` found.
    """
    at, lab = seen.at, seen.lab
    throat = (
        seen.someone & (at.under > -0.1) & (at.under < 0.55) & (np.abs(at.aside) < 0.5) & (at.beyond > 0.05)
    )
    known = seen.skin_model.means
    if not len(known) or not throat.any():
        return None
    hues = hue(lab)
    off = np.min([np.linalg.norm(hues - hue(part), axis=2) for part in known], axis=0)
    alike = (off < _HUE) & (lab[..., 0] > 0.35 * known[:, 0].mean()) & (lab[..., 1] > 4)
    seeds = throat & alike
    if seeds.sum() < _FEWEST * throat.sum():
        return None
    model = ColourModel(lab, seeds, 3)
    if not model:
        return None
    place = rise(at.beyond, 0, 0.12) * rise(at.under, -0.75, -0.45) * (1 - rise(at.under, 0.7, 1.5))
    place *= 1 - rise(np.abs(at.aside), 0.8, 1.3)
    skin = place * np.maximum(model.density(lab), 0.5 * seen.skin) * rise(-off, -1.6 * _HUE, -_HUE)
    clothes = (0.1 + 0.8 * rise(at.under, 0.1, 1)) * seen.clothes
    total = skin + clothes + 0.3 * ANY_COLOUR
    mask = skin / total * seen.in_front(total) * (1 if hair is None else 1 - hair)
    _, labels = cv2.connectedComponents((mask > 0.3).astype(np.uint8), connectivity=4)
    kept = among(labels, labels[seeds & (mask > 0.5)])
    return np.asarray(mask * cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8)), np.float32)
