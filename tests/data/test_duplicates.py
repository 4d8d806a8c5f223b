"""Copies are found through the harm that copying does; strangers with aligned faces are kept apart."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import Draw
from reage.data.duplicates import connected_groups, duplicate_pairs, perceptual_hash, thumbnail

Image = NDArray[np.uint8]


def pairs_of(*images: Image) -> list[list[int]]:
    thumbs = np.stack([thumbnail(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)) for image in images])
    hashes = np.stack([perceptual_hash(thumb) for thumb in thumbs])
    return duplicate_pairs(thumbs, hashes).tolist()


def recompress(image: Image) -> Image:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR)


COPIES: dict[str, Callable[[Image], Image]] = {
    "same": lambda image: image,
    "recompressed": recompress,
    "enlarged thumbnail": lambda image: cv2.resize(cv2.resize(image, (48, 48)), (200, 200)),
    "smaller": lambda image: cv2.resize(image, (120, 120), interpolation=cv2.INTER_AREA),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 3),
    "brighter": lambda image: cv2.convertScaleAbs(image, alpha=0.8, beta=40),
    "without colour": lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "mirrored": lambda image: image[:, ::-1].copy(),
    "mirrored and recompressed": lambda image: recompress(image[:, ::-1].copy()),
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(draw_face: Draw, kind: str) -> None:
    strangers = [draw_face(seed) for seed in range(8)]
    assert pairs_of(*strangers, COPIES[kind](strangers[3])) == [[3, 8]]


def test_aligned_strangers_do_not_merge(draw_face: Draw) -> None:
    assert pairs_of(*[draw_face(seed) for seed in range(150)]) == []


def test_flat_images_are_no_copies_of_one_another() -> None:
    flat = [np.full((50, 50, 3), level, np.uint8) for level in (0, 10, 10, 255)]
    assert pairs_of(*flat) == []


def test_the_second_hash_is_that_of_the_mirror_image(draw_face: Draw) -> None:
    thumb = thumbnail(draw_face(1)[..., 0])
    there, back = perceptual_hash(thumb), perceptual_hash(np.ascontiguousarray(thumb[:, ::-1]))
    assert there.shape == (2, 64)
    # a frequency within rounding of the median may fall on either side
    assert (there[0] != back[1]).sum() <= 2
    assert (there[1] != back[0]).sum() <= 2
    assert (there[0] != there[1]).sum() > 8


def test_groups_join_chains_and_are_named_by_their_lowest_member() -> None:
    pairs = np.array([[4, 5], [1, 4], [2, 3]], np.int64)
    assert connected_groups(7, pairs).tolist() == [0, 1, 2, 2, 1, 1, 6]
    assert connected_groups(2, pairs[:0]).tolist() == [0, 1]
