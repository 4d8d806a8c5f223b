"""Teachers: trained age networks, and what they estimate of real faces of each age."""

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
from reage.training.losses import age_distance

CURVE_FACES = 1500
"""Faces that a curve is made from, at most."""
CURVE_WIDTH = 4.0
"""Standard deviation of the Gaussian that smooths it, in years."""


class Teacher:
    """An age network with its ``curve`` (101,): what it estimates, on average, of real faces of each year of age.

    A network that is unsure, as robust ones are, draws its estimates towards the middle ages. A loss by which it must
    estimate 80 of an edit would ask for more than people of 80 show. Therefore it must estimate what it estimates of
    real people of 80.

    Args:
        net: a trained network; it is moved to ``device``.
        pool: real faces, from which the curve is made.
        device: where it computes.
    """

    def __init__(self, net: AgeNet, pool: FacePool, device: torch.device) -> None:
        self.net = net.to(device)
        self.curve = self._curve(pool, device)

    def distance(
        self, logits: Tensor, age: Tensor, surplus: Tensor | float = 0.0, scale: float = 10.0
    ) -> Tensor:
        """``|E[age] - curve(age) - surplus| / scale`` of each face: (B,).

        ``logits`` (B, 101) are the network's, of faces that should look ``age`` (B,) years old, or ``surplus`` (B,)
        years older than that in the network's own estimate.
        """
        return age_distance(logits, self._on_curve(age) + surplus, scale)

    def surplus(self, logits: Tensor, age: Tensor) -> Tensor:
        """How much older than others of their ``age`` (B,) the network finds faces, in its own estimate: (B,)."""
        return expected_age(logits) - self._on_curve(age)

    def _on_curve(self, age: Tensor) -> Tensor:
        """The curve at ``age`` (B,), interpolated linearly."""
        low = age.clamp(0, BINS - 1.001).floor()
        part = age.clamp(0, BINS - 1.001) - low
        return self.curve[low.long()] * (1 - part) + self.curve[low.long() + 1] * part

    def age_of(self, estimate: Tensor) -> Tensor:
        """The age of people of whom the network estimates ``estimate`` (B,), in years: the inverse of the curve."""
        found = np.interp(estimate.cpu().numpy(), self.curve.cpu().numpy(), np.arange(BINS))
        return torch.from_numpy(found).to(estimate)

    @torch.no_grad()
    def _curve(self, pool: FacePool, device: torch.device) -> Tensor:
        chosen = pool.evenly_spaced(CURVE_FACES)
        chosen = chosen[np.argsort(pool.ages[chosen], kind="stable")]
        parts = []
        for part in np.array_split(chosen, max(1, len(chosen) // 32)):
            faces = to_tensor(torch.from_numpy(pool.take(part, masks=False).images).to(device))
            parts.append(expected_age(self.net(faces)[0]).cpu().numpy())
        estimates, ages = np.concatenate(parts), pool.ages[chosen]
        years = np.arange(BINS)[:, None]
        weights = np.exp(-0.5 * ((years - ages) / CURVE_WIDTH) ** 2) + 1e-12
        smooth = (weights * estimates).sum(1) / weights.sum(1)
        # Strictly rising, so that it can be inverted.
        return torch.from_numpy(np.maximum.accumulate(smooth) + 1e-3 * np.arange(BINS)).float().to(device)


def read_age_net(run: Path) -> AgeNet:
    """The age network of the run folder ``run``, in eval mode and frozen. Raises `ConfigError` where it is none."""
    try:
        widths = json.loads((run / "settings.json").read_text())["options"]["widths"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{run} is not a run folder of an age network; train one with recipes/age.yaml: {error}"
        ) from error
    net = AgeNet(tuple(widths))
    load_weights(run / "weights.safetensors", {"age": net})
    net.eval().requires_grad_(False)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net
