"""Choosing between weights on the validation split, by one score and two conditions.

The rule is written down in ``docs/scorecard.md``, with what speaks against letting judges choose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reage.evaluation.report import Report

LEAST_SAME_PERSON = 0.97
"""The least share of outputs that are taken for the person in the photo."""
SHARPNESS = (0.95, 1.1)
"""The least and the most sharpness of the face over that of the input."""


@dataclass(frozen=True)
class Selection:
    """Whether and how well a model is suited to be chosen.

    Attributes:
        score: less is better, and doing nothing has 2: the age error in parts of doing nothing's, as the mean of both
            judges, plus the KID (mean over targets) in parts of doing nothing's. NaN where there is no KID.
        objections: conditions that the model does not meet, in words; it is not chosen while another has none.
    """

    score: float
    objections: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """One line for people."""
        score = "unknown, for want of a KID" if math.isnan(self.score) else f"{self.score:.3f}"
        objections = "".join(f"; objection: {objection}" for objection in self.objections)
        return f"selection score (less is better, doing nothing has 2): {score}{objections}"


def select(report: Report) -> Selection:
    """Judge the model of a report as a candidate."""
    ours, nothing = report.scores.everybody, report.nothing.everybody
    ratios = [ours.age[judge].error.value / nothing.age[judge].error.value for judge in ours.age]
    objections = []
    same_person = ours.identity.accepted.value
    if same_person < LEAST_SAME_PERSON:
        objections.append(f"{same_person:.1%} taken for the same person, less than {LEAST_SAME_PERSON:.0%}")
    sharpness, (low, high) = ours.preservation.sharpness.value, SHARPNESS
    if not low <= sharpness <= high:
        objections.append(f"sharpness {sharpness:.2f}, not from {low:g} to {high:g}")
    return Selection(sum(ratios) / len(ratios) + report.kid_ratio, tuple(objections))
