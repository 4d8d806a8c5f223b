"""The curves of a run, drawn from its ``log.jsonl`` (matplotlib, extra ``eval``)."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reage.errors import ConfigError
from reage.evaluation.plots import COLOURS
from reage.files import writing

COLUMNS = 3
RATE, NORM = "learning_rate", "norm"

Curve = tuple[list[int], list[float]]
"""Steps and values."""


def draw_curves(run: Path, output: Path) -> int:
    """Draw losses, learning rates, norms of gradients and validation figures of a run against its steps, as a PNG.

    Args:
        run: the run folder, finished or not.
        output: the picture to write.

    Returns:
        How many panels the picture has.

    Raises:
        ConfigError: the folder has no log, or the log has no figures.
        WriteError: ``output`` cannot be written.
    """
    panels = read_panels(run)
    rows = math.ceil(len(panels) / COLUMNS)
    figure = Figure(figsize=(5 * min(COLUMNS, len(panels)), 3.2 * rows + 0.4), layout="constrained")
    figure.suptitle(run.name)
    for number, (title, curves) in enumerate(panels.items(), 1):
        _draw(figure.add_subplot(rows, min(COLUMNS, len(panels)), number), title, curves)
    with writing(output) as part:
        figure.savefig(part, format="png", dpi=90, metadata={"Software": None})
    return len(panels)


def read_panels(run: Path) -> dict[str, dict[str, Curve]]:
    """The curves of a run by panel and name.

    Each objective has a panel of its losses; learning rates have one, and so have norms of gradients. Figures of
    validation share a panel where their names begin with the same word. Raises `ConfigError` as `draw_curves` does.
    """
    panels: dict[str, dict[str, Curve]] = defaultdict(lambda: defaultdict(lambda: ([], [])))
    for entry in _entries(run):
        step = int(entry.pop("step"))
        for name, value in _flat(entry).items():
            if isinstance(value, int | float) and math.isfinite(value):
                panel, label = _place(name)
                steps, values = panels[panel][label]
                steps.append(step)
                values.append(value)
    if not panels:
        raise ConfigError(f"{run / 'log.jsonl'} has no figures yet")
    last = ("learning rates", "norms of gradients", "speed")
    ordered = sorted(panels, key=lambda panel: (panel in last, panel.startswith("validation"), panel))
    return {panel: dict(panels[panel]) for panel in ordered}


def _entries(run: Path) -> list[dict[str, Any]]:
    """The lines of the log; one that was cut short by a full disk or a kill is left out."""
    try:
        lines = (run / "log.jsonl").read_text().splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{run} is not a run folder with a log: {error}") from error
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without its time and the figures of the test, which are no curve; validation's begin ``validation/``."""
    flat = {name: value for name, value in entry.items() if name not in ("time", "test", "validation")}
    return flat | {f"validation/{name}": value for name, value in entry.get("validation", {}).items()}


def _place(name: str) -> tuple[str, str]:
    """The panel of a figure and its label there."""
    group, _, label = name.partition("/")
    if group == "validation":
        return f"validation: {label.split('_')[0]}", label
    if label == RATE:
        return "learning rates", group
    if label == NORM:
        return "norms of gradients", group
    return (group, label) if label else ("speed", name.replace("_", " "))


def _draw(axes: Axes, title: str, curves: Mapping[str, Curve]) -> None:
    for number, (label, (steps, values)) in enumerate(sorted(curves.items())):
        axes.plot(
            steps, values, label=label, color=COLOURS[number % len(COLOURS)], linewidth=1.2,
            linestyle="-" if number < len(COLOURS) else "--", marker="o" if len(steps) < 30 else None, markersize=3,
        )  # fmt: skip
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if title == "norms of gradients":
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=7, ncols=2 if len(curves) > 5 else 1)
