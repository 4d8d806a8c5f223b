"""What is computed here because numpy does it slowly."""

from __future__ import annotations

import numpy as np
import pytest

from reage.arrays import percentile


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
@pytest.mark.parametrize("share", [0, 2, 50, 90, 100])
def test_percentiles_are_those_of_numpy(count: int, share: float) -> None:
    values = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    found = percentile(values, share)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.percentile(values, share, axis=0), rtol=1e-6, atol=1e-7)
    assert percentile(values[:, 0], share) == found[0]
