"""Records the figures and sample sheets of a run in ``log.jsonl`` and in experiment trackers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from dotenv import find_dotenv, load_dotenv
from PIL import Image
from torch import Tensor

from reage.errors import ConfigError, one_line
from reage.files import writing
from reage.training.config import TrainSettings


class AverageMeter:
    """Averages the figures of training steps from one line of the log to the next, and measures images a second."""

    def __init__(self, faces_per_step: int) -> None:
        self._faces = faces_per_step
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._steps = 0
        self._started = self._stopped = time.monotonic()

    def restart_clock(self) -> None:
        """Let the time since the last step, such as that of a validation, not count for the rate."""
        self._started += time.monotonic() - self._stopped

    def add(self, figures: dict[str, Tensor]) -> None:
        """Add the figures of one step, each a scalar."""
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
        """The mean of each figure over the steps that have it and all processes, and the rate; then starts anew."""
        rate, names = self.rate, sorted(self._sums)
        means = torch.stack([self._sums[name] / self._counts[name] for name in names])
        values = accelerator.reduce(means, "mean")
        self._sums, self._counts, self._steps = {}, {}, 0
        self._started = self._stopped = time.monotonic()
        figures = {name: round(float(value), 5) for name, value in zip(names, values, strict=True)}
        return {**figures, "images_per_second": round(rate, 1)}


class Journal:
    """Writes ``log.jsonl`` in the run folder, a line of JSON an entry, and the same to `accelerate`'s trackers.

    Only the main process writes. When a run resumes at a step, lines after that step are deleted, since those steps
    will be taken again.
    """

    def __init__(self, folder: Path, accelerator: Accelerator) -> None:
        self._file = folder / "log.jsonl"
        self._accelerator = accelerator

    def start(self, step: int | None, settings: TrainSettings) -> None:
        """Begin at ``step``, or with None after whatever there is; the trackers are given the ``settings`` of the run.

        Project and name of the run in Weights & Biases are those of the settings, or else of the environment
        (WANDB_PROJECT, WANDB_NAME), or else "reage" and the name of the folder.

        Raises:
            ConfigError: a tracker cannot be started.
            WriteError: the log cannot be written.
        """
        if step is not None and self._accelerator.is_main_process and self._file.exists():
            lines = [line for line in self._file.read_text().splitlines() if _step_of(line) <= step]
            with writing(self._file) as part:
                part.write_text("".join(f"{line}\n" for line in lines))
        trackers, project, name = settings.trackers, "reage", self._file.parent.name
        kwargs = {"trackio": {"name": name}}
        if "wandb" in trackers:
            project = settings.wandb_project or os.environ.get("WANDB_PROJECT") or project
            name = settings.wandb_name or os.environ.get("WANDB_NAME") or name
            kwargs["wandb"] = {"name": name, "dir": str(self._file.parent)}
        if trackers:
            config = _flat(settings.model_dump(mode="json"))
            try:
                self._accelerator.init_trackers(project, config=config, init_kwargs=kwargs)
            except Exception as error:  # each service has errors of its own
                raise ConfigError(
                    f"trackers {', '.join(trackers)}: {type(error).__name__}: {one_line(error)}"
                ) from error

    def write(self, step: int, figures: Mapping[str, float], kind: str | None = None) -> None:
        """Write one entry. Figures of a ``kind``, validation or test, are put under its name."""
        if not self._accelerator.is_main_process:
            return
        entry = {kind: dict(figures)} if kind else dict(figures)
        with self._file.open("a") as file:
            file.write(json.dumps({"step": step, "time": round(time.time(), 1), **entry}) + "\n")
        prefix = f"{kind}/" if kind else ""
        self._accelerator.log({f"{prefix}{key}": value for key, value in figures.items()}, step=step)

    def show(self, step: int, sheet: Path) -> None:
        """Send the picture file ``sheet`` to the trackers that take pictures."""
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
    """Check that ``trackers`` are installed, and load their settings from a ``.env`` file into the environment.

    What the environment has already is left as it is.

    Raises:
        ConfigError: one is not installed.
    """
    for name in trackers:
        if find_spec(name) is None:
            raise ConfigError(f"the tracker '{name}' is not installed: pip install 'reage[track]'")
    if trackers:
        load_dotenv(find_dotenv(usecwd=True))
    return list(trackers)


def _step_of(line: str) -> float:
    """The step of a line of the log; infinite for a line that was cut short by a full disk or a kill."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level, with keys such as ``data.cache``."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, int | float | str | bool) else str(value)
    return flat
