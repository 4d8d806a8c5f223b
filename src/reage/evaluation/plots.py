"""Plots of reports (matplotlib, extra ``eval``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reage.evaluation.bootstrap import Score
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.movement import DIRECTIONS, GAPS, find_moved, span_text
from reage.evaluation.report import Report
from reage.files import writing

COLOURS = ("#1b6ca8", "#d1603d", "#3c8d5a", "#8a5fb0", "#c29b2f", "#2f9e9e", "#b03a6b", "#7a4b1f")


def plot_targets(report: Report, path: Path) -> None:
    """Mean estimated age at each target, with the spread between faces, beside real people of that age."""
    figure, axes = _figure("age asked for", "estimated age (mean and standard deviation)")
    targets = list(report.protocol.ages)
    axes.plot(targets, targets, color="0.6", linestyle=":", label="as asked")
    for judge, colour in zip(AGE_JUDGES, COLOURS, strict=False):
        rows = [row for row in report.scores.age_by_target if row.judge == judge]
        means, spreads = [row.estimated.value for row in rows], [row.spread for row in rows]
        label = f"{judge}, outputs"
        axes.errorbar(targets, means, spreads, color=colour, marker="o", capsize=3, label=label)
        real = [row.real_estimated.value for row in rows]
        label = f"{judge}, real people of that age"
        axes.plot(targets, real, color=colour, linestyle="--", alpha=0.6, label=label)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(report.model.title)
    _save(figure, path)


def plot_moved(reports: Sequence[Report], path: Path) -> None:
    """Years moved for each year asked, older and younger apart, by gap.

    One report is shown by both judges, several by the first judge alone.
    """
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    judges = AGE_JUDGES if len(reports) == 1 else AGE_JUDGES[:1]
    series = [(report, judge) for report in reports for judge in judges]
    for axes, direction in zip(figure.subplots(1, 2, sharey=True), DIRECTIONS, strict=True):
        axes.set_title(direction, fontsize=10)
        axes.set_xlabel("years between the age in the photo and the target")
        axes.axhline(1, color="0.6", linestyle=":")
        axes.axhline(0, color="0.6", linewidth=0.8)
        for i, (report, judge) in enumerate(series):
            scores = [find_moved(report.years_moved, judge, direction, gap=gap) for gap in GAPS]
            places = [place + 0.08 * (i - (len(series) - 1) / 2) for place in range(len(GAPS))]
            colour, label = COLOURS[i % len(COLOURS)], judge if len(reports) == 1 else report.model.title
            axes.plot(places, [score.value for score in scores], color=colour, marker="o", label=label)
            for place, score in zip(places, scores, strict=True):
                axes.plot([place, place], [score.low, score.high], color=colour, linewidth=1)
        axes.set_xticks(range(len(GAPS)), [span_text(gap) for gap in GAPS])
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("years moved per year asked (dotted: as asked)")
    figure.axes[0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def plot_trade(reports: Sequence[Report], path: Path) -> None:
    """Age error against identity, one point for each model and one for doing nothing; right and low is better."""
    figure, axes = _figure("outputs accepted as the same person, %", "age error, years")
    points = {"do nothing": reports[0].nothing, **{report.model.title: report.scores for report in reports}}
    for i, (name, scores) in enumerate(points.items()):
        error, kept = scores.everybody.age[AGE_JUDGES[0]].error, scores.everybody.identity.accepted
        x, y = 100 * kept.value, error.value
        colour = "0.4" if not i else COLOURS[(i - 1) % len(COLOURS)]
        spread = _interval(error), _interval(kept, 100)
        axes.errorbar(x, y, *spread, color=colour, marker="o", capsize=2, linestyle="", label=name)
    real = reports[0].nothing.everybody.age[AGE_JUDGES[0]].real_error.value
    axes.axhline(real, color="0.6", linestyle=":")
    note = "the judge's own error on real faces"
    axes.text(0.02, real, note, transform=axes.get_yaxis_transform(), va="bottom", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.15)
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def plot_groups(report: Report, path: Path) -> None:
    """Age error and identity of each group.

    Grey ticks are the error of everybody of the same ages, black ones the judge's own error on the group's real faces.
    """
    groups = {"all": report.scores.everybody, **report.groups}
    figure = Figure(figsize=(9, 0.34 * len(groups) + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, title in ((left, "age error, years"), (right, "accepted as the same person, %")):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    places = range(len(groups))
    for place, scores in zip(places, groups.values(), strict=True):
        age = scores.age[AGE_JUDGES[0]]
        _bar(left, place, age.error)
        _bar(right, place, scores.identity.accepted, 100)
        left.plot(age.error_at_same_ages, place, marker="|", color="0.6", markersize=12)
        left.plot(age.real_error.value, place, marker="|", color="black", markersize=12)
    left.set_yticks(places, [f"{name} ({scores.faces})" for name, scores in groups.items()], fontsize=8)
    left.invert_yaxis()
    _save(figure, path)


def _bar(axes: Axes, place: int, score: Score, scale: float = 1) -> None:
    """A horizontal bar with its interval; the first is grey."""
    colour = COLOURS[0] if place else "0.5"
    interval = _interval(score, scale)
    axes.barh(place, scale * score.value, xerr=interval, color=colour, height=0.7, ecolor="0.25", capsize=2)


def _interval(score: Score, scale: float = 1) -> list[list[float]] | None:
    """How far the ends of an interval are from its value, as matplotlib takes it; None if there is no interval."""
    if math.isnan(score.low):
        return None
    return [[scale * (score.value - score.low)], [scale * (score.high - score.value)]]


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure with labelled axes."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes: Any = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    with writing(path) as part:
        # No date and no version in the file: the same report gives the same bytes.
        figure.savefig(part, format="png", dpi=110, metadata={"Software": None})
