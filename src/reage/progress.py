"""What long commands show while they work: a bar for each stage, with the time that is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars


class Progress(Protocol):
    """A function that is told how far a stage of the work has come."""

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """``done`` of ``total`` items of ``stage`` are done; ``total`` may be unknown. ``note`` is shown at the end."""


@contextmanager
def progress_bar(*, shown: bool = True) -> Iterator[Progress]:
    """Show bars on standard error, one for each stage that the function it yields is called with.

    A stage that is begun with some of it done, as a run that is resumed, does not count these towards its speed.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    # Drawn twice a second only: the work needs the processor more than the bar does.
    bars = Bars(*columns, console=Console(stderr=True), refresh_per_second=2, disable=not shown)
    tasks: dict[str, TaskID] = {}

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total, completed=done, note=note)
        bars.update(tasks[stage], completed=done, total=total, note=note)

    bars.start()
    try:
        yield progress
    finally:
        if tasks:
            bars.stop()
        else:  # without the empty line that would stand above an error
            bars.live.stop()
