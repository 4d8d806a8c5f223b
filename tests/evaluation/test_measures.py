"""Measures on sets whose distance is known."""

import numpy as np
import pytest

from reage.errors import ReageError
from reage.evaluation.measures import kernel_distance


def features(count: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, 16))


def test_the_kid_of_two_sets_of_one_distribution_is_about_zero() -> None:
    distance, error = kernel_distance(features(400), features(400, seed=1))
    assert abs(distance) < 0.15
    assert 0 < error < 0.1


def test_the_kid_grows_with_the_distance() -> None:
    distances = [kernel_distance(features(300), features(300, shift, 1))[0] for shift in (0, 0.3, 0.6, 1.2)]
    assert distances == sorted(distances)
    assert distances[-1] > 10 * max(distances[0], 0.1)


def test_the_kid_of_shifted_points_is_the_closed_form() -> None:
    zeros, ones = np.zeros((50, 4)), np.ones((50, 4))
    distance, error = kernel_distance(zeros, ones)  # kernels: 1 among zeros, 8 among ones, 1 across
    assert distance == pytest.approx(1 + 8 - 2)
    assert error == 0


def test_the_same_seed_gives_the_same_figure_and_one_picture_none() -> None:
    ours, theirs = features(200), features(150, 0.2, 1)
    assert kernel_distance(ours, theirs) == kernel_distance(ours, theirs)
    with pytest.raises(ReageError, match="says nothing"):
        kernel_distance(ours[:1], theirs)
