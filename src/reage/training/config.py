"""Typed, validated settings of a training run, and recipes on disk.

A recipe is a YAML file: the common settings below, plus ``options`` whose type depends on ``family``.
Everything here can be overridden on the command line as ``key=value`` (``options.critic.r1=2``).
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reage.errors import ConfigError


class Settings(BaseModel):
    """Base of every group of settings: unknown keys are refused, values cannot change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


class DataSettings(Settings):
    """Which faces are drawn."""

    cache: Path = Field(Path("work/cache128"), description="Folder written by `reage data cache`.")
    ages: tuple[float, float] = Field((16, 88), description="Youngest and oldest face drawn, in years.")
    min_sharpness: float = Field(
        60.0, ge=0, description="Faces blurrier than this (variance of the Laplacian) are dropped."
    )
    evenness: float = Field(1.0, ge=0, le=1, description="0: ages as the data has them; 1: every age alike.")


class TrainSettings(Settings):
    """One run."""

    family: str = Field(description="Name in the family registry.")
    seed: int = Field(42, ge=0, description="Seed of weights, draws and augmentation.")
    steps: int = Field(10_000, ge=1, description="Optimiser steps of each player.")
    batch: int = Field(16, ge=1, description="Faces a step.")
    precision: Literal["no", "bf16", "fp16"] = Field("bf16", description="Mixed precision of `accelerate`.")
    warmup: int = Field(200, ge=0, description="Steps over which the learning rates rise from zero.")
    decay_from: float = Field(
        0.6, ge=0, le=1, description="Part of the run after which learning rates fall to 5 %."
    )
    clip: float = Field(5.0, gt=0, description="Largest norm of a player's gradient.")
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the averaged weights (generator only).")
    log_every: int = Field(50, ge=1, description="Steps between lines in log.jsonl.")
    sample_every: int = Field(500, ge=1, description="Steps between sample sheets and validation.")
    checkpoint_minutes: float = Field(4.0, gt=0, description="Minutes between checkpoints.")
    start_from: Path | None = Field(None, description="A run folder whose weights this run starts from.")
    data: DataSettings = Field(default_factory=lambda: DataSettings(), description="Which faces are drawn.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the family.")


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
