"""Measures: numbers from arrays, each with the equation it follows. No networks, no files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reage.errors import ReageError

Features = npt.NDArray[np.float64]


def kernel_distance(
    ours: Features, theirs: Features, *, subsets: int = 50, subset_size: int = 100, seed: int = 0
) -> tuple[float, float]:
    """KID between two sets of features (N, D) and (M, D): mean over random subsets, and its standard error.

    Binkowski et al., "Demystifying MMD GANs", 2018: the unbiased squared maximum mean discrepancy under the
    kernel ``(x.y / D + 1)^3``. Subsets are no larger than the smaller set. Raises `ReageError` for sets of
    fewer than two.
    """
    size = min(subset_size, len(ours), len(theirs))
    if size < 2:
        raise ReageError(f"a KID of {len(ours)} and {len(theirs)} pictures says nothing")
    rng = np.random.default_rng(seed)
    values = [
        _unbiased_mmd(ours[rng.choice(len(ours), size, False)], theirs[rng.choice(len(theirs), size, False)])
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(subsets))


def _unbiased_mmd(x: Features, y: Features) -> float:
    def kernel(a: Features, b: Features) -> Features:
        k: Features = (a @ b.T / a.shape[1] + 1) ** 3
        return k

    n = len(x)
    same = sum((k.sum() - np.trace(k)) / (n * (n - 1)) for k in (kernel(x, x), kernel(y, y)))
    return float(same - 2 * kernel(x, y).mean())
