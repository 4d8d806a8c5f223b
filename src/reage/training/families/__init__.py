"""The families of networks that can be trained, by their names in recipes."""

from __future__ import annotations

from reage.errors import ConfigError
from reage.training.families.age import AgeFamily
from reage.training.families.base import Compute, Exported, Family, Sheet
from reage.training.families.cyclegan import CycleFamily
from reage.training.families.delta import DeltaFamily
from reage.training.families.latent_cgan import LatentFamily

FAMILIES: dict[str, type[Family]] = {
    "age": AgeFamily,
    "cyclegan": CycleFamily,
    "delta": DeltaFamily,
    "latent-cgan": LatentFamily,
}

__all__ = ["FAMILIES", "Compute", "Exported", "Family", "Sheet", "family_type"]


def family_type(name: str) -> type[Family]:
    """The family called ``name``. Raises `ConfigError`, naming those that there are, where there is none."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise ConfigError(f"no family '{name}'; there are {', '.join(FAMILIES)}") from None
