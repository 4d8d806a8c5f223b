"""Typed, validated settings of a training run, and recipes on disk.

A recipe is a YAML file: the common settings below, plus ``options`` whose type depends on ``family``.
Everything here can be overridden on the command line as ``key=value`` (``options.critic.r1=2``).
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reage.errors import ConfigError


class Settings(BaseModel):
    """Base of every group of settings: unknown keys are refused, values cannot change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


def _ordered(ages: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= ages[0] < ages[1]:
        raise ValueError("say the younger age first, then the older")
    return ages


Ages = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""A range of ages in years."""
Betas = tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
"""Decay rates of Adam's moments."""
Width = Annotated[int, Field(ge=8)]
"""Channels of a map."""


class DataSettings(Settings):
    """Which faces are drawn."""

    cache: Path = Field(Path("work/cache128"), description="Folder written by `reage data cache`.")
    ages: Ages = Field(
        (16, 88), description="Youngest and oldest face drawn, in years (cyclegan: young and old instead)."
    )
    min_sharpness: float = Field(
        60.0, ge=0, description="Faces blurrier than this (variance of the Laplacian) are dropped."
    )
    evenness: float = Field(1.0, ge=0, le=1, description="0: ages as the data has them; 1: every age alike.")


class TrainSettings(Settings):
    """One run."""

    family: str = Field(description="Name in the family registry.")
    seed: int = Field(42, ge=0, le=2**31 - 1, description="Seed of weights, draws and augmentation.")
    epochs: int = Field(
        20, ge=1, description="Epochs; each ends with validation, a sample sheet, checkpoints."
    )
    steps_per_epoch: int = Field(500, ge=1, description="Training steps in an epoch.")
    batch: int = Field(16, ge=1, description="Faces that a process takes through the networks at once.")
    accumulate: int = Field(1, ge=1, description="Batches whose gradients are added up for one step.")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "bf16", description="Mixed precision of `accelerate`; where a device lacks it, fp32."
    )
    warmup: int = Field(200, ge=0, description="Steps over which the learning rates rise from zero.")
    decay_from: float = Field(
        0.6, ge=0, le=1, description="Part of the run after which learning rates fall to 5 %, linearly."
    )
    clip: float = Field(5.0, gt=0, description="Largest norm of a gradient: longer ones are shortened to it.")
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the averaged weights (generators only).")
    log_every: int = Field(50, ge=1, description="Steps between lines in log.jsonl and the trackers.")
    checkpoint_minutes: float = Field(4.0, gt=0, description="Minutes between checkpoints within an epoch.")
    keep_checkpoints: int = Field(2, ge=1, description="Checkpoints kept, the newest first.")
    epoch_files: bool = Field(False, description="Keep the weights of each network of each epoch.")
    best_by: str | None = Field(
        None, description="Validation figure whose least value is best; default: kid, or else the family's."
    )
    kid_faces: int = Field(256, ge=0, description="Faces a side for the KID after each epoch; 0: none.")
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        (), description="Experiment trackers told of every figure, beside log.jsonl."
    )
    start_from: Path | None = Field(None, description="A run folder whose weights this run starts from.")
    data: DataSettings = Field(default_factory=lambda: DataSettings(), description="Which faces are drawn.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the family.")

    @property
    def steps(self) -> int:
        """Training steps in the whole run."""
        return self.epochs * self.steps_per_epoch


def load_recipe(path: Path, overrides: list[str] | None = None) -> TrainSettings:
    """Read a recipe and apply ``key=value`` overrides; raises `ConfigError` with the nearest known name."""
    try:
        stored = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not a readable recipe: {_one_line(error)}") from error
    if not isinstance(stored, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of settings")
    for override in overrides or []:
        _override(stored, override)
    return validate(TrainSettings, stored, str(path))


def _override(stored: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"'{override}' is not of the form key=value")
    place = stored
    *parents, last = key.split(".")
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise ConfigError(f"'{key}': '{parent}' is not a group of settings")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"'{override}': the value is not YAML: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def validate(kind: type[S], stored: dict[str, Any], where: str) -> S:
    """``stored`` as settings of type ``kind``; one clear line where it does not fit."""
    try:
        return kind.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name.split(".")[-1], _field_names(kind), 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"{where}: unknown setting '{name}'{hint}") from None
        raise ConfigError(f"{where}: {name}: {first['msg']}") from None


def _field_names(kind: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in kind.model_fields.items():
        names.append(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += _field_names(field.annotation)
    return names
