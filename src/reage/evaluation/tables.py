"""Markdown tables of one or several reports, and the format of their figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reage.evaluation.bootstrap import Score
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.metrics import slope
from reage.evaluation.movement import DIRECTIONS, GAPS, ORDINARY, Span, find_moved, span_text
from reage.evaluation.rating.bradley_terry import Preference
from reage.evaluation.report import Report
from reage.evaluation.scores import EditScores, Kid
from reage.evaluation.selection import Selection, select

MISSING = "-"


def score_text(score: Score, digits: int = 2) -> str:
    """A score and its interval, if it has one."""
    value = number_text(score.value, digits)
    if math.isnan(score.low):
        return value
    return f"{value} ({score.low:.{digits}f} to {score.high:.{digits}f})"


def number_text(value: float | None, digits: int = 3) -> str:
    """A number that may be missing: None or NaN."""
    return MISSING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent_text(score: Score) -> str:
    """A share from 0 to 1 in percent, without its interval."""
    return MISSING if math.isnan(score.value) else f"{100 * score.value:.0f} %"


def kid_text(kid: Kid) -> str:
    """A KID and its standard error."""
    return f"{number_text(kid.value, 4)} ± {number_text(kid.error, 4)}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; head and rows are cells, and all equally many."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def summary_tables(reports: Sequence[Report]) -> list[str]:
    """Two tables, of age and of everything else, with rows for doing nothing, each model, and real faces.

    Cells with two figures have those of the first and the second judge of age.
    """
    ways = {"do nothing": reports[0].nothing, **{report.model.title: report.scores for report in reports}}
    ordinary = span_text(ORDINARY)
    head = ["model", "age error, years", "slope", "rising"]
    head += [f"moved per year asked, {direction} by {ordinary} years" for direction in DIRECTIONS]
    ages = [_age_row(name, scores) for name, scores in ways.items()]
    ages[0] += ["0.00 / 0.00"] * 2
    for row, report in zip(ages[1:], reports, strict=True):
        row += [_moved_text(report, direction, ORDINARY) for direction in DIRECTIONS]
    nothing = reports[0].nothing
    real = [score_text(age.real_error, 1) for age in nothing.everybody.age.values()]
    slopes = [number_text(_real_slope(nothing, judge), 2) for judge in AGE_JUDGES]
    ages.append(["*real faces*", " / ".join(real), " / ".join(slopes), "", "", ""])
    return [*markdown_table(head, ages), "", *_keeping_table(ways, reports)]


def _age_row(name: str, scores: EditScores) -> list[str]:
    judges = [scores.everybody.age[judge] for judge in AGE_JUDGES]
    return [
        name,
        " / ".join(score_text(age.error, 1) for age in judges),
        " / ".join(number_text(age.slope.value, 2) for age in judges),
        " / ".join(percent_text(age.rising) for age in judges),
    ]


def _real_slope(scores: EditScores, judge: str) -> float:
    """Years that ``judge``'s mean estimate of real faces about each target changes for each year of their mean age."""
    rows = [row for row in scores.age_by_target if row.judge == judge and row.real_estimated.count]
    if len(rows) < 2:
        return math.nan
    estimates = np.array([row.real_estimated.value for row in rows], np.float64)
    ages = estimates - np.array([row.real_bias.value for row in rows], np.float64)
    return float(slope(ages, estimates[None])[0])


def _keeping_table(ways: Mapping[str, EditScores], reports: Sequence[Report]) -> list[str]:
    """Identity, realism and preservation of each of the ``ways`` to edit."""
    head = [
        "model",
        "same person",
        "KID, mean over targets",
        "relative to doing nothing",
        "FID, all targets",
    ]
    head += ["same-age PSNR", "sharpness"]
    ratios = [1.0, *(report.kid_ratio for report in reports)]
    rows = []
    for (name, scores), ratio in zip(ways.items(), ratios, strict=True):
        everybody = scores.everybody
        cells = [name, percent_text(everybody.identity.accepted), kid_text(scores.mean_kid)]
        cells += [number_text(ratio, 2), number_text(everybody.realism.fid, 1)]
        cells.append(number_text(everybody.preservation.same_age_psnr.value, 1))
        rows.append([*cells, number_text(everybody.preservation.sharpness.value, 2)])
    nothing = reports[0].nothing
    fid = number_text(nothing.everybody.realism.real_fid, 1)
    rows.append(["*real faces*", "", kid_text(nothing.mean_real_kid), "", fid, "", ""])
    distances = [scores.everybody.preservation.perceptual for scores in ways.values()]
    if all(distance.count for distance in distances):  # earlier reports have none
        head.append("perceptual distance to the input")
        for row, distance in zip(rows, distances, strict=False):
            row.append(number_text(distance.value, 3))
        rows[-1].append("")
    return markdown_table(head, rows)


def moved_table(reports: Sequence[Report]) -> list[str]:
    """Years moved for each year asked, by direction and gap: a line for each model."""
    head = ["model", *(f"{direction}, {span_text(gap)}" for direction in DIRECTIONS for gap in GAPS)]
    rows = [
        [
            report.model.title,
            *(_moved_text(report, direction, gap) for direction in DIRECTIONS for gap in GAPS),
        ]
        for report in reports
    ]
    return markdown_table(head, rows)


def _moved_text(report: Report, direction: str, gap: Span) -> str:
    scores = (find_moved(report.years_moved, judge, direction, gap=gap) for judge in AGE_JUDGES)
    return " / ".join(number_text(score.value, 2) for score in scores)


def selection_table(reports: Sequence[Report]) -> list[str]:
    """The models as candidates (`selection.select`), the best first."""
    selections = {report.model.title: select(report) for report in reports}

    def rank(item: tuple[str, Selection]) -> tuple[bool, bool, float]:
        selection = item[1]
        return bool(selection.objections), math.isnan(selection.score), selection.score

    order = sorted(selections.items(), key=rank)
    rows = [
        [title, number_text(each.score, 3), "; ".join(each.objections) or "none"] for title, each in order
    ]
    return markdown_table(["model", "selection score", "objections"], rows)


def preference_table(rows: Sequence[Preference]) -> list[str]:
    """Preferences of people, the best model first."""
    head = [
        "model",
        "score by people (Bradley-Terry)",
        "wins against the mean model",
        "votes won",
        "tied",
        "lost",
    ]
    cells = [
        [
            row.model,
            score_text(row.score),
            f"{100 * row.share:.0f} %",
            *map(str, (row.wins, row.ties, row.losses)),
        ]
        for row in sorted(rows, key=lambda row: -row.score.value)
    ]
    return markdown_table(head, cells)


def cost_table(reports: Sequence[Report]) -> list[str]:
    """The cost of each model."""
    head = ["model", "family", "size, px", "parameters, million", "GMAC a face", "ms a face", "peak MB"]
    rows = [
        [
            report.model.title,
            report.model.family,
            str(report.model.size),
            number_text(report.cost.parameters / 1e6, 2),
            number_text(report.cost.multiply_adds / 1e9, 2),
            number_text(report.cost.milliseconds, 1),
            number_text(report.cost.megabytes, 0),
        ]
        for report in reports
    ]
    return markdown_table(head, rows)
