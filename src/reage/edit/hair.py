"""Segments the hair of a head, by colours learned from the head itself and by where hair can be.

Where that is unsure (bald heads, hats, scarves, colours that hair shares with skin or with what is behind it) there is
no mask at all: hair that keeps its colour is less of a flaw than a change of what is no hair.
"""

from __future__ import annotations

import cv2
import numpy as np

from reage.arrays import Bool, Float32, percentile
from reage.edit.colours import ANY_COLOUR, ColourModel, hue
from reage.edit.head import Places, among
from reage.edit.head_colours import HeadColours
from reage.edit.masks import rise

_SEEN = 0.04
"""Area, in squared eye distances, of the surroundings of the face that a cropped photo must show."""
_FEWEST = 0.25
"""Part of the rim of the head that must look like hair: what is left around a bald crown is not learned from."""
_LONG = 0.5
"""Part of the strip beside a cheek that must look like hair, or that side's hair ends at the ear."""
_SKIN_SHADE = 0.62
"""Skin in shade is at least this light, in parts of lit skin: darker things of the same hue are brown hair."""
_SKIN_HUE = 0.16
"""How far the hue of skin in another light may be off: chroma in parts of lightness, which shading keeps."""
_SMOOTH = 0.85
"""Skin has at most this texture, in parts of that of the cheeks: brown hair in the sun has more."""


_SUCH_COLOURS = 0.8
"""Part of hair that must have a colour that hair has without dye, so that coloured hats are none."""
_DARKER = 5.0
"""How much darker than skin most hair must be, in CIELAB lightness, for what is lighter than skin to be none."""
_SHINE = (2.0, 12.0)
"""How much lighter than the cheeks shine on the forehead is: from the first on perhaps, from the second on surely."""
_HUES_APART = 0.2
"""How far the hue of hair must be from that of skin for skin in deep shade to be told from it by hue."""
_LIKE_SKIN = (0.4, 0.8)
"""Where on the way from the hue of hair to that of skin a place is: up to the first hair, from the second on skin."""
_LIGHTER = (5.0, 12.0)
"""How much lighter than hair skin in deep shade is, in CIELAB lightness."""
_ALIKE = 0.1
"""If more of the hair than this looks like skin in deep shade even far from the face, the two cannot be told apart."""
_ROUGH = (1.0, 2.5)
"""Texture in parts of that of the cheeks: up to the first it is skin's, from the second on hair's."""
_CROWN = 2.2
"""Hair above the face is smaller than this, in squared eye distances, unless some of it lies beside the face, too."""
_BESIDE = 0.08
"""Area of that some, in squared eye distances."""


def find_hair(seen: HeadColours) -> Float32 | None:
    """How surely each place (T, T) is hair, 0 to 1; None where it is not to be trusted."""
    if not seen.skin_model:
        return None
    at, skin = seen.at, seen.skin
    visible = _visible_rim(seen)
    if visible is None:
        return None
    seeds = visible & (skin < 8 * ANY_COLOUR)
    hair = np.zeros(skin.shape, np.float32)
    for _ in range(2):
        model = ColourModel(seen.lab, seeds, 3)
        scalp = _scalp(seen, model, seeds)
        if scalp.any():
            densities = model.densities(seen.lab)
            skin = skin + densities[scalp].sum(0)
            seeds = seeds & ~scalp[densities.argmax(0)]
            model = ColourModel(seen.lab, seeds, 3)
        if not model or (seeds & visible).sum() < _FEWEST * visible.sum():
            return None
        hair = _posterior(seen, model.density(seen.lab), skin)
        seeds = (hair > 0.7) & seen.inner & (at.beyond > 0) & (at.beyond < 1.2) & (at.under < 0.3)
    if not _is_believable(seen, model, hair):
        return None
    return _connected(_without_shade(seen, _without_shine(seen, hair)), visible & (hair > 0.5))


