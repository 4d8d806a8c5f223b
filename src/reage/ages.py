"""The range of ages, in years, that every part of the package uses."""

from typing import Literal

MAX_AGE = 116.0
"""The oldest age that can be asked for, in years: the oldest in the labels of UTKFace."""

DIRECTIONS: dict[str, Literal["older", "younger"]] = {"young2old": "older", "old2young": "younger"}
"""The two directions: the names that users see, and those used in the code."""
