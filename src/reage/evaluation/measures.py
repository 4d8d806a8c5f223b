"""Measures: numbers from arrays, each with the equation it follows. No networks, no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float64, UInt8
from reage.errors import ReageError

Features = Float64

RESAMPLES = 1000
FEWEST_RESAMPLED = 5
"""Of fewer faces a bootstrap says nothing."""


@dataclass(frozen=True)
class Figure:
    """A mean of ``count`` values with its 95 % bootstrap interval; NaN for none, and no interval for few faces."""

    value: float
    low: float
    high: float
    count: int


def mean_figure(values: npt.NDArray[Any], whose: npt.NDArray[Any] | None = None) -> Figure:
    """Mean of ``values`` (N,) or of rows (N, T), faces being resampled: percentile bootstrap (Efron, 1979).

    ``whose`` (N,) names the face (or person) of each value where one has several: they are drawn together.
    """
    values = np.asarray(values, np.float64)
    means = values if values.ndim == 1 else values.mean(1)
    if not len(means):
        return Figure(np.nan, np.nan, np.nan, 0)
    owners = np.arange(len(means)) if whose is None else np.unique(whose, return_inverse=True)[1]
    sums, counts = np.bincount(owners, means), np.bincount(owners)
    low = high = np.nan
    if len(sums) >= FEWEST_RESAMPLED:
        draws = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
        low, high = np.percentile(sums[draws].sum(1) / counts[draws].sum(1), [2.5, 97.5])
    return Figure(float(means.mean()), float(low), float(high), len(means))


# -- target age --


def slope(targets: Float64, readings: Float64) -> Float64:
    """Least-squares slope of each row of ``readings`` (N, T) against ``targets`` (T,): (N,). 1 is as asked."""
    centred = targets - targets.mean()
    found: Float64 = (readings - readings.mean(1, keepdims=True)) @ centred / (centred @ centred)
    return found


def rising(readings: Float64) -> Bool:
    """Which rows of ``readings`` (N, T) rise from each target to the next: (N,)."""
    return np.asarray((np.diff(readings, axis=1) > 0).all(1))


@dataclass(frozen=True)
class Calibration:
    """What a judge reads on average (``readings``, rising) in real people of ``ages`` years.

    Called with a reading it answers with the age whose people are read so: classical calibration. Unlike a
    regression of age on reading it does not draw everybody towards the mean, so outputs that look like real
    people of 70 are read as 70. Beyond the ends it goes on year for year.
    """

    readings: Float64
    ages: Float64

    def __call__(self, readings: npt.NDArray[Any]) -> Float64:
        """Readings of any shape, in years of the labels."""
        read = np.asarray(readings, np.float64)
        inside: Float64 = np.interp(read, self.readings, self.ages)
        beyond = np.minimum(read - self.readings[0], 0) + np.maximum(read - self.readings[-1], 0)
        found: Float64 = inside + beyond
        return found


def calibrate(readings: Float64, ages: Float64, width: float = 10.0, fewest: int = 5) -> Calibration:
    """Fit a `Calibration` to real faces: mean readings of bands of ``width`` years, made monotone.

    Isotonic regression of the band means, weighted by their faces; bands of fewer than ``fewest`` are left out.
    Raises `ReageError` where fewer than two are left.
    """
    from sklearn.isotonic import isotonic_regression

    bands = np.floor((ages + width / 2) / width)
    kept = [band for band in np.unique(bands) if (bands == band).sum() >= fewest]
    if len(kept) < 2:
        raise ReageError(f"a judge cannot be calibrated on {len(ages)} faces of {len(kept)} age bands")
    parts = [bands == band for band in kept]
    means = isotonic_regression(
        np.array([readings[part].mean() for part in parts]),
        sample_weight=np.array([part.sum() for part in parts]),
    )
    rise = np.maximum.accumulate(means) + 1e-6 * np.arange(len(means))  # flat stretches still have an inverse
    return Calibration(rise, np.array([ages[part].mean() for part in parts]))


# -- identity --


def acceptance_threshold(descriptors: Float64, subjects: npt.NDArray[Any], rate: float = 0.01) -> float:
    """The distance below which a share ``rate`` of pairs of different people lies.

    ``descriptors`` (N, D), one row a photo; ``subjects`` (N,) says who it is. Raises `ReageError` for fewer than
    two people.
    """
    distances, same = pair_distances(descriptors, subjects)
    if same.all():
        raise ReageError("a threshold for identity needs photos of at least two people")
    return float(np.quantile(distances[~same], rate))


def pair_distances(descriptors: Float64, subjects: npt.NDArray[Any]) -> tuple[Float64, Bool]:
    """Euclidean distances (P,) of all pairs of rows (N, D), in the order of `numpy.triu_indices`; who is the same."""
    rows, columns = np.triu_indices(len(descriptors), 1)
    squares = np.square(descriptors).sum(1)
    gram = descriptors @ descriptors.T
    distances: Float64 = np.sqrt(np.maximum(squares[rows] + squares[columns] - 2 * gram[rows, columns], 0))
    return distances, subjects[rows] == subjects[columns]


# -- realism --


def kernel_distance(
    ours: Features, theirs: Features, *, subsets: int = 50, subset_size: int = 100, seed: int = 0
) -> tuple[float, float]:
    """KID between two sets of features (N, D) and (M, D): mean over random subsets, and its standard error.

    Binkowski et al., "Demystifying MMD GANs", 2018: the unbiased squared maximum mean discrepancy under the
    kernel ``(x.y / D + 1)^3``. The sets are cut into as many disjoint subsets as they hold, at least two, and cut
    again in other ways until there are ``subsets`` of them. The error is that of one cut, whose subsets share no
    picture: more cuts make it surer, not smaller. Raises `ReageError` for sets of fewer than four.
    """
    smaller = min(len(ours), len(theirs))
    size = min(subset_size, smaller // 2)
    if size < 2:
        raise ReageError(f"a KID of {len(ours)} and {len(theirs)} pictures says nothing")
    rng, parts = np.random.default_rng(seed), smaller // size
    cuts = []
    for _ in range(-(-subsets // parts)):
        x, y = (rng.permutation(len(each))[: parts * size].reshape(parts, size) for each in (ours, theirs))
        cuts.append([_unbiased_mmd(ours[i], theirs[j]) for i, j in zip(x, y, strict=True)])
    values = np.array(cuts)
    return float(values.mean()), float(np.sqrt(values.var(1, ddof=1).mean() / parts))


def _unbiased_mmd(x: Features, y: Features) -> float:
    def kernel(a: Features, b: Features) -> Features:
        k: Features = (a @ b.T / a.shape[1] + 1) ** 3
        return k

    n = len(x)
    same = sum((k.sum() - np.trace(k)) / (n * (n - 1)) for k in (kernel(x, x), kernel(y, y)))
    return float(same - 2 * kernel(x, y).mean())


def frechet_distance(ours: Features, theirs: Features) -> float:
    """FID between two sets of features (N, D) and (M, D): of the whole sets, never of batches.

    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017:
    ``|m - n|^2 + tr(S + T - 2 (S T)^(1/2))``. Biased upwards where N or M are not far above D. Raises `ReageError`
    for sets of fewer than two.
    """
    if min(len(ours), len(theirs)) < 2:
        raise ReageError(f"an FID of {len(ours)} and {len(theirs)} pictures says nothing")
    apart = ours.mean(0) - theirs.mean(0)
    # With S = A'A and T = B'B, tr (S T)^(1/2) is the sum of the singular values of A B'; the triangles of A and B do.
    a, b = (np.asarray(np.linalg.qr((x - x.mean(0)) / np.sqrt(len(x) - 1), mode="r")) for x in (ours, theirs))
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(apart @ apart + np.square(a).sum() + np.square(b).sum() - 2 * cross)


# -- preservation --


def sharpness(picture: UInt8, weight: Bool) -> float:
    """Variance of the Laplacian of the grey picture (H, W, 3) where ``weight`` (H, W) holds, in squared levels."""
    found = cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F)
    return float(found[weight].var())
