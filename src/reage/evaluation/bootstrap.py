"""A score: one figure of a report, with its bootstrap interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, PlainSerializer

RESAMPLES = 1000
FEWEST_RESAMPLED = 5
"""A bootstrap over fewer faces than this says nothing, and no interval is given."""


def _null_as_nan(value: Any) -> Any:
    return math.nan if value is None else value


def _nan_as_null(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


Number = Annotated[float, BeforeValidator(_null_as_nan), PlainSerializer(_nan_as_null, when_used="json")]
"""A figure, NaN if there is none. JSON has no NaN: there it is null, and other figures have six decimals."""


@dataclass(frozen=True)
class Score:
    """A figure over ``count`` values with the ends of its 95 % bootstrap interval.

    ``value`` is NaN if there are no values; ``low`` and ``high`` are NaN if there are too few for an interval.
    """

    value: Number
    low: Number
    high: Number
    count: int


NO_SCORE = Score(math.nan, math.nan, math.nan, 0)


def mean_score(values: npt.NDArray[Any], owners: npt.NDArray[Any] | None = None) -> Score:
    """The mean of values, with its interval.

    Args:
        values: (N,), or (N, T) for T values of each of N faces, which are averaged first.
        owners: (N,), which face or person each value belongs to, where some have several. The bootstrap draws all
            values of an owner together; without ``owners`` each value is its own.

    Returns:
        The score, whose count is N.
    """
    values = np.asarray(values, np.float64)
    means = values if values.ndim == 1 else values.mean(1)
    return ratio_score(means, np.ones_like(means), owners)


def ratio_score(
    numerators: npt.NDArray[Any], denominators: npt.NDArray[Any], owners: npt.NDArray[Any] | None = None
) -> Score:
    """The sum of numerators over the sum of denominators, with a percentile bootstrap interval (Efron, 1979).

    Args:
        numerators: (N,).
        denominators: (N,), positive.
        owners: (N,), as in `mean_score`.

    Returns:
        The score, whose count is N.
    """
    if not len(numerators):
        return NO_SCORE
    owner = np.arange(len(numerators)) if owners is None else np.unique(owners, return_inverse=True)[1]
    above, below = np.bincount(owner, numerators), np.bincount(owner, denominators)
    low = high = math.nan
    if len(above) >= FEWEST_RESAMPLED:
        draws = np.random.default_rng(0).integers(0, len(above), (RESAMPLES, len(above)))
        low, high = np.percentile(above[draws].sum(1) / below[draws].sum(1), [2.5, 97.5])
    return Score(float(above.sum() / below.sum()), float(low), float(high), len(numerators))
