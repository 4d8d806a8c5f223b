"""KID of edited faces against real ones of the same ages, after each epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from reage.evaluation.features import lite0_features
from reage.evaluation.measures import kernel_distance

Pictures = npt.NDArray[np.uint8]


def kid_of(pairs: Mapping[str, tuple[Pictures, Pictures]]) -> dict[str, float]:
    """KID-Lite0 for each direction of ``pairs`` of edited and real faces (N, S, S, 3), and their mean as ``kid``.

    Nothing where there are no pairs. Needs the extra ``eval``.
    """
    figures = {}
    for direction, (edited, real) in pairs.items():
        if min(len(edited), len(real)) > 1:
            distance, _ = kernel_distance(lite0_features(edited), lite0_features(real))
            figures[f"kid_{direction}"] = round(distance, 5)
    return {**figures, "kid": round(float(np.mean(list(figures.values()))), 5)} if figures else {}
