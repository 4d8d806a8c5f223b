"""KID and FID of edited faces against real ones of the same ages, measured after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from reage.arrays import Float64, UInt8
from reage.evaluation.features import Extractor, lite0_available, lite0_features, open_extractor
from reage.evaluation.metrics import frechet_distance, kernel_distance
from reage.training.config import TrainSettings
from reage.training.families import Family


@dataclass
class RealismMeter:
    """Measures a distance between edited and real faces, and keeps the features of the real ones for the next time."""

    name: str
    """The metric: kid or fid."""
    extract: Extractor
    distance: Callable[[Float64, Float64], float]
    """Takes the features of edited and of real faces, each (N, D)."""
    faces: int
    """How many edited faces of a direction it takes, and as many real ones, at most."""
    fewest: int
    """A direction with fewer faces is left out."""
    _real: dict[str, Float64] = field(default_factory=dict)

    def __call__(self, pairs: Mapping[str, tuple[UInt8, UInt8]], split: str) -> dict[str, float]:
        """The distance for each direction, such as ``kid_older``, and their mean, as ``kid``; empty without faces.

        Args:
            pairs: for each direction, edited faces and real ones, each (N, S, S, 3) uint8.
            split: the split that they are from. The real faces of a split and direction must always be the same.
        """
        figures = {}
        for direction, (edited, real) in pairs.items():
            if min(len(edited), len(real)) < self.fewest:
                continue
            key = f"{split}/{direction}"
            if key not in self._real:
                self._real[key] = self.extract(real)
            figures[f"{self.name}_{direction}"] = round(
                self.distance(self.extract(edited), self._real[key]), 5
            )
        return {**figures, self.name: round(float(np.mean(list(figures.values()))), 5)} if figures else {}

    def names(self, family: Family) -> set[str]:
        """The names of the figures that it gives for ``family``."""
        return {self.name, *(f"{self.name}_{direction}" for direction in family.directions())}


def realism_meters(settings: TrainSettings, family: Family) -> list[RealismMeter]:
    """What a run measures of realism: the KID if its features are installed, and the FID if it is asked for.

    Nothing where the family makes no pictures. Raises `ReageError` if the features of the FID are not installed.
    """
    if not family.directions():
        return []
    meters = []
    if settings.kid_faces and lite0_available():
        meters.append(RealismMeter("kid", lite0_features, _kid, settings.kid_faces, 4))
    if settings.fid:
        extract = open_extractor(settings.fid)
        meters.append(RealismMeter("fid", extract, frechet_distance, len(family.cache), 2))
    return meters


def _kid(edited: Float64, real: Float64) -> float:
    return kernel_distance(edited, real)[0]
