"""Compares the colours of a head frame with those of skin, clothes and background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reage.arrays import Bool, Float32
from reage.edit.colours import ColourModel
from reage.edit.head import Head, Places
from reage.edit.masks import rise
from reage.photo.lab import to_lab

SMALL = 128
"""Side in pixels of the reduced head frame in which colours are compared."""


@dataclass(frozen=True)
class HeadColours:
    """The head frame reduced to T = `SMALL` pixels.

    ``lab`` (T, T, 3) is its picture in CIELAB, ``texture`` (T, T) the strength of fine detail in its lightness.
    ``person`` (T, T) and ``at`` are as in `read_colours`, ``own`` (T, T) and ``cropped`` as in `Head`. ``skin``,
    ``clothes`` and ``behind`` (T, T) are the densities of each of these at the colour of a place.
    """

    lab: Float32
    texture: Float32
    person: Float32
    own: Bool
    cropped: bool
    at: Places
    skin_model: ColourModel
    skin: Float32
    clothes: Float32
    behind: Float32

    @property
    def someone(self) -> Bool:
        """Where this person is for certain, not the background or somebody else."""
        return np.asarray(self.own & (self.person > 0.8))

    @property
    def inner(self) -> Bool:
        """The same without its rim, whose colours are mixed with those of the background."""
        certain = (self.own & (self.person > 0.95)).astype(np.uint8)
        return np.asarray(cv2.erode(certain, np.ones((5, 5), np.uint8)) > 0)

    def in_front(self, density: Float32) -> Float32:
        """0 to 1: whether a place belongs to the person, given the ``density`` of its colour among all of a person."""
        person = self.person * density
        share = person / (person + (1 - self.person) * (self.behind + density.mean()) + 1e-12)
        return np.asarray(rise(np.sqrt(self.person * share), 0.35, 0.8) * self.own, np.float32)


def read_colours(head: Head, person: Float32, at: Places) -> HeadColours:
    """What can be said of the colours of ``head`` before hair and neck are looked for.

    ``person`` (S, S) is the probability of a person, not the background; ``at`` are the places of the reduced frame.
    """
    size = (SMALL, SMALL)
    lab = to_lab(np.asarray(cv2.resize(head.pixels, size, interpolation=cv2.INTER_AREA)))
    grey = cv2.cvtColor(head.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) * np.float32(100 / 255)
    fine = cv2.GaussianBlur(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 2)), (0, 0), 2)
    texture = np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32)
    person = np.asarray(cv2.resize(person, size, interpolation=cv2.INTER_AREA), np.float32)
    own = cv2.resize(head.own.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    skin = ColourModel(lab, at.cheeks & own, 3, (60, 6))
    clothes = ColourModel(lab, own & (person > 0.8) & (at.under > 1.1), 5)
    behind = ColourModel(lab, own & (person < 0.08), 6)
    return HeadColours(
        lab,
        texture,
        person,
        own,
        head.cropped,
        at,
        skin,
        skin.density(lab),
        clothes.density(lab),
        behind.density(lab),
    )
