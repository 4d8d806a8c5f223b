"""What is asked over HTTP, in the types of JSON, as what it means; anything else is refused in one sentence."""

from __future__ import annotations

import math
from typing import Any, Literal

from reage.ages import DIRECTIONS
from reage.errors import AgeError, RegionError
from reage.request import GENDERS, Request


def target_of(age: Any, direction: str) -> float | Literal["older", "younger"] | None:
    """The age asked for, or what ``direction`` means, of which one is said; raises `AgeError` for anything else."""
    if not direction:
        return None if age is None else years(age)
    if direction not in DIRECTIONS or age is not None:
        raise AgeError(f"say an age, or as direction {' or '.join(DIRECTIONS)}")
    return DIRECTIONS[direction]


def request_of(
    age: float | Literal["older", "younger"] | None,
    strength: Any,
    gender: Any,
    source: Any,
    regions: Any,
    *,
    faces: str | None = None,
) -> Request:
    """The settings of an edit as a `Request`; raises `AgeError` or `RegionError` for what is none."""
    if not isinstance(regions, dict):
        raise RegionError('regions are factors by name, such as {"forehead": 0.5}')
    if gender and (not isinstance(gender, str) or gender not in GENDERS):
        raise AgeError(f"gender is female, male or empty, not '{str(gender)[:60]}'")
    return Request(
        to=age,
        faces=faces,
        strength=number(strength, "strength"),
        male=GENDERS[gender] if gender else None,
        source=None if source in (None, "") else years(source),
        regions={str(name): number(factor, f"region {name}") for name, factor in regions.items()},
    )


def years(age: Any) -> float:
    """``age`` as a number; raises `AgeError` if it is none."""
    return number(age, "an age")


def number(value: Any, name: str) -> float:
    """``value`` as a number; raises `AgeError` if it is none or infinite, since components pass on any JSON."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise AgeError(f"{name} is a number, not {str(value)[:60]!r}")
    return number
