"""What a run tells: a line of JSON for every entry, and the same figures and pictures to experiment trackers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from dotenv import find_dotenv, load_dotenv
from PIL import Image

from reage.errors import ConfigError
from reage.files import writing


class Journal:
    """``log.jsonl`` in the run folder, and `accelerate`'s trackers. Only the main process writes.

    A run that resumes at a step forgets the lines after it: they tell of steps that will be taken again.
    """

    def __init__(self, folder: Path, accelerator: Accelerator) -> None:
        self._file = folder / "log.jsonl"
        self._accelerator = accelerator

    def start(self, step: int, trackers: Sequence[str], settings: Mapping[str, Any]) -> None:
        """Begin at ``step``; raises `ConfigError` where a tracker cannot be started."""
        if self._accelerator.is_main_process and self._file.exists():
            lines = [line for line in self._file.read_text().splitlines() if _step_of(line) <= step]
            with writing(self._file) as part:
                part.write_text("".join(f"{line}\n" for line in lines))
        if trackers:
            name = self._file.parent.name
            try:
                self._accelerator.init_trackers(
                    "reage",
                    config=_flat(settings),
                    init_kwargs={
                        "wandb": {"name": name, "dir": self._file.parent},
                        "trackio": {"name": name},
                    },
                )
            except Exception as error:  # each service has errors of its own
                raise ConfigError(
                    f"trackers {', '.join(trackers)}: {type(error).__name__}: {' '.join(str(error).split())}"
                ) from error

    def write(self, step: int, figures: Mapping[str, float], kind: str | None = None) -> None:
        """One entry; figures of a ``kind`` (validation, test) stand under its name."""
        if not self._accelerator.is_main_process:
            return
        entry = {kind: dict(figures)} if kind else dict(figures)
        with self._file.open("a") as file:
            file.write(json.dumps({"step": step, "time": round(time.time(), 1), **entry}) + "\n")
        prefix = f"{kind}/" if kind else ""
        self._accelerator.log({f"{prefix}{key}": value for key, value in figures.items()}, step=step)

    def show(self, step: int, sheet: Path) -> None:
        """A sample sheet, to the trackers that take pictures."""
        for tracker in self._accelerator.trackers:
            with Image.open(sheet) as image:
                pixels = np.asarray(image.convert("RGB"))
            if tracker.name == "tensorboard":
                tracker.log_images({"samples": pixels[None]}, step=step, dataformats="NHWC")
            elif tracker.name == "wandb":
                tracker.log_images({"samples": [pixels]}, step=step)

    def finish(self) -> None:
        """Close the trackers."""
        self._accelerator.end_training()


def usable_trackers(trackers: Sequence[str]) -> list[str]:
    """``trackers``, with the environment of a ``.env`` file loaded for them; raises `ConfigError` for one that is
    not installed."""
    for name in trackers:
        if find_spec(name) is None:
            raise ConfigError(f"the tracker '{name}' is not installed: pip install 'reage[track]'")
    if trackers:
        load_dotenv(find_dotenv(usecwd=True))
    return list(trackers)


def _step_of(line: str) -> float:
    """The step of a line of the log; infinite for one that a full disk or a kill has cut."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, int | float | str | bool) else str(value)
    return flat
