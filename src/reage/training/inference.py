"""Loads the networks of a ``latent-cgan`` run in Python, and paints a small picture of a face with them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from reage.arrays import UInt8
from reage.errors import ConfigError
from reage.files import refuse_existing
from reage.networks.latent_cgan import (
    AgeEmbedding,
    AgeingModel,
    Discriminator,
    Encoder,
    Generator,
    build_networks,
)
from reage.networks.latent_original import (
    OriginalAgeEmbedding,
    OriginalDiscriminator,
    OriginalEncoder,
    OriginalGenerator,
)
from reage.request import check_age
from reage.training.checkpoint import load_weights, read_about
from reage.training.config import read_settings, validate
from reage.training.editing import to_tensor, to_uint8
from reage.training.families.latent_cgan import LatentFamily
from reage.training.families.latent_options import LatentOptions, latent_shape
from reage.training.painting import enlarge, largest_face, require_enlargeable, write_painted


class Models(NamedTuple):
    """Encoder E, age embedding A (None if the model is not conditional), generator G and discriminator D."""

    E: Encoder | OriginalEncoder
    A: AgeEmbedding | OriginalAgeEmbedding | None
    G: Generator | OriginalGenerator
    D: Discriminator | OriginalDiscriminator


NAMES = ("encoder", "age_embedding", "generator", "discriminator")
"""The networks of `Models`, in its order."""
RUNS = Path("runs")
"""Where runs are looked for: in the current folder, as `reage train` makes them."""


def load_models(folder: str | os.PathLike[str] | None = None, epoch: int | str = "latest") -> Models:
    """Load the networks of one epoch of a run, in eval mode, from ``E_epoch7.safetensors`` and its siblings.

    Args:
        folder: a run folder of the family ``latent-cgan``, trained with ``epoch_files: true``; by default the
            `newest_run`.
        epoch: its number, or "latest" for the last one of which there are all files.

    Raises:
        ConfigError: the folder is no such run, or has no such epoch; or there is no run to be found.
    """
    run = newest_run() if folder is None else Path(folder)
    options = _options(run)
    number = whole_epoch(run, epoch)
    files = {name: run / f"{letter}_epoch{number}.safetensors" for name, letter in _letters(options).items()}
    networks = build_networks(latent_shape(options, int(read_about(files["encoder"])["size"])))
    for name, path in files.items():
        load_weights(path, {name: networks[name]})
        networks[name].eval()
    parts: list[nn.Module | None] = [networks.get(name) for name in NAMES]
    return Models(*parts)  # type: ignore[arg-type]


def newest_run(runs: str | os.PathLike[str] = RUNS) -> Path:
    """The run folder in ``runs`` that wrote the networks of an epoch last.

    Raises:
        ConfigError: there is none with such files.
    """
    files = sorted(Path(runs).glob("*/E_epoch*.safetensors"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise ConfigError(
            f"no run with epoch files in {Path(runs).resolve()}: train recipes/latent-cgan.yaml, or give the run folder"
        )
    return files[-1].parent


def whole_epoch(folder: str | os.PathLike[str], epoch: int | str = "latest") -> int:
    """The number of ``epoch``, if there are the files of all its networks; arguments and errors as in `load_models`."""
    run = Path(folder)
    epochs = [_epochs(run, letter) for letter in _letters(_options(run)).values()]
    whole = sorted(set.intersection(*epochs))
    if not whole:
        raise ConfigError(f"{run} has no epoch files; train with epoch_files=true")
    if epoch == "latest":
        return whole[-1]
    if str(epoch).isdigit() and int(epoch) in whole:
        return int(epoch)
    raise ConfigError(f"{run} has no epoch {epoch}; it has epochs {whole[0]} to {whole[-1]}")


def _options(run: Path) -> LatentOptions:
    settings = read_settings(run)
    if settings.family != "latent-cgan":
        hint = ": ask for --direction" if settings.family == "cyclegan" else ""
        raise ConfigError(f"{run} is a run of {settings.family}, not of latent-cgan{hint}")
    return validate(LatentOptions, settings.options, "options")


def _letters(options: LatentOptions) -> dict[str, str]:
    """The networks of a model by name, and the letters that stand for them in file names."""
    names = [name for name in NAMES if options.conditional or name != "age_embedding"]
    return {name: LatentFamily.letters[name] for name in names}


def _epochs(run: Path, letter: str) -> set[int]:
    found = (re.fullmatch(rf"{letter}_epoch(\d+)\.safetensors", path.name) for path in run.iterdir())
    return {int(match[1]) for match in found if match}


@torch.no_grad()
def infer_image(
    image_path: str | os.PathLike[str],
    target_age: float,
    out_path: str | os.PathLike[str] | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    epoch: int | str = "latest",
    models: Models | None = None,
    upscale: int | None = None,
    overwrite: bool = False,
) -> UInt8:
    """Generate the largest face of a picture at another age, as small as the network makes it.

    Args:
        image_path: the picture.
        target_age: in years, 0 to 116.
        out_path: where to write what is generated, marked as edited by AI; None writes nothing.
        run: a run folder; by default the `newest_run`.
        epoch: see `load_models`.
        models: networks that were loaded before; ``run`` and ``epoch`` are then only named in the mark.
        upscale: side in pixels to enlarge the picture to, up to 4096; by default it has that of the network, S.
        overwrite: whether an existing ``out_path`` may be replaced.

    Returns:
        The picture (S, S, 3), or (``upscale``, ``upscale``, 3), sRGB.

    Raises:
        PhotoError: the picture cannot be read.
        NoFaceError: it has no face.
        AgeError: the age is out of range.
        ConfigError: the run or epoch cannot be read, or ``upscale`` is smaller than S or too large.
        ExistsError: ``out_path`` exists.
    """
    check_age(target_age)
    if out_path is not None:
        refuse_existing(out_path, overwrite)  # before the work, not after it
    name = "latent-cgan"
    if models is None or run is not None:
        folder = newest_run() if run is None else Path(run)
        number = whole_epoch(folder, epoch)
        name = f"{folder.name}, epoch {number}"
        models = models or load_models(folder, number)
    size = models.E.size
    require_enlargeable(size, upscale)
    painted = enlarge(_paint(models, largest_face(image_path, size), target_age), upscale)
    if out_path is not None:
        edit = f"face painted at {target_age:g} years"
        write_painted(painted, out_path, model=name, edit=edit, overwrite=overwrite)
    return painted


def _paint(models: Models, face: UInt8, age: float) -> UInt8:
    """The picture that the networks paint of an aligned face (S, S, 3) at ``age`` in years: (S, S, 3)."""
    networks: dict[str, nn.Module] = {"encoder": models.E, "generator": models.G}
    if models.A is not None:
        networks["age_embedding"] = models.A
    tensor = to_tensor(torch.from_numpy(np.ascontiguousarray(face))[None])
    return to_uint8(AgeingModel(networks)(tensor, torch.tensor([float(age)])))[0].numpy()
