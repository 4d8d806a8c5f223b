"""The report of an evaluation as dataclasses, written as JSON and read back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reage.errors import ReageError
from reage.evaluation.cost import Cost
from reage.evaluation.features import NAMES
from reage.evaluation.protocol import Protocol
from reage.evaluation.scores import EditScores, GroupScores, IdentityAtGap, RealMatch, YearsMoved

FORMAT = 3
"""Raised whenever the meaning or the names of the figures change; reports of another format are not read."""


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
    """The calibration of a judge of age: number of real faces, width of the age bands, and the curve."""

    judge: str
    faces: int
    band: float
    estimates: list[float]
    ages: list[float]


@dataclass(frozen=True)
class ThresholdFacts:
    """The distance below which two pictures are accepted as one person, and the share of different people accepted."""

    distance: float
    false_accepts: float
    faces: int


@dataclass(frozen=True)
class Report:
    """The result of an evaluation. All but ``cost`` is the same when the evaluation is repeated.

    Attributes:
        judges: SHA-256 of each judging network, by file name.
        versions: versions of the packages that took part, by name.
        warnings: sentences, without their full stops.
        real_pairs: real photos of one person years apart; None if the data names nobody twice.
        real_matches: edits beside real photos of the person at that age; None if there are none.
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
        """The model's mean KID over targets relative to doing nothing; NaN if that is not above 0."""
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
