"""The progress bars of long commands: one for each stage, with the time left."""

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
    """A callback for the progress of a stage."""

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """``done`` of ``total`` items of ``stage`` are done; ``total`` may be unknown. ``note`` is shown at the end."""


@contextmanager
def progress_bar(*, shown: bool = True) -> Iterator[Progress]:
    """Show progress bars on standard error, one for each stage that the yielded function is called with.

    Items that are already done when a stage starts, as in a resumed run, do not count towards its speed.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    # Drawn only twice a second, to leave the processor to the work.
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
        else:  # avoids an empty line before an error
            bars.live.stop()
