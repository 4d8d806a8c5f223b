"""The judges on people whose answers are known."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage import Reager
from reage.evaluation.judges import Judgement, Judges, judges_among_teachers

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def judgements(reager: Reager, portraits: list[Path]) -> dict[str, Judgement]:
    """By file, what the judges see in each portrait as it is, darker, and blurred."""
    judges, found = Judges(), {}
    for path in portraits:
        sitting = reager.open(path)
        pixels = sitting.photo.pixels
        pictures = [pixels, (pixels * 0.8).astype(np.uint8), cv2.GaussianBlur(pixels, (0, 0), 3)]
        found[path.name] = judges.look(pictures, sitting.faces[0].face.landmarks_photo)
    return found


@pytest.fixture(scope="module")
def people() -> list[dict[str, str]]:
    """Who is in the portraits, with the age at which each was taken as far as it is known."""
    with (EXAMPLES / "portraits.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_person_is_nearer_to_themselves_than_to_anybody_else(judgements: dict[str, Judgement]) -> None:
    seen = list(judgements.values())
    own = [np.linalg.norm(each.descriptors[1:] - each.descriptors[0], axis=1).max() for each in seen]
    others = [
        np.linalg.norm(one.descriptors[0] - other.descriptors[0])
        for i, one in enumerate(seen)
        for other in seen[i + 1 :]
    ]
    assert max(own) < 0.6 < min(others)


def test_the_first_judge_is_the_network_that_a_user_reads_ages_from(
    reager: Reager, portrait: Path, judgements: dict[str, Judgement]
) -> None:
    face = reager.open(portrait).faces[0]
    assert judgements[portrait.name].ages[0, 0] == pytest.approx(face.apparent_age, abs=1e-3)
    assert judgements[portrait.name].male_probability[0] == pytest.approx(face.male_probability, abs=1e-3)


def test_both_judges_tell_old_from_young_and_agree(
    judgements: dict[str, Judgement], people: list[dict[str, str]]
) -> None:
    ages = np.array([judgements[person["file"]].ages[0] for person in people])
    old = np.array([bool(person["age_min"]) and float(person["age_min"]) > 55 for person in people])
    young = np.array([bool(person["age_max"]) and float(person["age_max"]) < 40 for person in people])
    assert (old.sum(), young.sum()) == (3, 3)
    assert (ages[old].mean(0) > ages[young].mean(0) + 15).all()  # those of one person may be far off
    assert np.abs(ages[:, 0] - ages[:, 1]).mean() < 12  # the second is not calibrated here
    assert np.corrcoef(ages.T)[0, 1] > 0.7


def test_gender_is_estimated_as_it_is_known(
    judgements: dict[str, Judgement], people: list[dict[str, str]]
) -> None:
    for person in people:
        seen_male = judgements[person["file"]].male_probability[0] > 0.5
        assert seen_male == (person["gender"] == "male")


def test_a_judge_among_the_teachers_is_found() -> None:
    assert judges_among_teachers(["reage age network (UTKFace train split)"], "lite0") == []
    assert judges_among_teachers(["faceres.onnx", "Inception-v3"], "lite0") == ["faceres.onnx"]
    assert judges_among_teachers(["EfficientNet-Lite0", "face_age"], "lite0") == [
        "face_age.onnx",
        "EfficientNet-Lite0",
    ]
