"""Scores of planted readings: what is put in comes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.people import Edits, People, do_nothing, edits_of, groups_of
from reage.evaluation.protocol import clashes
from reage.evaluation.scores import Scorer, label_doubts, same_person

TARGETS = (20.0, 40.0, 60.0, 80.0)
COUNT = 240


def people(seed: int = 0, *, bias: float = 2.0) -> People:
    """Real faces read ``bias`` years too old by the first judge and too young by the second."""
    rng = np.random.default_rng(seed)
    age = np.tile(TARGETS, COUNT // 4) + rng.integers(-9, 10, COUNT)
    gender = np.array(["F", "M"] * (COUNT // 2), object)
    return People(
        age=age, gender=gender, race=np.array([0, 1, 2, None] * (COUNT // 4), object),
        subject=np.arange(COUNT).astype(object), ages=np.stack([age + bias, age - bias], 1),
        male=(gender == "M") * 0.8 + 0.1, descriptors=rng.normal(0, 1, (COUNT, 128)),
        features=rng.normal(0, 1, (COUNT, 32)) + age[:, None] / 50,
    )  # fmt: skip


def scorer(threshold: float = 5.0) -> Scorer:
    return Scorer(TARGETS, 10.0, threshold, people(), people(1), seed=0)


def edits(judged: People, error: float = 5.0, *, distance: float = 1.0, shift: float = 0.0) -> Edits:
    """Outputs read ``error`` years too old, a ``distance`` away, with features of the target ``shift`` off."""
    rng = np.random.default_rng(2)
    targets = np.asarray(TARGETS)
    shape = (len(judged), len(TARGETS))
    return replace(
        do_nothing(judged, TARGETS),
        ages=np.broadcast_to((targets + error)[None, :, None], (*shape, 2)),
        distances=np.full(shape, distance),
        features=rng.normal(0, 1, (*shape, 32)) + targets[None, :, None] / 50 + shift,
    )


def test_a_planted_judge_gives_the_planted_errors() -> None:
    judged = people()
    scores = scorer().summary(judged, edits(judged))
    for judge in AGE_JUDGES:
        told = scores["age"][judge]
        assert told["error"]["value"] == told["bias"]["value"] == pytest.approx(5)
        assert told["slope"]["value"] == pytest.approx(1)
        assert told["rising"]["value"] == 1
        assert told["real_error"]["value"] == pytest.approx(2)
    assert [scores["age"][judge]["real_bias"]["value"] for judge in AGE_JUDGES] == pytest.approx([2, -2])
    rows = scorer().by_target(edits(judged, -3))
    assert {row["bias"]["value"] for row in rows} == {-3}
    assert [row["reading"]["value"] for row in rows[::2]] == [17, 37, 57, 77]
    assert rows[0]["real_reading"]["value"] == pytest.approx(22, abs=1.5)


def test_doing_nothing_keeps_everybody_and_ages_nobody() -> None:
    judged = people()
    scores = scorer().summary(judged, do_nothing(judged, TARGETS))
    assert scores["identity"]["accepted"]["value"] == 1
    assert scores["age"][AGE_JUDGES[0]]["slope"]["value"] == 0
    assert scores["age"][AGE_JUDGES[0]]["rising"]["value"] == 0
    assert scores["preservation"]["same_l1"]["value"] == scores["preservation"]["outside"]["value"] == 0
    assert scores["preservation"]["sharpness"]["value"] == 1


def test_identity_is_accepted_below_the_threshold_and_told_by_gap() -> None:
    judged = people()
    near, far = (scorer(5.0).summary(judged, edits(judged, distance=d)) for d in (4.9, 5.1))
    assert (near["identity"]["accepted"]["value"], far["identity"]["accepted"]["value"]) == (1, 0)
    gaps = scorer().by_gap(judged, edits(judged))
    assert sum(row["accepted"]["count"] for row in gaps) == COUNT * len(TARGETS)


def test_distances_are_taken_from_the_descriptors() -> None:
    judged = people().where(np.arange(3))
    measured = {
        "descriptors": np.repeat(2 * judged.descriptors[:, None], len(TARGETS), 1),
        "features": np.zeros((3, len(TARGETS), 4)), "outside": np.zeros((3, len(TARGETS))),
        "sharp": np.ones((3, len(TARGETS))), "same": np.zeros((3, 3)),
    }  # fmt: skip
    found = edits_of(judged, measured, np.zeros((3, len(TARGETS), 2)))
    assert found.cosines == pytest.approx(1)
    assert found.distances[:, 0] == pytest.approx(np.linalg.norm(judged.descriptors, axis=1))


def test_outputs_like_real_faces_score_like_them_and_others_worse() -> None:
    judged = people()
    like, shifted = (scorer().summary(judged, edits(judged, shift=shift))["realism"] for shift in (0.0, 0.5))
    assert abs(like["kid"] - like["real_kid"]) < 0.1 * shifted["kid"]
    assert like["fid"] < 1.5 * like["real_fid"]
    assert shifted["fid"] > like["fid"] + 0.9 * 32 * 0.5**2
    by_target = scorer().realism_by_target(judged, edits(judged))
    assert [row["target"] for row in by_target] == list(TARGETS)
    assert all(row["outputs"] < COUNT for row in by_target)  # those about as old as the target are left out


def test_too_few_pictures_get_no_distance() -> None:
    judged = people().where(np.arange(12))
    row = scorer().realism_by_target(judged, edits(judged))[0]
    assert row["kid"] is None
    assert row["real_kid"] is not None


def test_groups_have_the_figures_of_their_members() -> None:
    judged = people()
    planted = edits(judged)
    women = np.array([gender == "F" for gender in judged.gender])
    ages = planted.ages.copy()
    ages[women] += 7
    groups = {
        group.name: group for group in groups_of(judged, {0: "White", 1: "Black", 4: "Others"}, 10.0, TARGETS)
    }
    assert list(groups) == [
        "women", "men", "race White", "race Black", "race code 2",
        "aged 10 to 29", "aged 30 to 49", "aged 50 to 69", "aged 70 to 89",
    ]  # fmt: skip
    told = {
        name: scorer().summary(judged, replace(planted, ages=ages), group) for name, group in groups.items()
    }
    assert told["women"]["age"][AGE_JUDGES[0]]["error"]["value"] == pytest.approx(12)
    assert told["men"]["age"][AGE_JUDGES[0]]["error"]["value"] == pytest.approx(5)
    assert told["women"]["faces"] == told["men"]["faces"] == COUNT // 2
    assert told["race White"]["faces"] == COUNT // 4
    assert sum(told[name]["faces"] for name in told if name.startswith("aged")) == COUNT


def test_a_group_is_not_blamed_for_its_ages() -> None:
    judged = people()
    planted = edits(judged)
    ages = planted.ages.copy()
    ages[judged.age < 50] += 8  # whoever is young is missed by more, woman or man
    young = judged.age < 50
    gender = np.where(young ^ (np.arange(COUNT) % 4 == 0), "F", "M").astype(object)  # more women are young
    judged = replace(judged, gender=gender)
    planted = replace(planted, ages=ages)
    groups = {group.name: group for group in groups_of(judged, {}, 10.0, TARGETS)}
    told = {
        name: scorer().summary(judged, planted, groups[name])["age"][AGE_JUDGES[0]]
        for name in ("women", "men")
    }
    assert told["women"]["error"]["value"] > told["men"]["error"]["value"] + 2
    for each in told.values():
        assert each["error"]["value"] == pytest.approx(each["error_of_their_ages"], abs=0.5)


def test_race_codes_without_a_name_are_groups_all_the_same() -> None:
    names = [group.name for group in groups_of(people(), {1: "Black"}, 10.0, TARGETS)]
    assert [name for name in names if name.startswith("race")] == ["race code 0", "race Black", "race code 2"]


def test_a_mislabelled_set_is_detected() -> None:
    good = people()
    assert label_doubts(good, "val") == []
    shuffled = np.random.default_rng(0).permutation(good.age)
    doubts = label_doubts(replace(good, age=shuffled), "val")
    assert len(doubts) == 2
    assert "are the ages right?" in doubts[0]
    swapped = np.where(good.gender == "F", "M", "F").astype(object)
    assert "gender" in label_doubts(replace(good, gender=swapped), "val")[0]


def test_real_photos_of_one_person_are_set_beside_where_the_data_names_people() -> None:
    assert same_person(people(), 5.0) is None
    known = people().where(np.arange(4))
    base = np.zeros((4, 128))
    base[1, 0], base[3, 0] = 1.0, 9.0
    named = replace(
        known,
        subject=np.array(["a", "a", "b", "b"], object),
        age=np.array([20.0, 25, 30, 55]),
        descriptors=base,
    )
    told = same_person(named, 5.0)
    assert told is not None
    paired = [row for row in told if row["accepted"]["count"]]
    assert [(row["from"], row["accepted"]["value"], row["accepted"]["count"]) for row in paired] == [
        (0, 1, 1),
        (20, 0, 1),
    ]


def test_a_judge_among_the_teachers_is_found() -> None:
    assert clashes(["reage age network (UTKFace train split)"], "lite0") == []
    assert clashes(["faceres.onnx", "Inception-v3"], "lite0") == ["faceres.onnx"]
    assert clashes(["EfficientNet-Lite0", "face_age"], "lite0") == ["face_age.onnx", "EfficientNet-Lite0"]