def _visible_rim(seen: HeadColours) -> Bool | None:
    """The part (T, T) of the surroundings of the face to learn the colours of hair from; None if there is too little.

    That is above the eyes, and in a photo that shows little but the face, also a little lower and closer to it.
    """
    at = seen.at
    rim = (at.beyond > 0.12) & (at.beyond < 0.75) & (at.up > 0.1)
    visible = rim & seen.inner
    if (rim & seen.own).sum() >= 0.4 * rim.sum() and visible.sum() >= 0.12 * rim.sum():
        return visible
    near = seen.inner & (at.beyond > 0.08) & (at.beyond < 0.75) & (at.up > -0.3)
    return near if seen.cropped and near.sum() >= _SEEN * at.unit**2 else None


def _without_shine(seen: HeadColours, hair: Float32) -> Float32:
    """``hair`` (T, T) without shine on the forehead, which may be as colourless as hair, but is lighter than skin."""
    light, sure = seen.lab[..., 0], hair > 0.6
    skin = percentile(light[seen.at.cheeks], 50)
    if percentile(light[sure], 50) > skin - _DARKER:
        return hair
    shine = rise(light - skin, *_SHINE) * (1 - rise(seen.at.beyond, 0.1, 0.35))
    return np.asarray(hair * (1 - shine), np.float32)


def _without_shade(seen: HeadColours, hair: Float32) -> Float32:
    """``hair`` (T, T) without skin beside it that lies in deep shade: dark as hair may be, but of the hue of skin."""
    sure = (hair > 0.6) & (seen.at.beyond > 0.3)
    if not sure.any():
        return hair
    theirs = percentile(seen.lab[sure], 50)
    skin = hue(percentile(seen.lab[seen.at.cheeks], 50)) - hue(theirs)
    if np.linalg.norm(skin) < _HUES_APART:
        return hair
    along = np.asarray((hue(seen.lab) - hue(theirs)) @ (skin / (skin @ skin)), np.float32)
    lighter = seen.lab[..., 0] - float(theirs[0])
    rough = seen.texture / float(percentile(seen.texture[seen.at.cheeks], 50))
    shade = rise(along, *_LIKE_SKIN) * rise(lighter, *_LIGHTER) * (1 - rise(rough, *_ROUGH))
    far = sure & (seen.at.beyond > 0.5)
    if far.any() and shade[far].mean() > _ALIKE:
        return hair
    return np.asarray(hair * (1 - shade * (1 - rise(seen.at.beyond, 0.2, 0.5))), np.float32)


def _scalp(seen: HeadColours, model: ColourModel, seeds: Bool) -> Bool:
    """Which of the Gaussians (n,) of the ``model``, learned from ``seeds`` (T, T), are skin in another light."""
    if not model:
        return np.zeros(0, bool)
    nearest = model.densities(seen.lab).argmax(0)
    smooth = _SMOOTH * percentile(seen.texture[seen.at.cheeks], 50)
    known = seen.skin_model.means
    found = []
    for number, colour in enumerate(model.means):
        off = np.linalg.norm(hue(colour) - hue(known), axis=1).min()
        may_be_skin = off < _SKIN_HUE and colour[0] > _SKIN_SHADE * known[:, 0].mean()
        of_it = seeds & (nearest == number)
        found.append(may_be_skin and of_it.any() and percentile(seen.texture[of_it], 50) < smooth)
    return np.array(found, bool)


def _posterior(seen: HeadColours, density: Float32, skin: Float32) -> Float32:
    """How surely each place (T, T) is hair, given the ``density`` of hair and that of ``skin`` at its colour."""
    at = seen.at
    hair = _hair_prior(at) * density
    clothes = 0.9 * rise(at.under, -0.2, 0.7) * seen.clothes
    total = hair + _skin_prior(at) * skin + clothes + 0.15 * ANY_COLOUR
    mask = hair / total * seen.in_front(total)
    lowest = _lowest(seen, mask, density)
    for side in (at.aside < 0, at.aside >= 0):
        if _is_long(seen, mask, side):
            mask = np.where(side, mask * lowest, mask)
        else:
            mask = np.where(side, mask * (1 - rise(-at.up, 0.45, 0.9)), mask)
    return np.asarray(mask, np.float32)


def _hair_prior(at: Places) -> Float32:
    """Where hair can be: around the face, over the forehead, not on the neck, and ever less far below the chin."""
    prior = 0.9 * rise(at.beyond, -0.1, 0.2)
    fringe = 0.35 * rise(at.beyond, -0.9, -0.3) * (at.over > 0.1)
    prior = np.maximum(prior, fringe) * (1 - 0.8 * rise(at.under, -0.2, 2.2))
    return np.asarray(prior * (1 - 0.97 * _neck(at)) * np.where(at.beyond < 0, rise(at.over, -0.15, 0.1), 1))


