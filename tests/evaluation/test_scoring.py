"""Scores of planted estimates: what is put in comes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import COUNT, TARGETS, edits, real_faces

from reage.evaluation.faces import do_nothing, edited_faces, groups_of
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.scores import Kid
from reage.evaluation.scoring import Scorer, label_doubts, mean_kid


def scorer(threshold: float = 5.0) -> Scorer:
    return Scorer(TARGETS, 10.0, threshold, real_faces(), real_faces(1), seed=0)


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


def test_outputs_are_accepted_below_the_threshold() -> None:
    faces = real_faces()
    near, far = (scorer(5.0).group_scores(faces, edits(faces, distance=d)) for d in (4.9, 5.1))
    assert (near.identity.accepted.value, far.identity.accepted.value) == (1, 0)


def test_distances_are_taken_from_the_descriptors() -> None:
    faces = real_faces().where(np.arange(3))
    measured = {
        "descriptors": np.repeat(2 * faces.descriptors[:, None], len(TARGETS), 1),
        "features": np.zeros((3, len(TARGETS), 4)), "outside": np.zeros((3, len(TARGETS))),
        "sharpness": np.ones((3, len(TARGETS))), "perceptual": np.zeros((3, len(TARGETS))),
        "same_age": np.zeros((3, 3)),
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


def test_the_headline_kid_is_the_mean_over_the_targets_that_have_one() -> None:
    none = Kid(np.nan, np.nan)
    kid = mean_kid([Kid(0.01, 0.003), none, Kid(0.03, 0.004)])
    assert (kid.value, kid.error) == pytest.approx((0.02, 0.0025))
    assert np.isnan(mean_kid([none]).value)
    faces = real_faces()
    scores = scorer().edit_scores(faces, edits(faces, shift=0.5))
    by_target = [row.realism.kid.value for row in scores.realism_by_target]
    assert scores.mean_kid.value == pytest.approx(np.mean(by_target))
    assert scores.mean_kid.value > 10 * abs(scores.mean_real_kid.value)


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
