"""Checkpoints of the aging-gan project, an ageing CycleGAN. They are read without executing any code in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reage.errors import ConfigError, one_line
from reage.networks.cyclegan import PatchDiscriminator, ResNetGenerator
from reage.training.families.base import Exported
from reage.training.families.cyclegan import cycle_exported

UTKFACE_ZOOM = 1.063
"""How many times as large faces are in the pictures of UTKFace as in the aligned frame, on average. The frame is the
mean of those pictures, and a face that differs from the mean in any point is fitted to it a little too small."""
AGING_GAN_ZOOM = 306 / 256 * UTKFACE_ZOOM
"""The aging-gan project resizes pictures of UTKFace to 306 px and cuts out the middle 256; its networks are shown faces
of that size whatever the number of pixels."""
AGING_GAN_SIZE = 256
"""Side in pixels of the faces that it shows them."""


def read_aging_gan(path: Path) -> dict[str, nn.Module]:
    """Read the networks of a ``best.pth`` of the aging-gan project, in eval mode.

    Returns:
        ``older`` (called G there) and ``younger`` (F), ResNet generators with batch norm; ``young_critic`` (DX) and
        ``old_critic`` (DY), PatchGAN critics, whose answer that project averages over patches.

    Raises:
        ConfigError: the file is anything else.
    """
    try:
        stored: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file leads it to
        reason = one_line(error)[:200]
        raise ConfigError(f"{path}: not a checkpoint that can be read safely: {reason}") from error
    try:
        states = {name: _renamed(stored[name]) for name in ("G", "F", "DX", "DY")}
        networks = {
            "older": _generator(states["G"]),
            "younger": _generator(states["F"]),
            "young_critic": _critic(states["DX"]),
            "old_critic": _critic(states["DY"]),
        }
    except (KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
        reason = one_line(error)[:200]
        raise ConfigError(f"{path}: not a checkpoint of the aging-gan project: {reason}") from error
    return {name: network.eval() for name, network in networks.items()}


def aging_gan_exported(networks: Mapping[str, nn.Module]) -> Exported:
    """The generators among ``networks``, which `read_aging_gan` returned, as a bundle holds them."""
    return cycle_exported(
        {way: networks[way] for way in ("older", "younger")},
        older=55.0,
        younger=23.0,
        zoom=AGING_GAN_ZOOM,
        data="Imported: the aging-gan project",
        licence="Data and licence of the weights: see the aging-gan project, which published them.",
    )


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        re.sub(r"^model\.", "layers.", key).replace(".conv_block.", ".body."): v for key, v in state.items()
    }


def _generator(state: dict[str, Tensor]) -> nn.Module:
    blocks = len({key.split(".")[1] for key in state if ".body." in key})
    network = ResNetGenerator(state["layers.1.weight"].shape[0], blocks, "batch")
    network.load_state_dict(state)
    return network


def _critic(state: dict[str, Tensor]) -> nn.Module:
    network = PatchDiscriminator(state["layers.0.weight"].shape[0], "batch")
    network.load_state_dict(state)
    return network
