"""Averages the weights of runs that continued each other, which is often better than each of them.

Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time", 2022. It works for runs that start from the same weights or from each other's, whose weights are near.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from reage.errors import ConfigError
from reage.files import refuse_existing, writing_folder
from reage.training.checkpoint import read_tensors, save_tensors
from reage.training.config import TrainSettings, override_setting, validate
from reage.training.families import family_type


def average_runs(
    runs: Sequence[Path], parts: Sequence[float], output: Path, overrides: Sequence[str] = ()
) -> None:
    """Write a run folder whose generators are the weighted mean of those of ``runs``.

    What it averages are the networks that the family keeps an average of (`Family.averaged`); everything else, such as
    critics, is that of the first run, and so are its settings. `reage export` and ``start_from`` take the new folder.

    Args:
        runs: run folders of one family; their last weights are taken.
        parts: the weight of each, positive; they are divided by their sum.
        output: the folder to make.
        overrides: settings of it that differ from those of the first run, each as ``key=value``.

    Raises:
        ConfigError: a run cannot be read, their networks or numbers do not match, or a setting is none.
        ExistsError: ``output`` exists.
        WriteError: it cannot be written.
    """
    if len(runs) < 2 or len(parts) != len(runs):
        raise ConfigError(
            f"{len(runs)} runs and {len(parts)} parts: give at least two runs, and one weight for each"
        )
    if not all(math.isfinite(part) and part > 0 for part in parts):
        raise ConfigError("weights of runs must be positive numbers, such as 0.6,0.4")
    refuse_existing(output, folder=True)
    settings = _settings(runs[0])
    for override in overrides:
        override_setting(settings, override)
    family = family_type(validate(TrainSettings, settings, str(output)).family)
    validate(family.options_type, settings.get("options", {}), f"{output}: options")
    averaged = family.averaged
    tensors, about = read_tensors(runs[0] / "weights.safetensors")
    others = [read_tensors(run / "weights.safetensors")[0] for run in runs[1:]]
    total = sum(parts)
    for key, value in tensors.items():
        if key.split("/")[0] not in averaged or not value.is_floating_point():
            continue
        mean = value.float() * (parts[0] / total)
        for run, other, part in zip(runs[1:], others, parts[1:], strict=True):
            if key not in other or other[key].shape != value.shape:
                raise ConfigError(
                    f"{run}: {key} is missing or has another shape than in {runs[0]}; such runs cannot be averaged"
                )
            mean += other[key].float() * (part / total)
        tensors[key] = mean.to(torch.float32)
    mixed = [{"run": run.name, "part": round(part / total, 4)} for run, part in zip(runs, parts, strict=True)]
    with writing_folder(output) as folder:
        save_tensors(folder / "weights.safetensors", tensors, {**about, "average_of": mixed})
        (folder / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")


def _settings(run: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((run / "settings.json").read_text())
        family_type(settings["family"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{run} is not a run folder: {error}") from error
    return settings
