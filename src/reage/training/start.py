"""Prepares a run: a recipe with a local folder, or an archived run to resume."""

from __future__ import annotations

from pathlib import Path

import torch
from accelerate import PartialState

from reage.errors import ConfigError
from reage.training.cloud.run_archive import fetch_run, read_settings
from reage.training.config import TrainSettings, load_recipe, parse_recipe


def load_settings(recipe: Path | str, overrides: list[str], *, resume: bool) -> TrainSettings:
    """The settings of a recipe, or of the archived run at a URL, with ``overrides`` of the form ``key=value``.

    Raises:
        ConfigError: as `load_recipe`; or an archived run is not to be resumed.
        ArchiveError: the archive cannot be read.
    """
    if isinstance(recipe, Path):
        return load_recipe(recipe, overrides)
    if not resume:
        raise ConfigError(f"{recipe} is an archived run: add --resume to continue it")
    return parse_recipe(read_settings(recipe), recipe, overrides)


def prepare_folder(recipe: Path | str, folder: Path | None) -> Path:
    """The folder to run in: by default ``runs/`` and the name of the recipe; an archived run is fetched into it.

    Of several processes on a machine the first one fetches, while the others wait.

    Raises as `fetch_run`.
    """
    if isinstance(recipe, Path):
        return folder or Path("runs") / recipe.stem
    folder = folder or Path("runs") / recipe.rstrip("/").rpartition("/")[2]
    with PartialState(cpu=not torch.cuda.is_available()).local_main_process_first():
        fetch_run(recipe, folder)
    return folder
