"""The figures of a family on a split of faces: which there are, and which of them says what epoch is the best."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from reage.errors import ConfigError
from reage.evaluation.features import lite0_available
from reage.training.config import TrainSettings
from reage.training.families import Family


@contextmanager
def evaluating(networks: dict[str, nn.Module]) -> Iterator[dict[str, nn.Module]]:
    """Puts the networks in eval mode, and afterwards in the modes they were in."""
    modes = {name: net.training for name, net in networks.items()}
    for net in networks.values():
        net.eval()
    yield networks
    for name, net in networks.items():
        net.train(modes[name])


def measures_kid(settings: TrainSettings, family: Family) -> bool:
    """Whether a run measures the KID: if it is wanted, its features are installed, and the family makes pictures."""
    return bool(settings.kid_faces and family.directions() and lite0_available())


def require_best_by(settings: TrainSettings, family: Family) -> None:
    """Check that ``best_by`` names a figure that a run of ``family`` will have.

    Raises:
        ConfigError: it does not; the message lists the figures there are.
        DataError: there are no faces to validate on.
    """
    name = settings.best_by
    kid = {"kid", *(f"kid_{direction}" for direction in family.directions())}
    known = {family.best_by} | (kid if measures_kid(settings, family) else set())
    if name is None or name in known:
        return
    with evaluating(
        family.networks
    ) as networks:  # what figures there are may depend on the options and on the faces
        known |= family.validate(networks, "val").keys()
    if name not in known:
        raise ConfigError(f"best_by: there is no figure '{name}', only {', '.join(sorted(known))}")
