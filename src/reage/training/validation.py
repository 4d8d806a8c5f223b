"""The validation figures of a family, and which of them selects the best epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from torch import nn

from reage.errors import ConfigError
from reage.training.config import TrainSettings
from reage.training.families import Family, family_type
from reage.training.realism import RealismMeter


@contextmanager
def evaluating(networks: dict[str, nn.Module]) -> Iterator[dict[str, nn.Module]]:
    """Puts the networks in eval mode, and afterwards in the modes they were in."""
    modes = {name: net.training for name, net in networks.items()}
    for net in networks.values():
        net.eval()
    yield networks
    for name, net in networks.items():
        net.train(modes[name])


def best_figure(settings: TrainSettings, figures: Collection[str]) -> str:
    """The name of the figure that is least in the best epoch, for a run that gives ``figures``."""
    fallback = family_type(settings.family).best_by
    return settings.best_by or next((each for each in ("kid", "fid") if each in figures), fallback)


def require_best_by(settings: TrainSettings, family: Family, meters: list[RealismMeter]) -> None:
    """Check that ``best_by`` names a figure that a run of ``family`` will have, with ``meters`` of realism.

    Raises:
        ConfigError: it does not; the message lists the figures there are.
        DataError: there are no faces to validate on.
    """
    name = settings.best_by
    known = {family.best_by}.union(*(meter.names(family) for meter in meters))
    known |= {other for other, ours in family.other_names.items() if ours in known}
    if name is None or name in known:
        return
    with evaluating(
        family.networks
    ) as networks:  # what figures there are may depend on the options and on the faces
        known |= family.validate(networks, "val").keys()
    if name not in known:
        raise ConfigError(f"best_by: unknown figure '{name}'; choose one of {', '.join(sorted(known))}")
