"""The rule by which weights are chosen, on reports with planted figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reage.evaluation.bootstrap import Score
from reage.evaluation.report import Report, from_json
from reage.evaluation.scores import Kid
from reage.evaluation.selection import select
from reage.evaluation.tables import selection_table

STORED = Path(__file__).parent.parent.parent / "benchmarks" / "embedded.json"


def report(
    title: str = "model",
    *,
    error: float = 0.5,
    kid: float = 0.3,
    same_person: float = 1.0,
    sharpness: float = 1.0,
) -> Report:
    """A report whose ``error`` and ``kid`` are in parts of doing nothing's."""
    stored = from_json(STORED.read_text(), "stored")
    everybody, nothing = stored.scores.everybody, stored.nothing

    def exactly(value: float) -> Score:
        return Score(value, value, value, 500)

    age = {
        judge: replace(scores, error=exactly(error * nothing.everybody.age[judge].error.value))
        for judge, scores in everybody.age.items()
    }
    everybody = replace(
        everybody,
        age=age,
        identity=replace(everybody.identity, accepted=exactly(same_person)),
        preservation=replace(everybody.preservation, sharpness=exactly(sharpness)),
    )
    scores = replace(stored.scores, everybody=everybody, mean_kid=Kid(kid * nothing.mean_kid.value, 0.001))
    return replace(stored, model=replace(stored.model, title=title), scores=scores)


def test_the_score_is_the_age_error_and_the_kid_in_parts_of_doing_nothings() -> None:
    assert select(report(error=0.5, kid=0.3)).score == pytest.approx(0.8)
    assert select(report(error=0.5, kid=0.3)).in_words.endswith(": 0.800")
    stored = report()
    assert select(replace(stored, scores=stored.nothing)).score == pytest.approx(2)


def test_weights_that_lose_the_person_or_blur_the_face_meet_an_objection() -> None:
    assert select(report()).objections == ()
    (objection,) = select(report(same_person=0.9)).objections
    assert "90.0% accepted as the same person" in objection
    assert objection in select(report(same_person=0.9)).in_words
    assert len(select(report(sharpness=0.8)).objections) == len(select(report(sharpness=1.2)).objections) == 1


def test_the_first_candidate_is_the_best_of_those_without_objections() -> None:
    candidates = [
        report("kid unknown", kid=np.nan),
        report("good", error=0.6),
        report("stranger", error=0.3, same_person=0.5),
        report("better", error=0.5),
    ]
    rows = [line.split(" | ") for line in selection_table(candidates)[2:]]
    assert [row[0].removeprefix("| ") for row in rows] == ["better", "good", "kid unknown", "stranger"]
    assert [row[1] for row in rows] == ["0.800", "0.900", "-", "0.600"]
