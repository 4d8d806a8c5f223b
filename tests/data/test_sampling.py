"""Draws of training faces: who may be drawn, how often, and the same again for the same step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from reage.data.cache import Cache
from reage.data.sampling import FacePool, step_rng
from reage.errors import DataError
from reage.face.alignment import rescale_points, utkface_template

SIZE = 32


def cache_of(ages: list[float], **columns: Any) -> Cache:
    """A cache in which pixel [0, 0] of face i tells i, and no face is symmetric."""
    count = len(ages)
    images = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    mesh = rescale_points(utkface_template().mesh, 200, SIZE)
    mesh = mesh * np.array([0.8, 1.0], np.float32) + np.array([1.0, 0.0], np.float32)  # left of the middle
    plain = {
        "age": np.array(ages, float), "gender": "F", "race": 0, "sharpness": 100.0, "gray": False, "split": "train",
    }  # fmt: skip
    rows = pd.DataFrame({**plain, **columns}, index=range(count))
    return Cache(images, np.repeat(mesh[None], count, 0).astype(np.float16), rows)


def numbers(images: np.ndarray) -> list[int]:
    """Which faces of the cache these (unmirrored) images are."""
    return [int(low) + 256 * int(high) for low, high in images[:, 0, 0, :2]]


def shares(pool: FacePool, count: int = 6000) -> np.ndarray:
    """How many of ``count`` draws fall on each age, in order of age."""
    faces = pool.draw(count, step_rng(1, 0), flip=False, masks=False)
    return np.unique(faces.ages, return_counts=True)[1] / count


UNEVEN = [20.0] * 200 + [40.0] * 40 + [60.0] * 10  # 80, 16 and 4 %


@pytest.mark.parametrize(
    ("evenness", "expected"),
    [
        (1, [1 / 3, 1 / 3, 1 / 3]),
        (0, [0.8, 0.16, 0.04]),
        (0.5, np.sqrt([200, 40, 10]) / np.sqrt([200, 40, 10]).sum()),
    ],
)
def test_evenness_sets_how_often_each_age_is_drawn(evenness: float, expected: list[float]) -> None:
    found = shares(FacePool(cache_of(UNEVEN), evenness=evenness))
    error = np.sqrt(np.multiply(expected, np.subtract(1, expected)) / 6000)
    assert (np.abs(found - expected) < 4 * error).all()


def test_an_even_draw_is_even_over_the_bins_of_a_life() -> None:
    rng = np.random.default_rng(3)
    ages = np.concatenate([np.arange(0, 100, 5), rng.normal(30, 8, 600).clip(0, 99).round()])
    faces = FacePool(cache_of(list(ages))).draw(20000, step_rng(2, 0), flip=False, masks=False)
    counts = np.bincount((faces.ages / 5).astype(int), minlength=20)
    chi_square = ((counts - 1000.0) ** 2 / 1000).sum()
    assert chi_square < 43.8  # 19 degrees of freedom, once in a thousand


def test_faces_of_one_age_are_drawn_alike() -> None:
    faces = FacePool(cache_of([30.0] * 10)).draw(5000, step_rng(4, 0), flip=False, masks=False)
    counts = np.bincount(numbers(faces.images), minlength=10)
    assert ((counts - 500.0) ** 2 / 500).sum() < 27.9  # 9 degrees of freedom, once in a thousand


def test_the_same_step_draws_the_same_and_another_does_not() -> None:
    pool = FacePool(cache_of(UNEVEN))
    first, again = (pool.draw(16, step_rng(7, 3)) for _ in range(2))
    for name in ("images", "masks", "ages", "male"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    for other in (step_rng(7, 4), step_rng(8, 3)):
        assert not np.array_equal(first.images, pool.draw(16, other).images)


def test_steps_and_streams_never_share_their_numbers() -> None:
    first = {step_rng(seed, step).random() for step in range(50) for seed in range(64)}
    assert len(first) == 50 * 64


def test_only_faces_that_fit_are_drawn() -> None:
    cache = cache_of(
        [30.0, 30, 30, 30, 30, 30, 15, 16, 88, 89],
        split=["train", "val", "test", "train", "train", "train", "train", "train", "train", "train"],
        sharpness=[100.0, 100, 100, 49, 50, 100, 100, 100, 100, 100],
        gender=["F", "F", "F", "F", "M", None, "F", "M", "F", "F"],
        gray=[False, False, False, False, False, False, False, True, False, False],
    )
    limits = {"ages": (16, 88), "min_sharpness": 50, "gender": True}
    pool = FacePool(cache, **limits)
    drawn = pool.draw(300, step_rng(0, 0), flip=False, masks=False)
    assert len(pool) == 4
    left_out = {"not of 16 to 88 years": 2, "not as sharp as 50": 1, "not labelled as M or F": 1}
    assert pool.left_out == left_out
    assert set(numbers(drawn.images)) == {0, 4, 7, 8}
    assert set(
        numbers(FacePool(cache, **limits, colour_only=True).draw(300, step_rng(0, 0), flip=False).images)
    ) == {0, 4, 8}
    assert set(numbers(FacePool(cache, split="val").draw(9, step_rng(0, 0), flip=False).images)) == {1}


def test_labels_belong_to_their_faces() -> None:
    ages, gender = [21.0, 35, 52, 77], ["M", "F", "F", "M"]
    cache = cache_of(ages, gender=gender, split=["train", "train", "test", "train"])
    faces = FacePool(cache).draw(50, step_rng(0, 0), flip=False)
    assert faces.ages.tolist() == [ages[i] for i in numbers(faces.images)]
    assert faces.male.tolist() == [float(gender[i] == "M") for i in numbers(faces.images)]
    assert (faces.ages.dtype, faces.male.dtype, faces.masks.dtype) == (np.float32, np.float32, np.float32)
    assert faces.masks.shape == (50, SIZE, SIZE)


def test_faces_without_a_gender_take_part_unless_one_is_asked_for() -> None:
    cache = cache_of([30.0, 40.0, 50.0], gender=["M", None, "F"])
    faces = FacePool(cache).take(np.arange(3))
    assert faces.male.tolist() == [1, 0.5, 0]
    assert FacePool(cache, gender=True).take(np.arange(2)).male.tolist() == [1, 0]


def test_a_pool_knows_the_races_of_its_faces_where_the_data_set_says_them() -> None:
    races = pd.array([2, None, 0, 4], "Int8")
    pool = FacePool(cache_of([30.0, 40.0, 50.0, 60.0], race=races, split=["train", "train", "val", "train"]))
    assert pool.race.tolist() == [2, -1, 4]
    kept = pool.subset(2, seed=0)
    assert kept.race.tolist() == [int(pool.race[pool.ages == age][0]) for age in kept.ages]


def test_a_flip_mirrors_image_and_mask_together() -> None:
    pool, chosen = FacePool(cache_of([30.0, 50.0])), np.array([1, 0, 1])
    plain = pool.take(chosen)
    mirrored = pool.take(chosen, np.array([True, False, True]))
    for i, turned in enumerate([True, False, True]):
        for name in ("images", "masks"):
            ours, theirs = getattr(mirrored, name)[i], getattr(plain, name)[i]
            assert np.array_equal(ours, theirs[:, ::-1] if turned else theirs)
    assert np.abs(plain.masks - plain.masks[:, :, ::-1]).max() > 0.1
    assert np.array_equal(mirrored.ages, plain.ages)


def test_about_half_are_mirrored_and_the_cache_stays_as_it_is() -> None:
    cache = cache_of([30.0])
    before = cache.images.copy()
    faces = FacePool(cache).draw(400, step_rng(0, 0))
    turned = [np.array_equal(image, before[0, :, ::-1]) for image in faces.images]
    straight = [np.array_equal(image, before[0]) for image in faces.images]
    assert np.logical_xor(turned, straight).all()
    assert 160 < sum(turned) < 240
    assert np.array_equal(cache.images, before)


def test_masks_are_left_out_on_request() -> None:
    faces = FacePool(cache_of([30.0])).draw(3, step_rng(0, 0), masks=False)
    assert faces.masks.shape == (3, 0, 0)


@pytest.mark.parametrize("limits", [{"split": "val"}, {"ages": (31, 60)}, {"min_sharpness": 101}])
def test_an_empty_pool_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="of the faces in the cache"):
        FacePool(cache_of([30.0]), **limits)


def test_peers_are_other_people_of_the_same_age_and_gender() -> None:
    ages = [float(age) for age in range(20, 80) for _ in range(20)]
    pool = FacePool(cache_of(ages, gender=["F", "M"] * (len(ages) // 2)))
    wanted, male = np.array([25.0, 50.0, 79.0], np.float32), np.array([0.0, 1.0, 1.0], np.float32)
    drawn = [pool.like(wanted, male, step_rng(1, step)) for step in range(40)]
    for chosen in drawn:
        assert np.abs(pool.ages[chosen] - wanted).max() <= 7
        assert (pool.male[chosen] == male).all()
    assert len({tuple(chosen) for chosen in drawn}) > 30
    (same,) = pool.like(np.array([50.0], np.float32), np.array([0.5], np.float32), step_rng(1, 0))
    assert abs(pool.ages[same] - 50) <= 7  # nobody is of unknown gender


def test_only_faces_with_a_seed_are_covered_and_what_covers_them_is_mirrored_with_them() -> None:
    pool, chosen = FacePool(cache_of([30.0, 50.0])), np.array([1, 0, 1])
    seeds = np.array([5, -1, 5])
    drawn = pool.coverings(chosen, np.array([False, False, True]), seeds)
    assert drawn.shape == (3, 4, SIZE, SIZE)
    assert drawn[0, 3].max() > 0.4
    assert not drawn[1].any()
    assert np.array_equal(drawn[2], drawn[0, :, :, ::-1])
