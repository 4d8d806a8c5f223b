"""Trained age networks that teach: what they read of a face, against what they read of real faces of an age."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.data.sampling import FacePool
from reage.errors import ConfigError
from reage.networks.age_net import BINS, AgeNet, expected_age
from reage.training.checkpoint import load_weights
from reage.training.editing import to_tensor

CURVE_FACES = 1500
CURVE_WIDTH = 4.0
"""Faces that a curve is drawn from, and the years over which it is smoothed."""


class Teacher:
    """The frozen age network of a run, with its ``curve`` (101,): what it reads, on average, of real faces of each age.

    A network that is unsure, as robust ones are, draws every reading towards the middle ages. Asked that it read 80
    of an edit, it asks for more than people of 80 show; asked that it read what it reads of people of 80, it does not.
    """

    def __init__(self, net: AgeNet, pool: FacePool, device: torch.device) -> None:
        self.net = net.to(device)
        self.curve = self._curve(pool, device)

    def distance(self, logits: Tensor, age: Tensor, scale: float = 10.0) -> Tensor:
        """``|E[age] - curve(age)| / scale``, per face: shape (B,).

        ``logits`` (B, 101) are the answers to faces that should look ``age`` (B,) years old.
        """
        low = age.clamp(0, BINS - 1.001).floor()
        part = age.clamp(0, BINS - 1.001) - low
        wanted = self.curve[low.long()] * (1 - part) + self.curve[low.long() + 1] * part
        return (expected_age(logits) - wanted).abs() / scale

    def age_of(self, reading: Tensor) -> Tensor:
        """The age in years whose people the network reads as ``reading``, on average: the curve turned round."""
        found = np.interp(reading.cpu().numpy(), self.curve.cpu().numpy(), np.arange(BINS))
        return torch.from_numpy(found).to(reading)

    @torch.no_grad()
    def _curve(self, pool: FacePool, device: torch.device) -> Tensor:
        chosen = pool.evenly_spaced(CURVE_FACES)
        chosen = chosen[np.argsort(pool.ages[chosen], kind="stable")]
        readings = []
        for part in np.array_split(chosen, max(1, len(chosen) // 32)):
            faces = to_tensor(torch.from_numpy(pool.take(part, masks=False).images).to(device))
            readings.append(expected_age(self.net(faces)[0]).cpu().numpy())
        read, ages = np.concatenate(readings), pool.ages[chosen]
        years = np.arange(BINS)[:, None]
        weights = np.exp(-0.5 * ((years - ages) / CURVE_WIDTH) ** 2) + 1e-12
        smooth = (weights * read).sum(1) / weights.sum(1)
        # Strictly rising, so that it can be turned round.
        return torch.from_numpy(np.maximum.accumulate(smooth) + 1e-3 * np.arange(BINS)).float().to(device)


def read_age_net(run: Path) -> AgeNet:
    """The frozen age network of the run folder ``run``; raises `ConfigError` where it is none."""
    try:
        widths = json.loads((run / "settings.json").read_text())["options"]["widths"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"teachers: {run} is not a run folder; train one with recipes/age.yaml: {error}"
        ) from error
    net = AgeNet(tuple(widths))
    load_weights(run / "weights.safetensors", {"age": net})
    net.eval().requires_grad_(False)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net
