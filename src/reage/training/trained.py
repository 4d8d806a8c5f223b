"""Opens trained networks from a run folder, one of its files, or a checkpoint of another project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from reage.errors import ConfigError
from reage.training.aging_gan import AGING_GAN_SIZE, aging_gan_exported, read_aging_gan
from reage.training.checkpoint import copy_weights, load_weights, read_about
from reage.training.config import TrainSettings, read_settings
from reage.training.families import Exported, family_type

DATA = {"utkface": "UTKFace (train split of `reage data index`); research use only"}
LICENCES = {"utkface": "Weights trained on UTKFace: non-commercial research use. Code: MIT."}
LICENCE = "Weights: as their training data allow, whose terms are not known here. Code: MIT."
"""The licence for data sets that `LICENCES` does not name."""

_PICKLED = (".pth", ".pt")
_WEIGHTS = ".safetensors"


@dataclass
class Trained:
    """Trained networks, ready to be written as a bundle."""

    name: str
    family: str
    size: int
    """Side of the faces in pixels."""
    exported: Exported
    training: dict[str, Any]
    """The training settings for the manifest."""
    settings: TrainSettings | None = None
    """Settings of the run, if there is one."""


def is_trained(place: Path) -> bool:
    """Whether ``place`` is something that `open_trained` opens, and no bundle."""
    run = (place / "settings.json").exists() and not (place / "manifest.json").exists()
    return run or place.suffix in (*_PICKLED, _WEIGHTS)


def open_trained(place: Path, *, best: bool = True) -> Trained:
    """Load the networks that make pictures.

    Args:
        place: a run folder; a file of weights or a checkpoint in one; or a ``best.pth`` of the aging-gan project.
        best: whether to take the weights of the best epoch from a run folder; if not, or if no epoch has ended, the
            latest are taken.

    Raises:
        ConfigError: there are none, or they cannot be read, or the family makes no pictures.
    """
    if place.suffix in _PICKLED:
        exported = aging_gan_exported(read_aging_gan(place))
        training = {"imported_from": place.name, "steps": None}
        return Trained(place.stem, "cyclegan", AGING_GAN_SIZE, exported, training)
    run, weights = _run_and_weights(place, best)
    settings, about = read_settings(run), read_about(weights)
    if "size" not in about:
        raise ConfigError(f"{weights} does not state the size of its faces; it is not from a training run")
    size = int(about["size"])
    exported = family_type(settings.family).exported(settings, size)
    load_weights(weights, exported.networks)
    dataset = about.get("dataset", "unnamed")
    exported.data = exported.data or DATA.get(dataset, f"{dataset} (train split of `reage data index`)")
    exported.licence = exported.licence or LICENCES.get(dataset, LICENCE)
    training = {"steps": about["step"], "settings": json.loads(settings.model_dump_json())}
    if "average_of" in about:  # see `reage.training.averaging`
        training["average_of"] = about["average_of"]
    return Trained(run.name, settings.family, size, exported, training, settings)


def _run_and_weights(place: Path, best: bool) -> tuple[Path, Path]:
    """The run folder of ``place``, and the file with its weights."""
    if place.suffix == _WEIGHTS:
        for folder in place.absolute().parents[:2]:  # a checkpoint lies one folder deeper
            if (folder / "settings.json").exists():
                return folder, place
        raise ConfigError(f"{place} is not in a run folder")
    weights = place / f"best{_WEIGHTS}"
    return place, weights if best and weights.exists() else place / f"weights{_WEIGHTS}"


def start_from(place: Path, networks: Mapping[str, nn.Module]) -> None:
    """Fill ``networks``, critics among them, with trained weights.

    Args:
        place: as in `open_trained`; of a run folder, the latest weights are taken.
        networks: of a family, by name.

    Raises:
        ConfigError: they cannot be read, one is missing, or one does not fit.
    """
    if place.suffix in _PICKLED:
        copy_weights(read_aging_gan(place), networks, place)
    else:
        load_weights(place if place.suffix == _WEIGHTS else place / f"weights{_WEIGHTS}", networks)
