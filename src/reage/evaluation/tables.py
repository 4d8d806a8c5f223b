"""Markdown tables of one or several reports, and how figures are written in them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.report import EditScores, Kid, Report
from reage.evaluation.scores import Score

MISSING = "-"


def score_text(score: Score, digits: int = 2) -> str:
    """A score and its interval, where it has one."""
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


def summary_table(reports: Sequence[Report]) -> list[str]:
    """One line for doing nothing, one for each model, and one for real faces: what nobody can honestly beat."""
    head = ["model", "age error, years", "second judge", "slope", "rising", "same person", "KID", "FID"]
    head += ["same-age PSNR", "sharpness"]
    nothing = reports[0].nothing
    rows = [_summary_row("do nothing", nothing)]
    rows += [_summary_row(report.model.title, report.scores) for report in reports]
    first, second = (nothing.everybody.age[judge].real_error for judge in AGE_JUDGES)
    realism = nothing.everybody.realism
    cells = ["*real faces*", score_text(first, 1), number_text(second.value, 1), "", "", ""]
    rows.append([*cells, kid_text(realism.real_kid), number_text(realism.real_fid, 1), "", ""])
    return markdown_table(head, rows)


def _summary_row(name: str, scores: EditScores) -> list[str]:
    everybody = scores.everybody
    first, second = (everybody.age[judge] for judge in AGE_JUDGES)
    return [
        name,
        score_text(first.error, 1),
        number_text(second.error.value, 1),
        number_text(first.slope.value, 2),
        percent_text(first.rising),
        percent_text(everybody.identity.accepted),
        kid_text(everybody.realism.kid),
        number_text(everybody.realism.fid, 1),
        number_text(everybody.preservation.same_age_psnr.value, 1),
        number_text(everybody.preservation.sharpness.value, 2),
    ]


def cost_table(reports: Sequence[Report]) -> list[str]:
    """What the model of each report costs."""
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
