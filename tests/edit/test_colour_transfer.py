"""Where grey hair turns dark: only where it is certain to be hair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reage.edit.colour_transfer import Part, hair_edit, to_luma
from reage.edit.head import SIDE
from reage.edit.head_colours import SMALL
from reage.edit.matte import Matte

WHITE, SKIN = (0.6, 0.58, 0.55), (0.7, 0.3, 0.1)
UNIT = SMALL / 6.5
BAND, SHINE = np.s_[4:64, 4:124], np.s_[90:96, 60:66]
"""Where hair is, and an island of shine on the forehead, in the small head frame."""


def head(weight: np.ndarray) -> Part:
    """A head with a band of white hair of fine strands over smooth skin."""
    rng = np.random.default_rng(0)
    small = np.full((SMALL, SMALL, 3), SKIN, np.float32)
    for place in (BAND, SHINE):
        small[place] = WHITE
    pixels = small.repeat(SIDE // SMALL, 0).repeat(SIDE // SMALL, 1)
    strands = np.zeros((SIDE, SIDE, 1), np.float32)
    strands[8:128, 8:248] = rng.normal(0, 0.15, (120, 240, 1))
    matte = Matte(np.zeros((SIDE, SIDE, 4), np.float32))
    support = np.ones((SMALL, SMALL), np.float32)
    return Part(UNIT, matte, support, weight, to_luma(small), np.asarray(pixels + strands, np.float32))


def found(band: float = 1.0) -> np.ndarray:
    """A mask of hair that takes the shine for hair, too."""
    weight = np.zeros((SMALL, SMALL), np.float32)
    weight[BAND], weight[SHINE] = band, 1
    return weight


def darker(part: Part, greying: float = -1.0) -> np.ndarray:
    nothing = np.zeros((SMALL, SMALL, 3), np.float32), np.zeros((SMALL, SMALL), np.float32)
    delta = hair_edit(*nothing, part, 1.0, greying).delta
    return -to_luma(delta)[:: SIDE // SMALL, :: SIDE // SMALL, 0]


def test_white_hair_turns_dark_and_shine_on_the_forehead_does_not() -> None:
    change = darker(head(found()))
    assert change[20:40, 30:100].min() > 0.7
    assert abs(change[SHINE]).max() < 0.1


def test_half_of_the_years_give_half_of_the_colour_back() -> None:
    part = head(found())
    assert darker(part, -0.5)[30, 60] == pytest.approx(darker(part)[30, 60] / 2, rel=0.02)


def test_thin_hair_that_scalp_shows_through_stays_as_it_is() -> None:
    assert abs(darker(head(found(0.6)))).max() < 1e-3


def test_strands_of_grey_hair_stand_out_but_not_the_edge_between_hair_and_skin() -> None:
    functions = np.zeros((SIDE, SIDE, 4), np.float32)
    functions[:, : SIDE // 2, 3] = 1  # hair on the left
    weight = np.zeros((SMALL, SMALL), np.float32)
    weight[:, : SMALL // 2] = 1
    dark = replace(
        head(weight), matte=Matte(functions), broad=np.full((SMALL, SMALL, 3), (-0.8, 0, 0), np.float32)
    )
    nothing = np.zeros((SMALL, SMALL, 3), np.float32), np.zeros((SMALL, SMALL), np.float32)
    gain = hair_edit(*nothing, dark, 1.0, 0.5).gain
    assert gain[:, : SIDE // 2 - 10].min() > 1
    assert gain[:, SIDE // 2 :].max() == 0
