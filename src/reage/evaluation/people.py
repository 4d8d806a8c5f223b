"""Real faces with their labels, their edits, and the groups they belong to: arrays, a row a face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float64
from reage.evaluation.measurement_cache import Arrays

PSNR_OF_EQUALS = 100.0
"""Decibels that stand for a picture that did not change at all."""


@dataclass(frozen=True)
class People:
    """N real faces: their labels, and what the judges see in them.

    ``gender`` and ``race`` are objects, None where unlabelled; ``subject`` is a name, or a number of its own where
    the data names nobody; ``ages`` (N, 2) are readings, ``male`` (N,), ``descriptors`` (N, 128), ``features`` (N, D).
    """

    age: Float64
    gender: npt.NDArray[Any]
    race: npt.NDArray[Any]
    subject: npt.NDArray[Any]
    ages: Float64
    male: Float64
    descriptors: Float64
    features: Float64

    def __len__(self) -> int:
        return len(self.age)

    def where(self, mask: npt.NDArray[Any]) -> People:
        """Those that ``mask`` (or indices) chooses."""
        return People(**{name: value[mask] for name, value in vars(self).items()})

    def near(self, age: float, half: float) -> Bool:
        """Whose label is within ``half`` years of ``age``."""
        return (self.age >= age - half) & (self.age < age + half)


@dataclass(frozen=True)
class Edits:
    """S faces aged to T targets.

    ``ages`` (S, T, 2) are readings, ``distances`` and ``cosines`` (S, T) between descriptors of output and input;
    ``features`` (S, T, D), ``outside`` and ``sharp`` (S, T), ``same`` (S, 3) are as in `Measurer.edited`.
    """

    ages: Float64
    distances: Float64
    cosines: Float64
    features: Float64
    outside: Float64
    sharp: Float64
    same: Float64

    def where(self, mask: npt.NDArray[Any]) -> Edits:
        """The faces that ``mask`` (or indices) chooses."""
        return Edits(**{name: value[mask] for name, value in vars(self).items()})


def edits_of(people: People, measured: Arrays, ages: Float64) -> Edits:
    """What `Measurer.edited` found of ``people``, with ``ages`` calibrated, against their own photos."""
    ours, theirs = measured["descriptors"].astype(np.float64), people.descriptors[:, None]
    norms = np.linalg.norm(ours, axis=2) * np.linalg.norm(theirs, axis=2)
    return Edits(
        ages=ages,
        distances=np.linalg.norm(ours - theirs, axis=2),
        cosines=(ours * theirs).sum(2) / norms,
        **{name: measured[name].astype(np.float64) for name in ("features", "outside", "sharp", "same")},
    )


def do_nothing(people: People, targets: Sequence[float]) -> Edits:
    """The identity map: every answer is the input. Best at keeping, useless at ageing."""
    shape = (len(people), len(targets))
    return Edits(
        ages=np.repeat(people.ages[:, None], len(targets), 1),
        distances=np.zeros(shape),
        cosines=np.ones(shape),
        features=np.repeat(people.features[:, None], len(targets), 1),
        outside=np.zeros(shape),
        sharp=np.ones(shape),
        same=np.tile((0.0, PSNR_OF_EQUALS, 1.0), (len(people), 1)),
    )


@dataclass(frozen=True)
class Group:
    """People of one label: ``members`` gives their mask (N,); ``of_ages`` tells that the label is their age."""

    name: str
    members: Callable[[People], Bool]
    of_ages: bool = False


def groups_of(
    people: People, races: Mapping[int, str], half_band: float, targets: Sequence[float]
) -> list[Group]:
    """The labelled groups that ``people`` belong to: gender, race code, and age band of the label.

    ``races`` names the codes; one that it does not name is a group all the same.
    """
    codes = sorted({code for code in people.race if code is not None})
    groups = [
        *(
            Group(name, partial(_labelled, "gender", gender))
            for gender, name in (("F", "women"), ("M", "men"))
        ),
        *(
            Group(f"race {races.get(code, f'code {code}')}", partial(_labelled, "race", code))
            for code in codes
        ),
        *(Group(_band_name(t, half_band), partial(_aged, t, half_band), of_ages=True) for t in targets),
    ]
    return [group for group in groups if group.members(people).any()]


def _labelled(label: str, value: Any, people: People) -> Bool:
    return np.array([each == value for each in getattr(people, label)], bool)


def _aged(age: float, half: float, people: People) -> Bool:
    return people.near(age, half)


def _band_name(age: float, half: float) -> str:
    return f"aged {age - half:g} to {age + half - 1:g}"
