"""The networks of a ``latent-cgan`` run from Python, and the small picture that they make of a face."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from reage._version import __version__
from reage.errors import ConfigError, NoFaceError
from reage.face.alignment import align_landmarks, warp
from reage.face.detection import FaceDetector
from reage.networks.latent_cgan import AgeingModel, build_networks
from reage.photo.files import Photo, Provenance, read_photo, write_photo
from reage.photo.photo import eight_bits
from reage.request import check_age
from reage.training.checkpoint import load_weights, read_about
from reage.training.config import validate
from reage.training.editing import to_tensor, to_uint8
from reage.training.export import read_settings
from reage.training.families.latent_cgan import LatentFamily, LatentOptions, latent_shape


class Models(NamedTuple):
    """Encoder E, age embedding A (None where the model is not conditional), generator G and discriminator D."""

    E: nn.Module
    A: nn.Module | None
    G: nn.Module
    D: nn.Module


DEFAULT_RUN = Path("runs/latent-cgan")


def load_models(folder: str | os.PathLike[str], epoch: int | str = "latest") -> Models:
    """Load the networks of one epoch of a run, in eval mode, from ``E_epoch7.safetensors`` and its siblings.

    Args:
        folder: a run folder of the family ``latent-cgan``, trained with ``epoch_files: true``.
        epoch: its number, or "latest" for the last one of which there are all files.

    Raises:
        ConfigError: the folder is no such run, or has no such epoch.
    """
    run, options = Path(folder), _options(Path(folder))
    number = whole_epoch(run, epoch)
    files = {name: run / f"{letter}_epoch{number}.safetensors" for name, letter in _letters(options).items()}
    networks = build_networks(latent_shape(options, _size(run, number)))
    for name, path in files.items():
        load_weights(path, {name: networks[name]})
        networks[name].eval()
    parts: list[nn.Module | None] = [networks.get(name) for name in LatentFamily.letters]
    return Models(*parts)  # type: ignore[arg-type]


def whole_epoch(folder: str | os.PathLike[str], epoch: int | str = "latest") -> int:
    """The number of ``epoch``, if there are the files of all its networks; arguments and errors as in `load_models`."""
    run = Path(folder)
    epochs = [_epochs(run, letter) for letter in _letters(_options(run)).values()]
    whole = sorted(set.intersection(*epochs))
    if not whole:
        raise ConfigError(f"{run} has no files of epochs; train with epoch_files=true")
    if epoch == "latest":
        return whole[-1]
    if str(epoch).isdigit() and int(epoch) in whole:
        return int(epoch)
    raise ConfigError(f"{run} has no epoch {epoch}; it has {whole[0]} to {whole[-1]}")


def _options(run: Path) -> LatentOptions:
    settings = read_settings(run)
    if settings.family != "latent-cgan":
        raise ConfigError(f"{run} is a run of {settings.family}, not of latent-cgan")
    return validate(LatentOptions, settings.options, "options")


def _letters(options: LatentOptions) -> dict[str, str]:
    """The networks of a model by name, and the letters that stand for them in file names."""
    letters = dict(LatentFamily.letters)
    if not options.conditional:
        del letters["age_embedding"]
    return letters


def _epochs(run: Path, letter: str) -> set[int]:
    found = (re.fullmatch(rf"{letter}_epoch(\d+)\.safetensors", path.name) for path in run.iterdir())
    return {int(match[1]) for match in found if match}


@torch.no_grad()
def infer_image(
    image_path: str | os.PathLike[str],
    target_age: float,
    out_path: str | os.PathLike[str],
    *,
    run: str | os.PathLike[str] = DEFAULT_RUN,
    epoch: int | str = "latest",
    overwrite: bool = False,
) -> Path:
    """Generate the largest face of a picture at another age, and write it as small as the network makes it.

    Args:
        image_path: the picture.
        target_age: in years, 0 to 116.
        out_path: the picture to write, S x S pixels, marked as edited by AI.
        run: a run folder; see `load_models`.
        epoch: see `load_models`.
        overwrite: whether an existing ``out_path`` may be replaced.

    Returns:
        The path written.

    Raises:
        PhotoError: the picture cannot be read.
        NoFaceError: it has no face.
        AgeError: the age is out of range.
        ConfigError: the run or epoch cannot be read.
        ExistsError: ``out_path`` exists.
    """
    check_age(target_age)
    number = whole_epoch(run, epoch)
    models = load_models(run, number)
    pixels = eight_bits(read_photo(image_path).pixels)
    faces = FaceDetector().detect(pixels)
    if not faces:
        raise NoFaceError(f"{image_path}: no face found")
    size = _size(Path(run), number)
    face = warp(pixels, align_landmarks(faces[0].landmarks_photo, size), (size, size))
    tensor = to_tensor(torch.from_numpy(np.ascontiguousarray(face))[None])
    networks: dict[str, nn.Module] = {"encoder": models.E, "generator": models.G}
    if models.A is not None:
        networks["age_embedding"] = models.A
    aged = AgeingModel(networks)(tensor, torch.tensor([float(target_age)]))
    mark = Provenance(
        tool=f"reage {__version__}",
        model=f"{Path(run).name}, epoch {number}",
        edits=(f"face painted at {target_age:g} years",),
    )
    return write_photo(Photo(to_uint8(aged)[0].numpy()), out_path, mark=mark, overwrite=overwrite)


def _size(run: Path, epoch: int) -> int:
    """Side in pixels of the faces that the networks of a run were trained on."""
    return int(read_about(run / f"E_epoch{epoch}.safetensors")["size"])
