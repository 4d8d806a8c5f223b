"""Metrics: pure functions of arrays, each with its equation; no networks or files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float64, UInt8
from reage.errors import ReageError

Features = Float64


# -- target age --


def slope(targets: Float64, estimates: Float64) -> Float64:
    """Slope: the change of the estimated age per year of the target; 1 is as asked.

    Args:
        targets: (T,), ages asked for.
        estimates: (N, T), estimated ages of N faces at these targets.

    Returns:
        (N,), the least-squares slope of each row of ``estimates`` against ``targets``.
    """
    centred = targets - targets.mean()
    slopes: Float64 = (estimates - estimates.mean(1, keepdims=True)) @ centred / (centred @ centred)
    return slopes


def rising(estimates: Float64) -> Bool:
    """Mask (N,) of the rows of ``estimates`` (N, T) that rise from each target to the next."""
    return np.asarray((np.diff(estimates, axis=1) > 0).all(1))


@dataclass(frozen=True)
class Calibration:
    """Corrects the ages that a judge estimates: an estimate becomes the age of real people who are estimated so.

    Attributes:
        estimates: (K,), rising, the judge's mean estimates of real people in K age bands.
        ages: (K,), mean labelled ages of these people.

    This is classical calibration. A regression of age on estimate would draw everybody towards the mean, and edited
    faces with them; here outputs that look like real people of 70 get 70. Beyond the ends, a year is a year.
    """

    estimates: Float64
    ages: Float64

    def __call__(self, estimates: npt.NDArray[Any]) -> Float64:
        """Corrected ages in years; ``estimates`` and the answer have the same shape, whatever it is."""
        raw = np.asarray(estimates, np.float64)
        inside: Float64 = np.interp(raw, self.estimates, self.ages)
        beyond = np.minimum(raw - self.estimates[0], 0) + np.maximum(raw - self.estimates[-1], 0)
        corrected: Float64 = inside + beyond
        return corrected


def calibrate(estimates: Float64, ages: Float64, width: float = 10.0, fewest: int = 5) -> Calibration:
    """Fit a `Calibration` to real faces: the mean estimates of age bands, made monotone by isotonic regression.

    Args:
        estimates: (N,), estimated ages of real faces.
        ages: (N,), their labelled ages.
        width: years in a band.
        fewest: bands with fewer faces are left out; the others weigh as much as they have faces.

    Raises:
        ReageError: fewer than two bands have enough faces.
    """
    from sklearn.isotonic import isotonic_regression

    bands = np.floor((ages + width / 2) / width)
    kept = [band for band in np.unique(bands) if (bands == band).sum() >= fewest]
    if len(kept) < 2:
        raise ReageError(f"a judge cannot be calibrated on {len(ages)} faces of {len(kept)} age bands")
    members = [bands == band for band in kept]
    means = isotonic_regression(
        np.array([estimates[band].mean() for band in members]),
        sample_weight=np.array([band.sum() for band in members]),
    )
    rise = np.maximum.accumulate(means) + 1e-6 * np.arange(len(means))  # flat stretches still have an inverse
    return Calibration(rise, np.array([ages[band].mean() for band in members]))


# -- identity --


def acceptance_threshold(descriptors: Float64, subjects: npt.NDArray[Any], rate: float = 0.01) -> float:
    """The distance below which two photos are accepted as the same person.

    Args:
        descriptors: (N, D), one row for each photo.
        subjects: (N,), who is in it.
        rate: the share of pairs of different people that the threshold accepts.

    Raises:
        ReageError: the photos are all of one person.
    """
    from scipy.spatial.distance import (
        pdist,  # here, since training imports this module without the extra eval
    )

    same = same_subject(subjects)
    if same.all():
        raise ReageError("a threshold for identity needs photos of at least two people")
    return float(np.quantile(pdist(descriptors)[~same], rate))


def same_subject(subjects: npt.NDArray[Any]) -> Bool:
    """Which pairs of N photos are of one person: a mask (N (N - 1) / 2,) in the order of scipy's ``pdist``."""
    rows, columns = np.triu_indices(len(subjects), 1)
    return np.asarray(subjects[rows] == subjects[columns], bool)


# -- realism --


def kernel_distance(
    ours: Features, theirs: Features, *, subsets: int = 50, subset_size: int = 100, seed: int = 0
) -> tuple[float, float]:
    """KID, the kernel distance between two sets of pictures (Binkowski et al., "Demystifying MMD GANs", 2018).

    The unbiased squared maximum mean discrepancy under the kernel ``(x.y / D + 1)^3``, as the mean over random subsets.
    The sets are cut into as many disjoint subsets as they hold, at least two, and cut again in other ways until there
    are ``subsets`` of them.

    Args:
        ours: (N, D), features of one set.
        theirs: (M, D), features of the other.
        subsets: how many subsets are drawn, at least.
        subset_size: how many pictures a subset has, at most.
        seed: draws the subsets.

    Returns:
        The distance and its standard error. The error is that of one cut, whose subsets share no picture: more cuts
        make it surer, not smaller.

    Raises:
        ReageError: a set has fewer than four pictures.
    """
    smaller = min(len(ours), len(theirs))
    size = min(subset_size, smaller // 2)
    if size < 2:
        raise ReageError(f"a KID needs at least 4 pictures on each side, not {len(ours)} and {len(theirs)}")
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
    """FID, the Fréchet distance between two sets of pictures (Heusel et al., "GANs Trained by a Two Time-Scale Update
    Rule", 2017): ``|m - n|^2 + tr(S + T - 2 (S T)^(1/2))`` of their means m, n and covariances S, T.

    Args:
        ours: (N, D), features of one set.
        theirs: (M, D), features of the other.

    Returns:
        The distance of the whole sets. It is biased upwards where N or M are not far above D.

    Raises:
        ReageError: a set has fewer than two pictures.
    """
    if min(len(ours), len(theirs)) < 2:
        raise ReageError(f"an FID needs at least 2 pictures on each side, not {len(ours)} and {len(theirs)}")
    apart = ours.mean(0) - theirs.mean(0)
    # With S = A'A and T = B'B, tr (S T)^(1/2) is the sum of the singular values of A B'; the triangles of A and B do.
    # scipy's sqrtm would take a D x D matrix that is singular where there are fewer pictures than dimensions.
    a, b = (np.asarray(np.linalg.qr((x - x.mean(0)) / np.sqrt(len(x) - 1), mode="r")) for x in (ours, theirs))
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(apart @ apart + np.square(a).sum() + np.square(b).sum() - 2 * cross)


# -- preservation --


def sharpness(picture: UInt8, region: Bool) -> float:
    """Variance of the Laplacian of the grey picture within a region, in squared levels of 255.

    Args:
        picture: (H, W, 3), sRGB.
        region: (H, W), True where it counts.
    """
    laplacian = cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F)
    return float(laplacian[region].var())
