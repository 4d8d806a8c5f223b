"""Typed, validated settings of a training run, and recipes: YAML files of them.

A recipe has the settings of `TrainSettings`; which ``options`` there are depends on the ``family``. Every setting can
be overridden on the command line as ``key=value``, such as ``options.r1=2``.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reage.errors import ConfigError, one_line


class Settings(BaseModel):
    """Base of every group of settings: refuses unknown names, and is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


def _ordered(ages: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= ages[0] < ages[1]:
        raise ValueError("give the younger age first, then the older")
    return ages


Ages = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""A range of ages in years, the younger first."""
Betas = tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
"""Decay rates of Adam's first and second moments."""
Width = Annotated[int, Field(ge=8, le=4096)]
"""A number of channels."""


class DataSettings(Settings):
    """Which faces are drawn, and how often."""

    cache: Path = Field(Path("work/cache128"), description="Folder written by `reage data cache`.")
    ages: Ages = Field(
        (16, 88),
        description="Youngest and oldest age of the faces drawn, in years; cyclegan: see options.young and .old.",
    )
    min_sharpness: float = Field(
        60.0, ge=0, description="Leave out blurrier faces (variance of the Laplacian below this)."
    )
    evenness: float = Field(
        1.0,
        ge=0,
        le=1,
        description="0: draw every face equally often; 1: draw every age (in bins of 5 years) equally often.",
    )


class TrainSettings(Settings):
    """The settings of one run."""

    family: str = Field(description="Family of networks: age, delta, latent-cgan or cyclegan.")
    seed: int = Field(
        42,
        ge=0,
        le=2**31 - 1,
        description="Seed of initial weights, drawn faces and augmentation.",
    )
    epochs: int = Field(
        20, ge=1, description="Number of epochs; each ends with validation, a sample sheet and a checkpoint."
    )
    steps_per_epoch: int = Field(
        500, ge=0, description="Training steps per epoch; 0: one pass over the faces."
    )
    batch: int = Field(16, ge=1, description="Faces per batch and process.")
    accumulate: int = Field(1, ge=1, description="Batches per step, whose gradients are added up.")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "bf16", description="Mixed precision; fp32 on devices that do not support it."
    )
    warmup: int = Field(200, ge=0, description="Steps over which the learning rates rise linearly from zero.")
    decay_from: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Fraction of the run after which the learning rates fall linearly.",
    )
    decay_to: float = Field(
        0.05, ge=0, le=1, description="Fraction of their peak to which the learning rates fall."
    )
    clip: float | None = Field(
        5.0,
        gt=0,
        description="Largest gradient norm; larger ones are scaled down to it. null: no limit.",
    )
    ema: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Decay per step of the averaged weights that samples and export use (not for critics).",
    )
    log_every: int = Field(50, ge=1, description="Steps between entries in log.jsonl and in the trackers.")
    checkpoint_minutes: float = Field(4.0, gt=0, description="Minutes between checkpoints within an epoch.")
    keep_checkpoints: int = Field(2, ge=1, description="Number of newest checkpoints to keep.")
    epoch_files: bool = Field(False, description="Write a separate file for each network after each epoch.")
    best_by: str | None = Field(
        None,
        description="Figure whose minimum selects the best epoch; default: kid, or else fid, or else the family's own.",
    )
    kid_faces: int = Field(
        256, ge=0, description="Number of edited and of real faces for the KID after each epoch; 0: no KID."
    )
    fid: Literal["lite0", "inception"] | None = Field(
        None,
        description="Features for an FID of the whole split after each epoch (inception: extra inception); null: none.",
    )
    sample_faces: int = Field(10, ge=0, description="Faces on the sample sheet of each epoch; 0: no sheet.")
    test: bool = Field(True, description="Evaluate the best weights on the test split at the end.")
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        (), description="Experiment trackers to use in addition to log.jsonl."
    )
    wandb_project: str | None = Field(
        None,
        min_length=1,
        description="Project in Weights & Biases; default: WANDB_PROJECT (environment or .env), or else reage.",
    )
    wandb_name: str | None = Field(
        None,
        min_length=1,
        description="Name of the run in Weights & Biases; default: WANDB_NAME, or else the name of the run folder.",
    )
    start_from: Path | None = Field(
        None,
        description="Initial weights: a run folder, a file in one, or a best.pth of aging-gan.",
    )
    archive: str | None = Field(
        None,
        min_length=1,
        description="Archive that gets a copy of the run, as run-<8 hex>: s3://bucket/prefix or another fsspec URL.",
    )
    terminate_instance: bool | Literal["always"] = Field(
        False,
        description="true: terminate this EC2 instance when the run is complete and archived; always: also on errors.",
    )
    data: DataSettings = Field(
        default_factory=lambda: DataSettings(), description="Which faces are drawn, and how often."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The family's own settings.")

    @property
    def steps(self) -> int:
        """Training steps in the whole run."""
        return self.epochs * self.steps_per_epoch


def load_recipe(path: Path, overrides: list[str] | None = None) -> TrainSettings:
    """Read the recipe at ``path`` and apply ``overrides``, each of the form ``key=value``.

    Raises:
        ConfigError: the file is not a recipe, or a setting is unknown (the nearest name is suggested) or out of range.
    """
    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable recipe: {one_line(error)}") from error
    return parse_recipe(text, str(path), overrides)


def parse_recipe(text: str, source: str, overrides: list[str] | None = None) -> TrainSettings:
    """The settings in the ``text`` of a recipe with ``overrides``; errors as `load_recipe`, and name its ``source``."""
    stored = _read_yaml(text, f"{source}: not a readable recipe")
    if not isinstance(stored, dict):
        raise ConfigError(f"{source}: a recipe must be a mapping of settings")
    for override in overrides or []:
        override_setting(stored, override)
    return validate(TrainSettings, stored, source)


def read_settings(run: Path) -> TrainSettings:
    """The settings of the run folder ``run``. Raises `ConfigError` if it is not a run folder."""
    try:
        return validate(TrainSettings, json.loads((run / "settings.json").read_text()), str(run))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{run} is not a run folder: {error}") from error


def override_setting(stored: dict[str, Any], override: str) -> None:
    """Apply ``override``, of the form ``key=value``, to the mapping ``stored``; raises `ConfigError`."""
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"'{override}' is not of the form key=value")
    group = stored
    *parents, last = key.split(".")
    for parent in parents:
        group = group.setdefault(parent, {})
        if not isinstance(group, dict):
            raise ConfigError(f"'{key}': '{parent}' is not a group of settings")
    group[last] = _read_yaml(value, f"'{override}': the value is not YAML")


def _read_yaml(text: str, complaint: str) -> Any:
    """The content of ``text``; raises a `ConfigError` that begins with ``complaint``."""
    try:
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ConfigError(f"{complaint}: it is nested too deeply") from error
    except Exception as error:  # impossible numbers and dates raise nearly any type
        raise ConfigError(f"{complaint}: {one_line(error)}") from error


def validate(kind: type[S], stored: dict[str, Any], where: str) -> S:
    """Check the mapping ``stored`` and return it as settings of type ``kind``.

    Raises:
        ConfigError: a value is invalid; the message starts with ``where`` and names the setting.
    """
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
