"""Metrics on sets whose figures are known."""

import cv2
import numpy as np
import pytest
from scipy.linalg import sqrtm

from reage.errors import ReageError
from reage.evaluation.metrics import (
    acceptance_threshold,
    calibrate,
    frechet_distance,
    kernel_distance,
    rising,
    same_subject,
    sharpness,
    slope,
)


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


def test_a_small_set_has_an_error_too() -> None:
    _, error = kernel_distance(features(30), features(40, seed=1))
    assert error > 0


def test_the_error_of_a_kid_is_how_far_other_pictures_of_the_same_kind_would_put_it() -> None:
    # KIDs of sets that are drawn anew each time scatter by the stated error; more subsets make it no smaller.
    again = [kernel_distance(features(200, 0, s), features(200, 0.5, 1000 + s)) for s in range(40)]
    scatter, error = np.std([kid for kid, _ in again]), np.mean([error for _, error in again])
    assert 0.5 < error / scatter < 2
    many = kernel_distance(features(200), features(200, 0.5, 1), subsets=500)[1]
    assert many == pytest.approx(again[0][1], rel=0.5)


def test_the_same_seed_gives_the_same_figure_and_three_pictures_none() -> None:
    ours, theirs = features(200), features(150, 0.2, 1)
    assert kernel_distance(ours, theirs) == kernel_distance(ours, theirs)
    with pytest.raises(ReageError, match="needs at least"):
        kernel_distance(ours[:3], theirs)


@pytest.mark.parametrize("count", [10, 3000])  # fewer than dimensions, and many
def test_the_fid_of_two_gaussians_is_the_closed_form(count: int) -> None:
    ours, theirs = features(count), 1.5 * features(count, 0.5, 1)
    s, t = np.cov(ours, rowvar=False), np.cov(theirs, rowvar=False)
    exact = np.square(ours.mean(0) - theirs.mean(0)).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(ours, theirs) == pytest.approx(exact, rel=1e-3, abs=1e-3)
    if count > 1000:  # of the distributions: 16 (0.75^2 + 1 + 1.5^2 - 2 * 1.5)
        assert frechet_distance(ours, theirs) == pytest.approx(16 * (0.75**2 + 0.5**2), rel=0.1)


def test_the_fid_of_a_set_with_itself_is_zero_and_one_picture_has_none() -> None:
    ours = features(100)
    assert frechet_distance(ours, ours) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ReageError, match="needs at least"):
        frechet_distance(ours[:1], ours)


def test_slopes_and_rises_of_planted_estimates() -> None:
    targets = np.array([20.0, 40, 60, 80])
    estimates = np.stack([targets, 10 + 0.5 * targets, np.full(4, 33.0), targets[::-1], [20, 40, 40, 80]])
    assert slope(targets, estimates) == pytest.approx([1, 0.5, 0, -1, 0.9])
    assert list(rising(estimates)) == [True, True, False, False, False]


def test_a_judge_that_estimates_old_people_too_young_is_put_right() -> None:
    rng = np.random.default_rng(0)
    ages = rng.uniform(15, 90, 3000)
    estimates = np.where(ages > 60, 60 + 0.5 * (ages - 60), ages)
    calibration = calibrate(estimates + rng.normal(0, 5, len(ages)), ages)
    planted = np.array([25.0, 45.0, 60 + 0.5 * 15])
    assert calibration(planted) == pytest.approx([25, 45, 75], abs=1.5)
    steps = calibration(np.linspace(-5, 110, 200))
    assert (np.diff(steps) > 0).all()
    with pytest.raises(ReageError, match="cannot be calibrated"):
        calibrate(estimates[:5], ages[:5])


def test_people_of_an_age_are_estimated_right_on_average_whatever_the_noise() -> None:
    # A regression of age on estimate would draw the old towards the mean: here by some 10 years.
    rng = np.random.default_rng(1)
    ages = np.repeat([20.0, 30, 40, 50, 60, 70, 80], 400)
    estimates = ages + rng.normal(0, 12, len(ages))
    corrected = calibrate(estimates, ages)(estimates)
    for age in (30, 50, 70):
        assert corrected[ages == age].mean() == pytest.approx(age, abs=2)


def test_the_threshold_lets_one_in_a_hundred_pairs_of_different_people_pass() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(0, 1, (200, 8))
    descriptors = np.concatenate([people, people + 0.01])  # everybody twice
    subjects = np.tile(np.arange(200), 2)
    threshold = acceptance_threshold(descriptors, subjects)
    distances = np.linalg.norm(people[:, None] - people[None], axis=2)[np.triu_indices(200, 1)]
    assert (distances < threshold).mean() == pytest.approx(0.01, abs=0.003)
    with pytest.raises(ReageError, match="two people"):
        acceptance_threshold(descriptors, np.zeros(400))


def test_pairs_of_one_person_are_told_in_the_order_of_pdist() -> None:
    subjects = np.array(["a", "b", "a", "c"], object)
    assert list(same_subject(subjects)) == [False, True, False, False, False, False]  # ab ac ad, bc bd, cd


def test_sharpness_falls_with_blur_and_looks_at_the_face_alone() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    inside = np.zeros((40, 40), bool)
    inside[10:30, 10:30] = True
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.5)
    assert sharpness(blurred, inside) < 0.1 * sharpness(picture, inside)
    outside_blurred = np.where(
        cv2.dilate(inside.astype(np.uint8), np.ones((5, 5)))[..., None] > 0, picture, blurred
    )
    assert sharpness(outside_blurred, inside) == sharpness(picture, inside)
