"""Lists every setting of a run with its meaning, for ``reage train RECIPE --settings`` and ``reage train --help``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from pydantic import BaseModel

from reage.training.config import Settings, TrainSettings, validate


def list_settings(settings: TrainSettings) -> str:
    """Each setting as ``key=value``, as it may be given to `reage train`, then its default and what it means.

    The options are those of the family. Raises `ConfigError` if there is no such family, or an option does not fit it.
    """
    from reage.training.families import family_type  # here, since it imports torch

    options = validate(family_type(settings.family).options_type, settings.options, "options")
    groups: list[tuple[str, Settings]] = [
        ("", settings), ("data.", settings.data), ("options.", options),
    ]  # fmt: skip
    lines = []
    for prefix, group in groups:
        for name, value, default, description in _fields(group):
            lines.append(f"{prefix}{name}={value}   (default {default})")
            lines += wrap(description, 110, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def common_settings() -> list[tuple[str, str]]:
    """The settings that the runs of every family have: the name of each, and what it means with its default."""
    settings = TrainSettings(family="")
    groups: list[tuple[str, Settings]] = [("", settings), ("data.", settings.data)]
    return [
        (f"{prefix}{name}", f"{description}  [default: {default}]")
        for prefix, group in groups
        for name, _, default, description in _fields(group)
    ]


def _fields(group: Settings) -> Iterator[tuple[str, str, str, str]]:
    """Name, value, default and description of the settings of ``group`` that are no groups themselves."""
    values = group.model_dump(mode="json")
    for name, field in type(group).model_fields.items():
        if isinstance(getattr(group, name), BaseModel | Mapping):
            continue
        default = "none: must be given" if field.is_required() else _shown(field.get_default())
        yield name, _shown(values[name]), default, field.description or ""


def _shown(value: Any) -> str:
    """A value as it is written in an override, which is YAML: texts without quotes, lists in brackets."""
    return str(value) if isinstance(value, str | Path) else json.dumps(value, default=str).replace('"', "")
