"""The settings that a sweep searches, and the values that each may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
import yaml

from reage.errors import ConfigError
from reage.training.config import TrainSettings, parse_recipe, validate
from reage.training.families import family_type

FACTOR = 4.0
"""Without other wishes, learning rates are searched from this part of what the recipe says to this many times it."""

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Searched:
    """A setting called ``key``, such as ``options.learning_rate``: one of ``choices``, or a number in a range.

    A range has ``low`` and ``high``, both of which it includes; whole numbers where both are. ``log`` draws from it
    evenly in the logarithm.
    """

    key: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @classmethod
    def parse(cls, text: str) -> Searched:
        """What ``key=low:high``, ``key=low:high:log`` or ``key=one,two,three`` says. Raises `ConfigError`."""
        key, sign, values = text.partition("=")
        if not sign or not key or not values:
            raise ConfigError(f"'{text}' is not a search; give key=low:high, key=low:high:log or key=one,two")
        if ":" not in values:
            choices = tuple(_value(part, text) for part in values.split(","))
            if len(set(choices)) < 2:
                raise ConfigError(f"'{text}' has only one value: there is nothing to search")
            return cls(key, choices)
        parts = values.split(":")
        ends = [_value(part, text) for part in parts[:2]]
        numbers = [float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
        if len(numbers) < 2 or parts[2:] not in ([], ["log"]) or not numbers[0] < numbers[1]:
            raise ConfigError(
                f"'{text}' is not a range; give key=low:high or key=low:high:log, the lower number first"
            )
        if parts[2:] and numbers[0] <= 0:
            raise ConfigError(f"'{text}': a logarithmic range must start above 0")
        whole = all(isinstance(end, int) for end in ends)
        low, high = (int(end) if whole else end for end in numbers)
        return cls(key, low=low, high=high, log=bool(parts[2:]))

    def suggest(self, trial: optuna.Trial) -> Value:
        """The value that ``trial`` tries."""
        if self.choices:
            chosen: Value = trial.suggest_categorical(self.key, self.choices)
            return chosen
        if isinstance(self.low, int):
            return trial.suggest_int(self.key, self.low, int(self.high), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, log=self.log)

    def extremes(self) -> Sequence[Value]:
        """Values that are within the bounds of a setting only if all are."""
        return self.choices or (self.low, self.high)

    def __str__(self) -> str:
        if self.choices:
            return f"{self.key}={','.join(_text(choice) for choice in self.choices)}"
        return f"{self.key}={_text(self.low)}:{_text(self.high)}{':log' if self.log else ''}"


def learning_rates(settings: TrainSettings) -> list[Searched]:
    """The learning rates of the family, each around its value in ``settings``: what is searched if nothing is named."""
    rates = []
    for name, field in family_type(settings.family).options_type.model_fields.items():
        if name.endswith("rate"):
            middle = float(settings.options.get(name, field.default))
            low, high = (float(f"{end:.3g}") for end in (middle / FACTOR, middle * FACTOR))
            rates.append(Searched(f"options.{name}", low=low, high=high, log=True))
    return rates


def require_searchable(settings: TrainSettings, searched: Sequence[Searched]) -> None:
    """Check that every setting in ``searched`` exists and may have all of its values. Raises `ConfigError`."""
    keys = [each.key for each in searched]
    if len(set(keys)) < len(keys):
        raise ConfigError("a setting is searched twice")
    options_type = family_type(settings.family).options_type
    for each in searched:
        for value in each.extremes():
            tried = parse_recipe(recipe_text(settings, {each.key: value}), str(each))
            validate(options_type, tried.options, f"{each}: options")


def recipe_text(settings: TrainSettings, values: Mapping[str, Value]) -> str:
    """A recipe of ``settings`` with some ``values`` by key. Raises `ConfigError` if there is no such group."""
    overrides = [f"{key}={_text(value)}" for key, value in values.items()]
    stored = yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True))
    changed = parse_recipe(stored, "the recipe", overrides)
    return str(yaml.safe_dump(changed.model_dump(mode="json", exclude_defaults=True), sort_keys=False))


def _value(text: str, where: str) -> Value:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"'{where}': '{text}' is not YAML") from error
    if isinstance(value, str):
        try:
            return float(value)  # as in 1e-4, which YAML takes for text
        except ValueError:
            return value
    if value is not None and not isinstance(value, int | float | bool):
        raise ConfigError(f"'{where}': '{text}' is not a single value")
    return value


def _text(value: Value) -> str:
    """``value`` as YAML, in one line."""
    return str(yaml.safe_dump(value)).splitlines()[0]
