"""Measurements of real and edited faces, with labels and groups: arrays with one row per face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float64
from reage.evaluation.measurement_cache import Arrays

PSNR_OF_EQUALS = 100.0
"""Decibels that stand for a picture that did not change at all."""

GENDERS = {"F": "women", "M": "men"}
"""Names of groups by the labels of an index."""


@dataclass(frozen=True)
class RealFaces:
    """N photos of real people: their labels, and the measurements of the judges.

    Attributes:
        age: (N,), labelled ages in years.
        gender: (N,), "F", "M" or None if unlabelled.
        race: (N,), codes of the data set, or None if unlabelled.
        subject: (N,), the person's name, or a unique number if the data has no names.
        estimated_ages: (N, 2) in years, one column for each judge of age.
        male_probability: (N,), from 0 to 1.
        descriptors: (N, 128), for comparing identities.
        features: (N, D), for KID and FID.
    """

    age: Float64
    gender: npt.NDArray[Any]
    race: npt.NDArray[Any]
    subject: npt.NDArray[Any]
    estimated_ages: Float64
    male_probability: Float64
    descriptors: Float64
    features: Float64

    def __len__(self) -> int:
        return len(self.age)

    def where(self, chosen: npt.NDArray[Any]) -> RealFaces:
        """The faces that ``chosen``, a mask (N,) or indices, picks."""
        return replace(self, **{name: values[chosen] for name, values in vars(self).items()})

    def aged_about(self, age: float, half_band: float) -> Bool:
        """Mask (N,) of the faces whose label is within ``half_band`` years of ``age``, the upper end not included."""
        return (self.age >= age - half_band) & (self.age < age + half_band)

    def is_named(self) -> Bool:
        """Mask (N,) of the faces whose person the data names."""
        return np.array([isinstance(subject, str) for subject in self.subject], bool)


@dataclass(frozen=True)
class EditedFaces:
    """N faces, each edited to T target ages.

    Attributes:
        estimated_ages: (N, T, 2) in years, one column for each judge of age.
        descriptors: (N, T, 128), for comparing identities.
        distances: (N, T), Euclidean distances between the descriptors of output and input.
        cosines: (N, T), cosine similarities between them.
        features: (N, T, D), for KID and FID.
        outside: (N, T), mean change outside the outline of the face, in levels of 255.
        sharpness: (N, T), sharpness of the face over that of the input.
        perceptual: (N, T), perceptual distances between output and input (`features.perceptual_distances`).
        same_age: (N, 3), L1 in levels of 255, PSNR in dB and SSIM of the edit to the very age that the face looks.
    """

    estimated_ages: Float64
    descriptors: Float64
    distances: Float64
    cosines: Float64
    features: Float64
    outside: Float64
    sharpness: Float64
    perceptual: Float64
    same_age: Float64

    def where(self, chosen: npt.NDArray[Any]) -> EditedFaces:
        """The faces that ``chosen``, a mask (N,) or indices, picks."""
        return replace(self, **{name: values[chosen] for name, values in vars(self).items()})


def edited_faces(faces: RealFaces, measured: Arrays, estimated_ages: Float64) -> EditedFaces:
    """Compare the measurements of edits with those of the source photos.

    Args:
        faces: the N photos.
        measured: the arrays of `Measurer.edited`, one row for each photo.
        estimated_ages: (N, T, 2), the estimated ages after calibration.
    """
    output, photo = measured["descriptors"].astype(np.float64), faces.descriptors[:, None]
    norms = np.linalg.norm(output, axis=2) * np.linalg.norm(photo, axis=2)
    return EditedFaces(
        estimated_ages=estimated_ages,
        descriptors=output,
        distances=np.linalg.norm(output - photo, axis=2),
        cosines=(output * photo).sum(2) / norms,
        **{
            name: measured[name].astype(np.float64)
            for name in ("features", "outside", "sharpness", "perceptual", "same_age")
        },
    )


def do_nothing(faces: RealFaces, targets: Sequence[float]) -> EditedFaces:
    """The edit that returns its input for every target, as a baseline."""
    shape = (len(faces), len(targets))
    return EditedFaces(
        estimated_ages=np.repeat(faces.estimated_ages[:, None], len(targets), 1),
        descriptors=np.repeat(faces.descriptors[:, None], len(targets), 1),
        distances=np.zeros(shape),
        cosines=np.ones(shape),
        features=np.repeat(faces.features[:, None], len(targets), 1),
        outside=np.zeros(shape),
        sharpness=np.ones(shape),
        perceptual=np.zeros(shape),
        same_age=np.tile((0.0, PSNR_OF_EQUALS, 1.0), (len(faces), 1)),
    )


@dataclass(frozen=True)
class Group:
    """Faces that share a label. ``members`` gives their mask (N,); ``by_age`` says that the label is their age."""

    name: str
    members: Callable[[RealFaces], Bool]
    by_age: bool = False


def groups_of(
    faces: RealFaces, races: Mapping[int, str], half_band: float, targets: Sequence[float]
) -> list[Group]:
    """The groups that have members among ``faces``: by gender, by race, and by labelled age.

    Args:
        faces: the faces to group.
        races: names of race codes; a code without a name makes a group all the same.
        half_band: half the width of an age band, in years.
        targets: the centres of the age bands.
    """
    codes = sorted({code for code in faces.race if code is not None})
    groups = [
        *(Group(name, partial(_labelled, "gender", label)) for label, name in GENDERS.items()),
        *(
            Group(f"race {races.get(code, f'code {code}')}", partial(_labelled, "race", code))
            for code in codes
        ),
        *(Group(_band_name(t, half_band), partial(_in_band, t, half_band), by_age=True) for t in targets),
    ]
    return [group for group in groups if group.members(faces).any()]


def _labelled(label: str, value: Any, faces: RealFaces) -> Bool:
    return np.array([each == value for each in getattr(faces, label)], bool)


def _in_band(age: float, half_band: float, faces: RealFaces) -> Bool:
    return faces.aged_about(age, half_band)


def _band_name(age: float, half_band: float) -> str:
    return f"aged {age - half_band:g} to {age + half_band - 1:g}"
