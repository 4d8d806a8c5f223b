"""What a run shows while it runs: a bar with the time left and images a second, and means of its figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor


class Figures:
    """Sums of figures since the last line of the log."""

    def __init__(self, faces_per_step: int) -> None:
        self._faces = faces_per_step
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._steps = 0
        self._started = self._stopped = time.monotonic()

    def pause(self) -> None:
        """Begin the next step now: what lay between does not count for the rate."""
        self._started += time.monotonic() - self._stopped

    def add(self, figures: dict[str, Tensor]) -> None:
        """The figures of one step."""
        for key, value in figures.items():
            self._sums[key] = self._sums.get(key, 0) + value.detach().float()
            self._counts[key] = self._counts.get(key, 0) + 1
        self._steps += 1
        self._stopped = time.monotonic()

    @property
    def rate(self) -> float:
        """Images a second, of all processes together."""
        return self._steps * self._faces / max(1e-9, self._stopped - self._started)

    def means(self, accelerator: Accelerator) -> dict[str, float]:
        """Means over the steps that have a figure, and over all processes, and the rate; begins anew."""
        rate, names = self.rate, sorted(self._sums)
        means = torch.stack([self._sums[name] / self._counts[name] for name in names])
        values = accelerator.reduce(means, "mean")
        self._sums, self._counts, self._steps = {}, {}, 0
        self._started = self._stopped = time.monotonic()
        figures = {name: round(float(value), 5) for name, value in zip(names, values, strict=True)}
        return {**figures, "images_per_second": round(rate, 1)}


@contextmanager
def progress_bar(
    label: str, step: int, steps: int, *, shown: bool = True
) -> Iterator[Callable[[int, float], None]]:
    """A bar on standard error; the function it gives takes the step and the rate."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    note = TextColumn("{task.fields[note]}")
    with Progress(
        *columns, note, refresh_per_second=1, console=Console(stderr=True), disable=not shown
    ) as bar:
        task = bar.add_task(label, total=steps, completed=step, note="")
        yield lambda done, rate: bar.update(task, completed=done, note=f"{rate:.0f} images/s")
