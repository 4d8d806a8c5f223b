"""Teachers and calibrators: trained age networks, and their estimates for real faces of each age."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.data.sampling import FacePool
from reage.errors import ConfigError
from reage.networks.age_net import BINS, AgeNet, expected_age
from reage.training.checkpoint import load_weights
from reage.training.dlib_age import DlibAge
from reage.training.editing import in_parts
from reage.training.losses import age_distance

CURVE_FACES = 1500
"""Faces that a curve is made from, at most."""
CURVE_WIDTH = 4.0
"""Standard deviation of the Gaussian that smooths it, in years."""


Estimate = Callable[[Tensor], Tensor]
"""Takes faces (B, 3, S, S) in [-1, 1]; returns what an age network estimates of them (B,), in years."""


class Curve:
    """The mean estimate of an age network for real faces of each age.

    An uncertain network, such as a robust one, pulls its estimates towards middle ages. The curve gives its mean
    estimate for real people of 80, for example, and the age of people for whom it estimates 60.

    Args:
        estimate: the network.
        pool: real faces, from which the curve is made.
        device: where it computes.
    """

    def __init__(self, estimate: Estimate, pool: FacePool, device: torch.device) -> None:
        self.estimate = estimate
        self.estimates = self._estimates(pool, device)
        """Its estimates (101,), strictly rising."""

    def at(self, age: Tensor) -> Tensor:
        """The mean estimate (B,) for people of ``age`` (B,) years, interpolated linearly."""
        low = age.clamp(0, BINS - 1.001).floor()
        part = age.clamp(0, BINS - 1.001) - low
        return self.estimates[low.long()] * (1 - part) + self.estimates[low.long() + 1] * part

    def read(self, face: Tensor) -> Tensor:
        """The ages (B,) in years of real people who get the same estimates as ``face`` (B, 3, S, S)."""
        return self.age_of(self.estimate(face))

    def age_of(self, estimate: Tensor) -> Tensor:
        """The age of people for whom the network estimates ``estimate`` (B,), in years: the inverse of the curve."""
        found = np.interp(estimate.cpu().numpy(), self.estimates.cpu().numpy(), np.arange(BINS))
        return torch.from_numpy(found).to(estimate)

    @torch.no_grad()
    def _estimates(self, pool: FacePool, device: torch.device) -> Tensor:
        chosen = pool.evenly_spaced(CURVE_FACES)
        chosen = chosen[np.argsort(pool.ages[chosen], kind="stable")]
        parts = [self.estimate(face).float().cpu().numpy() for face, _ in in_parts(pool, chosen, device)]
        estimates, ages = np.concatenate(parts), pool.ages[chosen]
        years = np.arange(BINS)[:, None]
        weights = np.exp(-0.5 * ((years - ages) / CURVE_WIDTH) ** 2) + 1e-12
        smooth = (weights * estimates).sum(1) / weights.sum(1)
        rising = np.maximum.accumulate(smooth) + 1e-3 * np.arange(BINS)
        return torch.from_numpy(rising).float().to(device)


class Teacher:
    """An age network with its curve.

    The target for an edit is the mean estimate for real people of the target age. If it were the age itself, the loss
    would ask for more than people of 80 show, since the network estimates less than 80 for them.

    Args:
        net: a trained network; it is moved to ``device``.
        pool: real faces, from which the curve is made.
        device: where it computes.
    """

    def __init__(self, net: AgeNet, pool: FacePool, device: torch.device) -> None:
        self.net = net.to(device)
        self.curve = Curve(lambda face: expected_age(self.net(face)[0]), pool, device)

    def distance(
        self, logits: Tensor, age: Tensor, surplus: Tensor | float = 0.0, scale: float = 10.0
    ) -> Tensor:
        """``|E[age] - curve(age) - surplus| / scale`` of each face: (B,).

        ``logits`` (B, 101) are the network's, of faces that should look ``age`` (B,) years old, or ``surplus`` (B,)
        years older than that in the network's own estimate.
        """
        return age_distance(logits, self.curve.at(age) + surplus, scale)

    def surplus(self, logits: Tensor, age: Tensor) -> Tensor:
        """How much older than the mean of their ``age`` (B,) the network estimates faces: (B,)."""
        return expected_age(logits) - self.curve.at(age)


def calibrator(path: Path, pool: FacePool, device: torch.device) -> Curve:
    """The age network at ``path`` with its curve: a run folder, or the file of dlib's (`DlibAge`).

    Raises `ConfigError` if it is neither. The other arguments are those of `Curve`.
    """
    return (
        Curve(DlibAge(path), pool, device)
        if path.is_file()
        else Teacher(read_age_net(path), pool, device).curve
    )


def read_age_net(run: Path) -> AgeNet:
    """The age network of the run folder ``run``, in eval mode and frozen. Raises `ConfigError` if it is none."""
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
