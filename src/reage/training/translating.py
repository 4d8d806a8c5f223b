"""Paints the picture of a face with an ageing CycleGAN, young to old or back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from reage.ages import DIRECTIONS
from reage.arrays import UInt8
from reage.errors import ConfigError
from reage.files import refuse_existing
from reage.training.checkpoint import load_weights
from reage.training.editing import to_tensor, to_uint8
from reage.training.families.cyclegan import CycleFamily
from reage.training.painting import enlarge, largest_face, require_enlargeable, write_painted
from reage.training.trained import open_trained


@torch.no_grad()
def translate_image(
    image_path: str | os.PathLike[str],
    direction: Literal["young2old", "old2young"],
    out_path: str | os.PathLike[str] | None = None,
    *,
    run: str | os.PathLike[str],
    epoch: int | str = "best",
    upscale: int | None = None,
    overwrite: bool = False,
) -> UInt8:
    """Make the largest face of a picture old or young, as small as the network makes it.

    Args:
        image_path: the picture.
        direction: which of both generators is used.
        out_path: where to write what is made, marked as edited by AI; None writes nothing.
        run: a run of ``cyclegan``, a file of weights or a checkpoint in it, or a ``best.pth`` of the aging-gan project.
        epoch: of a run folder, "best", "latest", or the number of an epoch that left files (``epoch_files: true``).
        upscale: side in pixels to enlarge the picture to, up to 4096; by default it has that of the network, S.
        overwrite: whether an existing ``out_path`` may be replaced.

    Returns:
        The picture (S, S, 3), or (``upscale``, ``upscale``, 3), sRGB.

    Raises:
        PhotoError: the picture cannot be read.
        NoFaceError: it has no face.
        ConfigError: the run or epoch cannot be read, or is of another family; ``upscale`` is too small or too large.
        ExistsError: ``out_path`` exists.
    """
    if out_path is not None:
        refuse_existing(out_path, overwrite)  # before the work, not after it
    place, way = Path(run), DIRECTIONS[direction]
    trained = open_trained(place, best=epoch != "latest")
    if trained.family != "cyclegan":
        raise ConfigError(f"{run} is a run of {trained.family}, not of cyclegan")
    require_enlargeable(trained.size, upscale)
    network = trained.exported.networks[way]
    if epoch not in ("best", "latest"):
        _load_epoch(place, way, epoch, network)
    face = largest_face(image_path, trained.size, trained.exported.zoom)
    painted = network.eval()(to_tensor(torch.from_numpy(np.ascontiguousarray(face))[None]))
    picture = enlarge(to_uint8(painted)[0].numpy(), upscale)
    if out_path is not None:
        model = f"{trained.name}, {epoch}"
        write_painted(picture, out_path, model=model, edit=f"face painted {way}", overwrite=overwrite)
    return picture


def _load_epoch(run: Path, way: str, epoch: int | str, network: nn.Module) -> None:
    path = run / f"{CycleFamily.letters[way]}_epoch{epoch}.safetensors"
    if not path.exists():
        raise ConfigError(f"{run} has no epoch files of epoch {epoch}; train with epoch_files=true")
    load_weights(path, {way: network})
