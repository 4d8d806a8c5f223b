"""The plot of a sweep: the score of each trial, and the values of its settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial, TrialState

from reage.files import writing
from reage.sweep.space import Searched

_COLOUR, _PALE, _BEST = "#1b6ca8", "#9aa5ae", "#c1542c"


def plot_sweep(trials: Sequence[FrozenTrial], searched: Sequence[Searched], figure: str, path: Path) -> None:
    """Write the picture as PNG: the course of each trial, the best so far, and a plot for each setting.

    What is far worse than every complete trial is drawn at the upper edge, as a triangle.

    Args:
        trials: those that are over, in order; one at least is complete.
        searched: the settings.
        figure: the name of what they are judged by; less is better.
        path: the file.
    """
    count = 2 + len(searched)
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    picture = Figure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    axes = picture.subplots(rows, columns, squeeze=False).flatten()
    low, high = _limits(trials)
    _courses(axes[0], trials)
    _best_so_far(axes[1], trials, high)
    for plot, each in zip(axes[2:], searched, strict=False):
        _by_value(plot, trials, each, high)
    for plot in axes[count:]:
        plot.set_visible(False)
    for plot in axes[:count]:
        plot.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        plot.set_ylabel(figure)
        plot.spines[["top", "right"]].set_visible(False)
        plot.grid(alpha=0.25)
    with writing(path) as part:
        picture.savefig(part, format="png", dpi=110)


def _limits(trials: Sequence[FrozenTrial]) -> tuple[float, float]:
    """The least and the largest value of a complete trial, which are apart."""
    values = [value for trial in trials if _complete(trial) for value in trial.intermediate_values.values()]
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - 1, high + 1)


def _courses(axes: Axes, trials: Sequence[FrozenTrial]) -> None:
    best = _best(trials)
    for trial in trials:
        epochs, values = list(trial.intermediate_values), list(trial.intermediate_values.values())
        style = "-" if _complete(trial) else "--"
        colour = _colour(trial, best)
        axes.plot(epochs, values, style, color=colour, marker="o", markersize=3, linewidth=1)
    axes.set(title="Course of the trials (dashed: pruned)", xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _best_so_far(axes: Axes, trials: Sequence[FrozenTrial], high: float) -> None:
    course, least = [], math.nan
    best = _best(trials)
    for number, trial in enumerate(trials, 1):
        _point(axes, number, trial, best, high)
        reached = _reached(trial)
        if _complete(trial) and reached is not None:
            least = reached if math.isnan(least) else min(least, reached)
        course.append(least)
    axes.step(range(1, len(trials) + 1), course, where="post", color=_BEST, linewidth=1)
    axes.set(title="Best so far (x: pruned)", xlabel="trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _by_value(axes: Axes, trials: Sequence[FrozenTrial], searched: Searched, high: float) -> None:
    best = _best(trials)
    for trial in trials:
        chosen = trial.params[searched.key]
        _point(axes, str(chosen) if searched.choices else chosen, trial, best, high)
    if searched.log:
        axes.set_xscale("log")
    axes.set_title(searched.key)


def _point(axes: Axes, place: Any, trial: FrozenTrial, best: FrozenTrial, high: float) -> None:
    value = _reached(trial)
    if value is not None:
        marker = "^" if value > high else "o" if _complete(trial) else "x"
        axes.plot([place], [min(value, high)], marker, color=_colour(trial, best), markersize=5)


def _colour(trial: FrozenTrial, best: FrozenTrial) -> str:
    return _BEST if trial is best else _COLOUR if _complete(trial) else _PALE


def _complete(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.COMPLETE


def _best(trials: Sequence[FrozenTrial]) -> FrozenTrial:
    return min((trial for trial in trials if _complete(trial)), key=lambda trial: _reached(trial) or 0.0)


def _reached(trial: FrozenTrial) -> float | None:
    """The least figure of a trial; None if it has none."""
    return min(trial.intermediate_values.values(), default=None)
