"""The KID of edited faces against real ones of the same ages, measured after each epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reage.arrays import Float64, UInt8
from reage.evaluation.features import lite0_features
from reage.evaluation.metrics import kernel_distance


class KidMeter:
    """Measures KID-Lite0, and keeps the features of the real faces for the next time. Needs the extra ``eval``."""

    def __init__(self) -> None:
        self._real: dict[str, Float64] = {}

    def __call__(self, pairs: Mapping[str, tuple[UInt8, UInt8]], split: str) -> dict[str, float]:
        """The KID for each direction, such as ``kid_older``, and their mean as ``kid``.

        Args:
            pairs: for each direction, edited faces and real ones, each (N, S, S, 3) uint8. Directions with fewer than
                four faces are left out; with none left, the result is empty.
            split: the split that they are from. The real faces of a split and direction must always be the same.
        """
        figures = {}
        for direction, (edited, real) in pairs.items():
            if min(len(edited), len(real)) < 4:
                continue
            key = f"{split}/{direction}"
            if key not in self._real:
                self._real[key] = lite0_features(real)
            distance, _ = kernel_distance(lite0_features(edited), self._real[key])
            figures[f"kid_{direction}"] = round(distance, 5)
        return {**figures, "kid": round(float(np.mean(list(figures.values()))), 5)} if figures else {}
