"""The report of an evaluation as types, and the pair of functions that write it as JSON and read it back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from reage.errors import ReageError
from reage.evaluation.cost import Cost
from reage.evaluation.features import NAMES
from reage.evaluation.protocol import Protocol
from reage.evaluation.scores import Number, Score

FORMAT = 3
"""Raised whenever the meaning or the names of the figures change; reports of another format are not read."""


# -- scores of a group of faces --


@dataclass(frozen=True)
class AgeScores:
    """What one judge of age finds, in years.

    Attributes:
        error: mean absolute difference between the estimated age and the age asked for, over all targets.
        error_at_same_ages: the error over everybody whose photo is of the same age as those of the group.
        bias: mean difference; positive is too old.
        slope: years that the estimated age changes for each year asked for.
        rising: share of faces whose estimated age rises from each target to the next.
        real_error: the judge's own mean absolute error on real faces.
        real_bias: its own mean error on real faces.
    """

    error: Score
    error_at_same_ages: Number
    bias: Score
    slope: Score
    rising: Score
    real_error: Score
    real_bias: Score


@dataclass(frozen=True)
class IdentityScores:
    """Outputs beside their inputs: the share accepted as the same person, and distance and cosine similarity of their
    descriptors."""

    accepted: Score
    distance: Score
    cosine: Score


@dataclass(frozen=True)
class Kid:
    """A KID and its standard error."""

    value: Number
    error: Number


@dataclass(frozen=True)
class Realism:
    """Outputs, and beside them real faces, against the same reference: other real faces of the ages asked for.

    Attributes:
        outputs, real, reference: how many pictures of each kind there are.
        kid, fid: of the outputs.
        real_kid, real_fid: of real faces.
        fid_count: how many pictures a side the FIDs are of.
    """

    outputs: int
    real: int
    reference: int
    kid: Kid
    fid: Number
    real_kid: Kid
    real_fid: Number
    fid_count: int


@dataclass(frozen=True)
class Preservation:
    """What an edit leaves alone.

    Attributes:
        same_age_l1, same_age_psnr, same_age_ssim: of the edit to the very age that the face looks, against the input,
            in levels of 255, dB and parts of 1.
        outside: mean change outside the outline of the face, in levels of 255.
        sharpness: sharpness of the face over that of the input.
    """

    same_age_l1: Score
    same_age_psnr: Score
    same_age_ssim: Score
    outside: Score
    sharpness: Score


@dataclass(frozen=True)
class GroupScores:
    """Every score of a group of faces, or of everybody; ``age`` is by judge, ``realism`` of all targets together."""

    faces: int
    age: dict[str, AgeScores]
    identity: IdentityScores
    realism: Realism
    preservation: Preservation


# -- scores by target and by gap --


@dataclass(frozen=True)
class AgeAtTarget:
    """Estimated ages of the outputs at one target, and of real faces labelled about that age, by one judge, in years.

    ``spread`` is the standard deviation of the estimated ages between faces.
    """

    target: float
    judge: str
    estimated: Score
    spread: Number
    error: Score
    bias: Score
    real_estimated: Score
    real_error: Score
    real_bias: Score


@dataclass(frozen=True)
class RealismAtTarget:
    """Realism of the outputs at one target."""

    target: float
    realism: Realism


@dataclass(frozen=True)
class IdentityAtGap:
    """Identity of pairs of pictures that are ``gap[0]`` years apart or more, and less than ``gap[1]``."""

    gap: tuple[float, float]
    identity: IdentityScores


@dataclass(frozen=True)
class YearsMoved:
    """How many years the estimated age moves for each year asked, over one kind of edits: 1 is as asked.

    Attributes:
        judge: whose estimates.
        direction: whether the face was to look older or younger.
        source_ages: the ages that the photos look, in years, from the first to less than the second.
        gap: the years between the age that the photo looks and the target, from the first to less than the second.
        moved: years moved in that direction over years asked, of all such edits together.
    """

    judge: str
    direction: Literal["older", "younger"]
    source_ages: tuple[float, float]
    gap: tuple[float, float]
    moved: Score


@dataclass(frozen=True)
class RealMatch:
    """Identity distances to real photos that show the same people at about the target age.

    Attributes:
        direction: whether the real photos are older or younger than the edited ones.
        unedited: distance of the unedited photo to the real one.
        edited: distance of the edited photo to it.
        difference: ``edited`` minus ``unedited``; below 0 the edit comes nearer to how the person really looked.
    """

    direction: Literal["older", "younger"]
    unedited: Score
    edited: Score
    difference: Score


@dataclass(frozen=True)
class EditScores:
    """All scores of one way to edit: the model's, or doing nothing.

    Attributes:
        everybody: over all faces.
        age_by_target, realism_by_target: at each target.
        mean_kid: mean over the targets that have a KID; the headline of realism.
        mean_real_kid: the same of real faces.
    """

    everybody: GroupScores
    age_by_target: tuple[AgeAtTarget, ...]
    realism_by_target: tuple[RealismAtTarget, ...]
    mean_kid: Kid
    mean_real_kid: Kid


# -- the report --


@dataclass(frozen=True)
class ModelFacts:
    """The model that was judged, as its manifest describes it; ``files`` are SHA-256 by name."""

    title: str
    family: str
    size: int
    data: str
    teachers: list[str]
    training: dict[str, Any]
    files: dict[str, str]


@dataclass(frozen=True)
class DataFacts:
    """The data set: its name, the SHA-256 of its index, the paths of the edited faces, and how many more had none."""

    dataset: str
    index: str
    sample: list[str]
    no_face_found: int


@dataclass(frozen=True)
class CalibrationFacts:
    """How a judge of age was calibrated: on how many real faces, in bands of how many years, and the curve."""

    judge: str
    faces: int
    band: float
    estimates: list[float]
    ages: list[float]


@dataclass(frozen=True)
class ThresholdFacts:
    """Below which distance two pictures are accepted as one person, and the share of different people that are."""

    distance: float
    false_accepts: float
    faces: int


@dataclass(frozen=True)
class Report:
    """Everything that an evaluation says. All but ``cost`` is the same whenever the evaluation is repeated.

    Attributes:
        judges: SHA-256 of each judging network, by file name.
        versions: versions of the packages that took part, by name.
        warnings: sentences, without their full stops.
        real_pairs: real photos of one person years apart; None where the data names nobody twice.
        real_matches: edits beside real photos of the person at that age; None where there are none.
        scores: the model's.
        nothing: those of doing nothing.
        years_moved: the model's, by judge, direction, age of the source and gap.
        identity_by_gap: the model's.
        groups: the model's, for each labelled group.
    """

    format: int
    model: ModelFacts
    protocol: Protocol
    data: DataFacts
    judges: dict[str, str]
    versions: dict[str, str]
    warnings: list[str]
    calibration: CalibrationFacts
    threshold: ThresholdFacts
    real_pairs: tuple[IdentityAtGap, ...] | None
    real_matches: tuple[RealMatch, ...] | None
    scores: EditScores
    nothing: EditScores
    years_moved: tuple[YearsMoved, ...]
    identity_by_gap: tuple[IdentityAtGap, ...]
    groups: dict[str, GroupScores]
    cost: Cost

    @property
    def features(self) -> str:
        """The name of the features of KID and FID."""
        return NAMES[self.protocol.features]

    @property
    def kid_ratio(self) -> float:
        """The model's mean KID over targets in parts of doing nothing's; NaN where that is not above 0."""
        nothing = self.nothing.mean_kid.value
        return self.scores.mean_kid.value / nothing if nothing > 0 else math.nan


_ADAPTER = TypeAdapter(Report)


def to_json(report: Report) -> str:
    """The report as JSON text, from which `from_json` makes an equal one, but for figures beyond six decimals."""
    return _ADAPTER.dump_json(report, indent=1).decode() + "\n"


def from_json(text: str, source: str) -> Report:
    """The report in a JSON text.

    Args:
        text: what `to_json` wrote.
        source: where it is from, to begin the message of an error with.

    Raises:
        ReageError: it is no report, or one of another format.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ReageError(f"{source}: this is not a report of `reage evaluate`: {error}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found is None:
        raise ReageError(f"{source}: this is not a report of `reage evaluate`")
    if found != FORMAT:
        raise ReageError(f"{source}: the report has format {found}, but this version of reage reads {FORMAT}")
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ReageError(f"{source}: the report is damaged at {place}: {first['msg']}") from error
