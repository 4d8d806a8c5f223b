"""Mattes: masks as functions of the photo's colour."""

from __future__ import annotations

import numpy as np
import pytest

from reage.edit.matte import fit_matte, tell_apart

SIDE = 64


def strands() -> tuple[np.ndarray, np.ndarray]:
    """Dark hair above light skin, with strands that reach down: the part (S, S) of hair, and the picture (S, S, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    part = np.where(y < 24, 1.0, np.where(y < 40, 0.5 + 0.5 * np.sin(x), 0.0)).astype(np.float32)
    hair, skin = np.array([-0.7, -0.8, -0.8]), np.array([0.6, 0.2, 0.1])
    return part, (part[..., None] * hair + (1 - part[..., None]) * skin).astype(np.float32)


def test_strands_of_hair_over_skin_are_told_apart_by_their_colour() -> None:
    part, picture = strands()
    rows = np.arange(SIDE)[:, None]
    above, below = (np.broadcast_to(each, part.shape).astype(np.float32) for each in (rows < 24, rows >= 40))
    matte, sure = tell_apart(above, below, picture, sigma=14)
    between = np.s_[26:38]
    assert sure[between].min() > 0.5
    assert np.abs(matte.at(picture)[between] - part[between]).max() < 0.02
    assert sure[:4].max() < 0.05  # there is hardly any skin nearby
    assert np.abs(matte.inverse().at(picture) + matte.at(picture) - 1).max() < 1e-5


def test_what_has_the_same_colour_is_not_told_apart() -> None:
    picture = np.full((SIDE, SIDE, 3), 0.1, np.float32)
    half = np.zeros((SIDE, SIDE), np.float32)
    half[:32] = 1
    assert tell_apart(half, 1 - half, picture, sigma=8)[1].max() == 0


def test_a_mixture_of_mattes_is_one_of_both() -> None:
    part, picture = strands()
    low, high = fit_matte(0 * part, picture), fit_matte(np.ones_like(part), picture)
    weight = np.zeros_like(part)
    weight[:, 32:] = 1
    mixed = low.mixed(high, weight).at(picture)
    assert mixed[:, :32].max() == 0
    assert mixed[:, 32:].min() == pytest.approx(1)