def _skin_prior(at: Places) -> Float32:
    face = np.where(at.beyond < 0, 0.9, 0.9 - 0.72 * rise(at.beyond, 0.1, 0.7))
    return np.asarray(np.maximum(face, 0.6 * _neck(at)), np.float32)


def _neck(at: Places) -> Float32:
    return np.asarray(rise(at.under, -0.6, 0) * (1 - rise(np.abs(at.aside), 0.55, 0.95)))


def _is_long(seen: HeadColours, hair: Float32, side: Bool) -> bool:
    """Whether the strip beside the cheek on one ``side`` is hair; else hair ends at the ear there."""
    at = seen.at
    beside = side & seen.own & (at.up < -0.3) & (at.under < 0) & (at.beyond > 0.06) & (at.beyond < 0.4)
    return bool(beside.any() and (hair[beside] > 0.5).mean() > _LONG)


def _lowest(seen: HeadColours, hair: Float32, density: Float32) -> Float32:
    """How far down long hair goes, factors 1 to 0: to about the chin, where clothes look like it or are not seen."""
    at = seen.at
    sure = (at.under < 0.2) & (hair > 0.6)
    likeness = seen.clothes / (seen.clothes + density + 1e-12)
    if seen.clothes.any() and sure.any() and likeness[sure].mean() < 0.15:
        return np.ones_like(hair)
    return 1 - rise(at.under, -0.5, 0.6)


def _is_believable(seen: HeadColours, model: ColourModel, hair: Float32) -> bool:
    """Whether this may be hair: of a colour that hair has, alike above and beside the face, and not under the chin."""
    at, sure = seen.at, hair > 0.6
    if not sure.any():
        return False
    a, b = np.moveaxis(seen.lab[sure][..., 1:], -1, 0)
    natural = (a > -6) & (a < 32) & (b > -9) & (np.hypot(a, b) < 48)  # neither green, nor blue, nor garish
    if natural.mean() < _SUCH_COLOURS or _is_hat(seen, sure):
        return False
    throat = seen.someone & (at.under > 0.08) & (at.under < 0.5) & (np.abs(at.aside) < 0.4)
    falls = all(_is_long(seen, hair, side) for side in (at.aside < 0, at.aside >= 0))
    return not (falls and _is_like(seen, model, throat))


def _is_hat(seen: HeadColours, sure: Bool) -> bool:
    """Whether what is ``sure`` (T, T) to lie above the face is of another colour than what lies beside it, or a large
    thing that nothing lies beside."""
    at, unit = seen.at, seen.at.unit
    top, sides = sure & (at.over > 0.5), sure & (at.up < 0.3) & (at.beyond > 0) & (at.beyond < 0.5)
    if sides.sum() < _BESIDE * unit**2 or not top.any():
        return bool(top.sum() > _CROWN * unit**2)
    light, *chroma = np.abs(percentile(seen.lab[top], 50) - percentile(seen.lab[sides], 50))
    if np.hypot(*chroma) > 16 or light > 40:
        return True
    shades = [np.histogram(seen.lab[part][:, 0], 25, (0, 100))[0] / part.sum() for part in (top, sides)]
    return bool(sides.sum() > 2 * _BESIDE * unit**2 and np.minimum(*shades).sum() < 0.15)


def _is_like(seen: HeadColours, model: ColourModel, where: Bool) -> bool:
    """Whether most of ``where`` looks like the ``model`` and not like skin: a scarf, around the whole face."""
    density = model.density(seen.lab)
    return bool(where.any() and (density > seen.skin + ANY_COLOUR)[where].mean() > 0.5)


def _connected(hair: Float32, roots: Bool) -> Float32:
    """``hair`` (T, T) without what does not hang together with its ``roots``."""
    _, labels = cv2.connectedComponents((hair > 0.3).astype(np.uint8), connectivity=4)
    kept = among(labels, labels[roots])
    near = cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(hair * near, np.float32)
