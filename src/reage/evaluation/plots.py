"""Plots of reports (matplotlib, extra ``eval``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.scores import Report
from reage.files import writing

COLOURS = ("#1b6ca8", "#d1603d", "#3c8d5a", "#8a5fb0", "#c29b2f", "#5c6b73", "#b03a6b", "#2f9e9e")


def target_plot(report: Report, path: Path) -> None:
    """Mean reading at each target, with the spread between faces, beside real people of that age and the diagonal."""
    figure, axes = _axes("age asked for", "age read (mean and standard deviation)")
    targets = sorted({row["target"] for row in report["by_target"]["model"]})
    axes.plot(targets, targets, color="0.6", linestyle=":", label="as asked")
    for judge, colour in zip(AGE_JUDGES, COLOURS, strict=False):
        rows = [row for row in report["by_target"]["model"] if row["judge"] == judge]
        readings = [row["reading"]["value"] for row in rows]
        axes.errorbar(
            targets,
            readings,
            [row["spread"] for row in rows],
            color=colour,
            marker="o",
            capsize=3,
            label=f"{judge}, outputs",
        )
        real = [row["real_reading"]["value"] or float("nan") for row in rows]
        axes.plot(
            targets, real, color=colour, linestyle="--", alpha=0.6, label=f"{judge}, real people of that age"
        )
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(report["model"]["title"])
    _save(figure, path)


def trade_plot(rows: Mapping[str, Report], path: Path) -> None:
    """Age error against identity, one point a model; ``rows`` are scores by name. Right and low is better."""
    figure, axes = _axes("outputs taken for the same person, %", "age error, years")
    for i, (name, scores) in enumerate(rows.items()):
        error, kept = scores["age"][AGE_JUDGES[0]]["error"], scores["identity"]["accepted"]
        x, y = 100 * kept["value"], error["value"]
        colour = "0.4" if name == "do nothing" else COLOURS[i % len(COLOURS)]
        axes.errorbar(x, y, _interval(error), _interval(kept, 100), color=colour, marker="o", capsize=2)
        axes.annotate(name, (x, y), xytext=(6, 4), textcoords="offset points", color=colour, fontsize=9)
    real = next(iter(rows.values()))["age"][AGE_JUDGES[0]]["real_error"]["value"]
    axes.axhline(real, color="0.6", linestyle=":")
    note = "the judge's own error on real faces"
    axes.text(0.02, real, note, transform=axes.get_yaxis_transform(), va="bottom", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.15)
    _save(figure, path)


def groups_plot(report: Report, path: Path) -> None:
    """Age error and identity of each group, with intervals; ticks are the error of everybody of the same ages (grey),
    and the judge's own on that group's real faces (black)."""
    groups = {"all": report["scores"]["model"], **report["groups"]}
    figure = Figure(figsize=(9, 0.34 * len(groups) + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, title in ((left, "age error, years"), (right, "taken for the same person, %")):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    places = range(len(groups))
    for place, scores in zip(places, groups.values(), strict=True):
        age, kept = scores["age"][AGE_JUDGES[0]], scores["identity"]["accepted"]
        _bar(left, place, age["error"], 1)
        _bar(right, place, kept, 100)
        left.plot(age["error_of_their_ages"], place, marker="|", color="0.6", markersize=12)
        if age["real_error"]["value"] is not None:
            left.plot(age["real_error"]["value"], place, marker="|", color="black", markersize=12)
    left.set_yticks(places, [f"{name} ({scores['faces']})" for name, scores in groups.items()], fontsize=8)
    left.invert_yaxis()
    _save(figure, path)


def _bar(axes: Axes, place: int, told: Report, scale: float) -> None:
    axes.barh(
        place,
        scale * told["value"],
        xerr=_interval(told, scale),
        color=COLOURS[0] if place else "0.5",
        height=0.7,
        ecolor="0.25",
        capsize=2,
    )


def _interval(told: Report, scale: float = 1) -> list[list[float]] | None:
    """How far the ends of an interval are from its value, as matplotlib takes it; None where there is no interval."""
    if told["low"] is None:
        return None
    return [[scale * (told["value"] - told["low"])], [scale * (told["high"] - told["value"])]]


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
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
