"""The console lines of a run, above the progress bar: progress, losses and figures."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from reage.training.config import TrainSettings
from reage.training.families import Family


def say(line: str) -> None:
    """Print ``line`` on standard error, where the progress bar is: it lets lines pass above it."""
    print(line, file=sys.stderr, flush=True)


def epoch_line(step: int, settings: TrainSettings) -> str:
    """``Starting epoch 2/50``, or, if ``step`` is in the middle of an epoch, that the run resumes there."""
    epoch, taken = divmod(step, settings.steps_per_epoch)
    verb = "Going on in" if taken else "Starting"
    return f"{verb} epoch {epoch + 1}/{settings.epochs}"


def losses_line(step: int, settings: TrainSettings, family: Family, figures: Mapping[str, float]) -> str:
    """``Epoch 1 Step 50 | D_loss: 2.5166 G_loss: 6.5036 ...``: what `Family.console` names, of the latest ``figures``.

    Where the family names nothing, it is the loss of each objective. ``step`` is counted from the start of the run.
    """
    shown: Mapping[str, Sequence[str]] = family.console or {
        f"{objective.name}_loss": (f"{objective.name}/loss",) for objective in family.objectives
    }
    parts = []
    for label, names in shown.items():
        values = " / ".join(f"{figures[name]:.4f}" for name in names if name in figures)
        if values:
            parts.append(f"{label}: {values}")
    epoch = (step - 1) // settings.steps_per_epoch + 1
    return f"Epoch {epoch} Step {step} | {' '.join(parts)}"


def figures_line(of: str, figures: Mapping[str, float]) -> str:
    """``Validation of epoch 3 | reconstruction: 0.1234 ...``: what was measured of a split, all of it."""
    return f"{of} | {' '.join(f'{name}: {value:.4f}' for name, value in figures.items())}"
