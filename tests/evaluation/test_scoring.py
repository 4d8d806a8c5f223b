"""Scores of planted estimates: what is put in comes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reage.evaluation.evaluate import judges_that_taught
from reage.evaluation.faces import EditedFaces, RealFaces, do_nothing, edited_faces, groups_of
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.scoring import Scorer, label_doubts, real_pairs_by_gap

TARGETS = (20.0, 40.0, 60.0, 80.0)
COUNT = 240


def real_faces(seed: int = 0, *, bias: float = 2.0) -> RealFaces:
    """Real faces whose age is estimated ``bias`` years too old by the first judge and too young by the second."""
    rng = np.random.default_rng(seed)
    age = np.tile(TARGETS, COUNT // 4) + rng.integers(-9, 10, COUNT)
    gender = np.array(["F", "M"] * (COUNT // 2), object)
    return RealFaces(
        age=age, gender=gender, race=np.array([0, 1, 2, None] * (COUNT // 4), object),
        subject=np.arange(COUNT).astype(object), estimated_ages=np.stack([age + bias, age - bias], 1),
        male_probability=(gender == "M") * 0.8 + 0.1, descriptors=rng.normal(0, 1, (COUNT, 128)),
        features=rng.normal(0, 1, (COUNT, 32)) + age[:, None] / 50,
    )  # fmt: skip


def scorer(threshold: float = 5.0) -> Scorer:
    return Scorer(TARGETS, 10.0, threshold, real_faces(), real_faces(1), seed=0)


def edits(faces: RealFaces, error: float = 5.0, *, distance: float = 1.0, shift: float = 0.0) -> EditedFaces:
    """Outputs that look ``error`` years too old, lie ``distance`` from their inputs, and have features of the target's
    age, moved by ``shift``."""
    rng = np.random.default_rng(2)
    targets = np.asarray(TARGETS)
    shape = (len(faces), len(TARGETS))
    return replace(
        do_nothing(faces, TARGETS),
        estimated_ages=np.broadcast_to((targets + error)[None, :, None], (*shape, 2)),
        distances=np.full(shape, distance),
        features=rng.normal(0, 1, (*shape, 32)) + targets[None, :, None] / 50 + shift,
    )


def test_a_planted_judge_gives_the_planted_errors() -> None:
    faces = real_faces()
    scores = scorer().group_scores(faces, edits(faces))
    for judge in AGE_JUDGES:
        age = scores.age[judge]
        assert age.error.value == age.bias.value == pytest.approx(5)
        assert age.slope.value == pytest.approx(1)
        assert age.rising.value == 1
        assert age.real_error.value == pytest.approx(2)
    assert [scores.age[judge].real_bias.value for judge in AGE_JUDGES] == pytest.approx([2, -2])
    rows = scorer().age_by_target(edits(faces, -3))
    assert {row.bias.value for row in rows} == {-3}
    assert [row.estimated.value for row in rows[::2]] == [17, 37, 57, 77]
    assert rows[0].real_estimated.value == pytest.approx(22, abs=1.5)


def test_doing_nothing_keeps_everybody_and_ages_nobody() -> None:
    faces = real_faces()
    scores = scorer().group_scores(faces, do_nothing(faces, TARGETS))
    assert scores.identity.accepted.value == 1
    assert scores.age[AGE_JUDGES[0]].slope.value == 0
    assert scores.age[AGE_JUDGES[0]].rising.value == 0
    assert scores.preservation.same_age_l1.value == scores.preservation.outside.value == 0
    assert scores.preservation.sharpness.value == 1


def test_identity_is_accepted_below_the_threshold_and_listed_by_gap() -> None:
    faces = real_faces()
    near, far = (scorer(5.0).group_scores(faces, edits(faces, distance=d)) for d in (4.9, 5.1))
    assert (near.identity.accepted.value, far.identity.accepted.value) == (1, 0)
    far_is_unlike = np.where(np.abs(faces.estimated_ages[:, :1] - np.asarray(TARGETS)) < 20, 1.0, 9.0)
    rows = scorer(5.0).identity_by_gap(faces, replace(edits(faces), distances=far_is_unlike))
    assert [(row.gap[0], row.identity.accepted.value) for row in rows] == [
        (0, 1), (10, 1), (20, 0), (30, 0), (40, 0),
    ]  # fmt: skip
    assert sum(row.identity.accepted.count for row in rows) == COUNT * len(TARGETS)


def test_distances_are_taken_from_the_descriptors() -> None:
    faces = real_faces().where(np.arange(3))
    measured = {
        "descriptors": np.repeat(2 * faces.descriptors[:, None], len(TARGETS), 1),
        "features": np.zeros((3, len(TARGETS), 4)), "outside": np.zeros((3, len(TARGETS))),
        "sharpness": np.ones((3, len(TARGETS))), "same_age": np.zeros((3, 3)),
    }  # fmt: skip
    found = edited_faces(faces, measured, np.zeros((3, len(TARGETS), 2)))
    assert found.cosines == pytest.approx(1)
    assert found.distances[:, 0] == pytest.approx(np.linalg.norm(faces.descriptors, axis=1))


def test_outputs_like_real_faces_score_like_them_and_others_worse() -> None:
    faces = real_faces()
    like, shifted = (scorer().group_scores(faces, edits(faces, shift=shift)).realism for shift in (0.0, 0.5))
    assert abs(like.kid.value - like.real_kid.value) < 0.1 * shifted.kid.value
    assert like.fid < 1.5 * like.real_fid
    assert shifted.fid > like.fid + 0.9 * 32 * 0.5**2
    by_target = scorer().realism_by_target(faces, edits(faces))
    assert [row.target for row in by_target] == list(TARGETS)
    assert all(
        row.realism.outputs < COUNT for row in by_target
    )  # those about as old as the target are left out


def test_too_few_pictures_get_no_distance() -> None:
    faces = real_faces().where(np.arange(12))
    realism = scorer().realism_by_target(faces, edits(faces))[0].realism
    assert np.isnan([realism.kid.value, realism.kid.error, realism.fid]).all()
    assert np.isfinite(realism.real_kid.value)


def test_groups_have_the_figures_of_their_members() -> None:
    faces = real_faces()
    planted = edits(faces)
    women = np.array([gender == "F" for gender in faces.gender])
    ages = planted.estimated_ages.copy()
    ages[women] += 7
    groups = {
        group.name: group for group in groups_of(faces, {0: "White", 1: "Black", 4: "Others"}, 10.0, TARGETS)
    }
    assert list(groups) == [
        "women", "men", "race White", "race Black", "race code 2",
        "aged 10 to 29", "aged 30 to 49", "aged 50 to 69", "aged 70 to 89",
    ]  # fmt: skip
    planted = replace(planted, estimated_ages=ages)
    scores = {name: scorer().group_scores(faces, planted, group) for name, group in groups.items()}
    assert scores["women"].age[AGE_JUDGES[0]].error.value == pytest.approx(12)
    assert scores["men"].age[AGE_JUDGES[0]].error.value == pytest.approx(5)
    assert scores["women"].faces == scores["men"].faces == COUNT // 2
    assert scores["race White"].faces == COUNT // 4
    assert sum(scores[name].faces for name in scores if name.startswith("aged")) == COUNT


def test_a_group_is_not_blamed_for_its_ages() -> None:
    faces = real_faces()
    planted = edits(faces)
    ages = planted.estimated_ages.copy()
    ages[faces.age < 50] += 8  # whoever is young is missed by more, woman or man
    young = faces.age < 50
    gender = np.where(young ^ (np.arange(COUNT) % 4 == 0), "F", "M").astype(object)  # more women are young
    faces = replace(faces, gender=gender)
    planted = replace(planted, estimated_ages=ages)
    groups = {group.name: group for group in groups_of(faces, {}, 10.0, TARGETS)}
    ages_of = {
        name: scorer().group_scores(faces, planted, groups[name]).age[AGE_JUDGES[0]]
        for name in ("women", "men")
    }
    assert ages_of["women"].error.value > ages_of["men"].error.value + 2
    for each in ages_of.values():
        assert each.error.value == pytest.approx(each.error_at_same_ages, abs=0.5)


def test_race_codes_without_a_name_are_groups_all_the_same() -> None:
    names = [group.name for group in groups_of(real_faces(), {1: "Black"}, 10.0, TARGETS)]
    assert [name for name in names if name.startswith("race")] == ["race code 0", "race Black", "race code 2"]


def test_a_mislabelled_set_is_detected() -> None:
    good = real_faces()
    assert label_doubts(good, "val") == []
    shuffled = np.random.default_rng(0).permutation(good.age)
    doubts = label_doubts(replace(good, age=shuffled), "val")
    assert len(doubts) == 2
    assert "are the ages right?" in doubts[0]
    swapped = np.where(good.gender == "F", "M", "F").astype(object)
    assert "gender" in label_doubts(replace(good, gender=swapped), "val")[0]


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


def test_a_judge_among_the_teachers_is_found() -> None:
    assert judges_that_taught(["reage age network (UTKFace train split)"], "lite0") == []
    assert judges_that_taught(["faceres.onnx", "Inception-v3"], "lite0") == ["faceres.onnx"]
    assert judges_that_taught(["EfficientNet-Lite0", "face_age"], "lite0") == [
        "face_age.onnx",
        "EfficientNet-Lite0",
    ]
