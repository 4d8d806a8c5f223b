"""Scores: means and ratios with their intervals."""

import numpy as np
import pytest

from reage.evaluation.bootstrap import mean_score, ratio_score


def test_a_mean_lies_in_its_interval_which_narrows_with_more_faces() -> None:
    rng = np.random.default_rng(0)
    few, many = (mean_score(rng.normal(5, 2, count)) for count in (20, 2000))
    assert few.low < few.value < few.high
    assert many.high - many.low < 0.3 * (few.high - few.low)
    assert many.low < 5 < many.high
    assert np.isnan(mean_score(np.array([])).value)


def test_rows_of_one_face_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(0).normal(0, 1, (30, 1)), 50, 1)
    together, once = mean_score(values), mean_score(values[:, 0])
    assert (together.low, together.high) == pytest.approx((once.low, once.high))
    assert together.count == 30


def test_values_of_one_person_are_drawn_together_and_few_people_have_no_interval() -> None:
    values = np.random.default_rng(0).normal(0, 1, 30)
    together = mean_score(np.repeat(values, 50), np.repeat(np.arange(30), 50))
    once = mean_score(values)
    assert (together.value, together.low, together.high) == pytest.approx((once.value, once.low, once.high))
    assert together.count == 1500
    few = mean_score(values[:4])
    assert few.value == pytest.approx(values[:4].mean())
    assert np.isnan([few.low, few.high]).all()


def test_a_ratio_is_of_the_sums_and_its_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    asked = rng.uniform(5, 50, 400)
    moved = 0.5 * asked + rng.normal(0, 5, 400)
    score = ratio_score(moved, asked)
    assert score.value == pytest.approx(moved.sum() / asked.sum())
    assert score.low < 0.5 < score.high
    assert score.high - score.low < 0.1
    exact = ratio_score(0.5 * asked, asked)
    assert (exact.value, exact.low, exact.high) == pytest.approx((0.5, 0.5, 0.5))
    assert np.isnan(ratio_score(asked[:0], asked[:0]).value)
