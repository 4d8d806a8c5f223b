"""The registry of families: a name in a recipe, and the class that builds its networks and takes its steps."""

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
    """The family called ``name``; raises `ConfigError` naming those there are."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise ConfigError(f"no family '{name}'; there are {', '.join(FAMILIES)}") from None
