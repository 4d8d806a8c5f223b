"""The process of one trial, and the validation figures that its run has written so far."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reage.training.checkpoint import checkpoints
from reage.training.config import TrainSettings
from reage.training.validation import best_figure

_LAST_STEP_SECONDS = 120
"""Seconds that a run has to end its step and write a checkpoint, before it is killed."""


@contextmanager
def running(folder: Path, lock: int | None) -> Iterator[subprocess.Popen[bytes]]:
    """The run of the trial in ``folder``, begun or gone on with; it is stopped when the block ends before it does.

    Args:
        folder: holds ``recipe.yaml``; the run is in ``run``, and what it prints in ``output.txt``.
        lock: the lock of the sweep, which the process holds, too.
    """
    run = folder / "run"
    begun = bool(checkpoints(run))
    if not begun:
        (run / "log.jsonl").unlink(missing_ok=True)  # of steps that will be taken again
    command = [sys.executable, "-m", "reage.sweep", "train", str(folder / "recipe.yaml"), "-o", str(run)]
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            [*command, "--resume"] if begun else command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the sweep alone, which then stops the trial
            pass_fds=() if lock is None else (lock,),
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Let the run end after the step under way, and wait for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_LAST_STEP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin is not None:
        process.stdin.close()


@dataclass(frozen=True)
class Validated:
    """The figure called ``name`` by which the best epoch is chosen, after each epoch so far that has a finite one."""

    name: str = ""
    values: tuple[float, ...] = ()


def validated(folder: Path, settings: TrainSettings) -> Validated:
    """What the run of the trial in ``folder`` has validated so far."""
    try:
        lines = (folder / "run" / "log.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return Validated()
    name, by_step = "", {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # being written
            continue
        figures = entry.get("validation")
        if figures:
            name = best_figure(settings, figures)
            value = figures.get(name)
            if value is not None and math.isfinite(value):
                by_step[entry["step"]] = value
    return Validated(name, tuple(by_step.values()))


def last_words(folder: Path) -> str:
    """The last line that the run printed."""
    lines = (folder / "output.txt").read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
