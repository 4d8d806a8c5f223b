"""Identity over the years, of edits and of real photos, with planted distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import COUNT, TARGETS, edits, real_faces

from reage.evaluation.faces import RealFaces, do_nothing
from reage.evaluation.identity import identity_by_gap, real_matches, real_pairs_by_gap


def test_identity_is_listed_by_gap() -> None:
    faces = real_faces()
    far_is_unlike = np.where(np.abs(faces.estimated_ages[:, :1] - np.asarray(TARGETS)) < 20, 1.0, 9.0)
    rows = identity_by_gap(faces, replace(edits(faces), distances=far_is_unlike), TARGETS, 5.0)
    assert [(row.gap[0], row.identity.accepted.value) for row in rows] == [
        (0, 1), (10, 1), (20, 0), (30, 0), (40, 0),
    ]  # fmt: skip
    assert sum(row.identity.accepted.count for row in rows) == COUNT * len(TARGETS)


def test_real_photos_of_one_person_stand_beside_edits_where_the_data_names_people() -> None:
    assert real_pairs_by_gap(real_faces(), 5.0) is None
    descriptors = np.zeros((4, 128))
    descriptors[:, 1] = 1
    descriptors[1, 0], descriptors[3, 0] = 1.0, 9.0
    named = replace(
        real_faces().where(np.arange(4)),
        subject=np.array(["a", "a", "b", "b"], object),
        age=np.array([20.0, 25, 30, 55]),
        descriptors=descriptors,
    )
    rows = real_pairs_by_gap(named, 5.0)
    assert rows is not None
    first, third = rows[0], rows[2]
    assert (first.gap[0], first.identity.accepted.value, first.identity.distance.value) == (0, 1, 1)
    assert first.identity.cosine.value == pytest.approx(1 / np.sqrt(2))
    assert (third.gap[0], third.identity.accepted.value, third.identity.distance.value) == (20, 0, 9)
    assert [row.identity.accepted.count for row in rows] == [1, 0, 1, 0, 0]


def album() -> RealFaces:
    """Two people: "a" at 20, 41 and 70 years, "b" at 30 and 60; age alone moves their descriptors, by 0.1 a year."""
    age = np.array([20.0, 41, 70, 30, 60])
    descriptors = np.zeros((5, 128))
    descriptors[:, 0] = age / 10
    descriptors[3:, 1] = 5
    subject = np.array(["a", "a", "a", "b", "b"], object)
    return replace(real_faces().where(np.arange(5)), subject=subject, age=age, descriptors=descriptors)


def test_an_edit_that_does_what_time_does_comes_nearer_to_the_real_photo() -> None:
    photos = album()
    nothing = do_nothing(photos, TARGETS)
    aged = nothing.descriptors.copy()
    aged[..., 0] = np.asarray(TARGETS) / 10
    matches = real_matches(photos, replace(nothing, descriptors=aged), photos, TARGETS)
    assert matches is not None
    older, younger = matches
    # older: a 20 -> 40 (real photo at 41), b 30 -> 60 (at 60); younger: a 41 -> 20, a 70 -> 20, a 70 -> 40 (at 41)
    assert (older.direction, older.difference.count) == ("older", 2)
    assert older.unedited.value == pytest.approx((2.1 + 3.0) / 2)
    assert older.edited.value == pytest.approx((0.1 + 0.0) / 2)
    assert older.difference.value == pytest.approx(older.edited.value - older.unedited.value)
    assert (younger.direction, younger.difference.count) == ("younger", 3)
    assert younger.difference.value == pytest.approx((-2.1 - 5.0 + (0.1 - 2.9)) / 3)


def test_doing_nothing_comes_no_nearer_and_people_without_names_have_no_later_photos() -> None:
    photos = album()
    matches = real_matches(photos, do_nothing(photos, TARGETS), photos, TARGETS)
    assert matches is not None
    assert [match.difference.value for match in matches] == [0, 0]
    unnamed = real_faces()
    assert real_matches(unnamed, do_nothing(unnamed, TARGETS), unnamed, TARGETS) is None
