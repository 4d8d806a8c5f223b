"""Reports as JSON: what is written is read back, and anything else is refused in one line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reage.errors import ReageError
from reage.evaluation.bootstrap import NO_SCORE, mean_score
from reage.evaluation.report import FORMAT, from_json, to_json
from reage.evaluation.report_text import as_markdown
from reage.evaluation.tables import summary_tables

STORED = Path(__file__).parent.parent.parent / "benchmarks" / "embedded.json"


def test_a_report_that_is_written_is_read_back_equal() -> None:
    text = STORED.read_text()
    report = from_json(text, "stored")
    assert to_json(report) == text
    assert from_json(to_json(report), "again") == report
    assert report.protocol.ages == (20, 30, 40, 50, 60, 70, 80)
    stored = json.loads(text)["scores"]["everybody"]["age"]["face_age.onnx"]["error"]["value"]
    assert report.scores.everybody.age["face_age.onnx"].error.value == stored


def test_a_figure_that_there_is_not_is_null_in_json_and_a_dash_in_text() -> None:
    report = from_json(STORED.read_text(), "stored")
    first = report.scores.age_by_target[0]
    rows = (replace(first, target=77.0, error=NO_SCORE), *report.scores.age_by_target[1:])
    report = replace(report, scores=replace(report.scores, age_by_target=rows))
    content = json.loads(to_json(report))
    assert content["scores"]["age_by_target"][0]["error"] == {
        "value": None,
        "low": None,
        "high": None,
        "count": 0,
    }
    for again in (report, from_json(to_json(report), "again")):
        (line,) = [line for line in as_markdown(again).splitlines() if line.startswith("| 77 |")]
        assert line.split(" | ")[3] == "-"


def test_the_slope_of_real_faces_is_that_of_their_mean_estimates_on_their_mean_ages() -> None:
    report = from_json(STORED.read_text(), "stored")
    rows = []
    for row in report.nothing.age_by_target:
        estimated = 45 + 0.5 * (row.target - 45)
        means = mean_score(np.array([estimated])), mean_score(np.array([estimated - row.target]))
        rows.append(replace(row, real_estimated=means[0], real_bias=means[1]))
    report = replace(report, nothing=replace(report.nothing, age_by_target=tuple(rows)))
    (first, *_) = [line for line in summary_tables([report]) if "*real faces*" in line]
    assert first.split(" | ")[2] == "0.50 / 0.50"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a report"),
        ("[1]", "not a report"),
        ("{}", "not a report"),
        (json.dumps({"format": 1, "model": {}}), f"format 1, but this version of reage reads {FORMAT}"),
        (json.dumps({"format": FORMAT}), "damaged at model"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ReageError) as refusal:
        from_json(text, "reports/old")
    message = str(refusal.value)
    assert message.startswith("reports/old: ")
    assert said in message
    assert "\n" not in message


def test_a_report_whose_figures_are_of_another_kind_is_refused() -> None:
    content = json.loads(STORED.read_text())
    content["scores"]["everybody"]["faces"] = "many"
    with pytest.raises(ReageError, match=r"damaged at scores\.everybody\.faces"):
        from_json(json.dumps(content), "report")
