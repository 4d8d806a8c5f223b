"""Weights and checkpoints on disk: safetensors files, written completely or not at all.

A file of weights holds the tensors of some networks; a checkpoint also holds their optimisers, so that a run goes on
exactly where it stopped. Both have a header, ``about``, of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reage.errors import ConfigError, one_line
from reage.files import writing


def read_about(path: Path) -> dict[str, Any]:
    """The header of a file of `save_weights` or `save_checkpoint`. Raises `ConfigError` if it is none."""
    try:
        with safe_open(path, "pt") as file:
            return _about(file)
    except (OSError, SafetensorError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable checkpoint: {one_line(error)}") from error


def _about(file: Any) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((file.metadata() or {}).get("about", "{}"))
    return about


def save_weights(path: Path, networks: Mapping[str, nn.Module], about: Mapping[str, Any]) -> None:
    """Write weights and buffers of ``networks`` by name, as ``name/parameter``, with ``about`` as the header.

    Raises `WriteError`.
    """
    save_tensors(path, _flatten(networks), about)


def load_weights(path: Path, networks: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Fill ``networks`` from a file of `save_weights` or `save_checkpoint`; returns its header.

    Networks in the file that are not in ``networks`` are ignored; where a checkpoint has the average of one, that is
    taken. Raises `ConfigError` if one is missing or does not fit.
    """
    tensors, about = read_tensors(path)
    averages = _under(tensors, "average.")
    averaged = {name for name in networks if _under(averages, f"{name}/")}
    own = {key: value for key, value in tensors.items() if key.split("/")[0] not in averaged}
    _fill(networks, own | averages, path)
    return about


def copy_weights(source: Mapping[str, nn.Module], networks: Mapping[str, nn.Module], path: Path) -> None:
    """Fill ``networks`` from those of the same names in ``source``, which were read from ``path``.

    Raises `ConfigError` if one is missing or does not fit.
    """
    _fill(networks, _flatten(source), path)


def _flatten(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": value for name, net in networks.items() for key, value in net.state_dict().items()
    }


def _fill(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, net in networks.items():
        part = _under(tensors, f"{name}/")
        try:
            net.load_state_dict(part)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise ConfigError(f"{path}: weights of '{name}' do not fit this network: {first}") from error


def save_checkpoint(
    path: Path,
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    about: Mapping[str, Any],
) -> None:
    """Write networks and optimisers, by name, with ``about`` as the header. Raises `WriteError`."""
    tensors = _flatten(networks)
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {
                f"optimiser.{name}/{index}/{key}": torch.as_tensor(value) for key, value in state.items()
            }
    save_tensors(path, tensors, about)


def load_checkpoint(
    path: Path, networks: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Any]:
    """Fill networks and optimisers from a file of `save_checkpoint`; returns its header.

    Learning rates are not stored, since the schedule gives them for every step. Raises `ConfigError` if the file
    does not fit.
    """
    tensors, about = read_tensors(path)
    _fill(networks, tensors, path)
    for name, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in _under(tensors, f"optimiser.{name}/").items():
            index, field = key.split("/")
            state.setdefault(int(index), {})[field] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return about


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints in a run folder, oldest first."""
    return sorted((run / "checkpoints").glob("step*.safetensors"))


def checkpoint_path(run: Path, step: int) -> Path:
    """Where the checkpoint of ``step`` lies in a run folder."""
    return run / "checkpoints" / f"step{step:08d}.safetensors"


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write ``tensors`` with ``about`` as the header. Raises `WriteError`."""
    # Cloned: safetensors refuses tensors that share memory, and channels-last ones must be made contiguous.
    plain = {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, value in tensors.items()
    }
    with writing(path) as part:
        try:
            save_file(plain, part, {"about": json.dumps(dict(about))})
        except SafetensorError as error:  # how safetensors words a full disk
            raise OSError(str(error)) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file of weights or of a checkpoint, and its header. Raises `ConfigError`."""
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, _about(file)  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable checkpoint: {one_line(error)}") from error
