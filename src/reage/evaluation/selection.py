"""Choosing between weights on the validation split, by one score and two conditions.

``docs/scorecard.md`` describes the rule, and the drawback of choosing by judges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reage.evaluation.report import Report

LEAST_SAME_PERSON = 0.97
"""The least share of outputs accepted as the same person."""
SHARPNESS = (0.95, 1.1)
"""Least and greatest sharpness of the face relative to the input."""


@dataclass(frozen=True)
class Selection:
    """The score of a model as a candidate.

    Attributes:
        score: lower is better, and doing nothing has 2: the age error relative to doing nothing, as the mean of both
            judges, plus the KID (mean over targets) relative to doing nothing. NaN without a KID.
        objections: conditions that the model does not meet; it is not chosen if another has none.
    """

    score: float
    objections: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """One line for people."""
        score = "unknown, because there is no KID" if math.isnan(self.score) else f"{self.score:.3f}"
        objections = "".join(f"; objection: {objection}" for objection in self.objections)
        return f"selection score (lower is better, doing nothing has 2): {score}{objections}"


def select(report: Report) -> Selection:
    """Judge the model of a report as a candidate."""
    ours, nothing = report.scores.everybody, report.nothing.everybody
    ratios = [ours.age[judge].error.value / nothing.age[judge].error.value for judge in ours.age]
    objections = []
    same_person = ours.identity.accepted.value
    if same_person < LEAST_SAME_PERSON:
        objections.append(f"{same_person:.1%} accepted as the same person, less than {LEAST_SAME_PERSON:.0%}")
    sharpness, (low, high) = ours.preservation.sharpness.value, SHARPNESS
    if not low <= sharpness <= high:
        objections.append(f"sharpness {sharpness:.2f}, not from {low:g} to {high:g}")
    return Selection(sum(ratios) / len(ratios) + report.kid_ratio, tuple(objections))
