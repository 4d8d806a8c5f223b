"""Years moved per year asked, for edits that move by a planted share of what is asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import TARGETS, real_faces

from reage.evaluation.faces import EditedFaces, RealFaces, do_nothing
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.movement import (
    ALL_AGES,
    ALL_GAPS,
    DIRECTIONS,
    GAPS,
    SOURCE_AGES,
    find_moved,
    span_text,
    years_moved,
)


def moving(faces: RealFaces, older: float, younger: float) -> EditedFaces:
    """Edits that go ``older`` or ``younger`` of the way from the age that the photo looks to the target."""
    asked = np.asarray(TARGETS) - faces.estimated_ages[:, :1]
    moved = np.where(asked > 0, older, younger) * asked
    ages = faces.estimated_ages[:, None] + moved[..., None]
    return replace(do_nothing(faces, TARGETS), estimated_ages=ages)


def test_edits_that_go_half_the_way_move_half_a_year_per_year_everywhere() -> None:
    faces = real_faces()
    rows = years_moved(faces, moving(faces, 0.5, 0.5), TARGETS)
    measured = [row.moved for row in rows if row.moved.count]
    assert [score.value for score in measured] == pytest.approx([0.5] * len(measured))
    assert len(measured) > 0.7 * len(rows)


def test_older_and_younger_are_told_apart_for_both_judges() -> None:
    faces = real_faces()
    rows = years_moved(faces, moving(faces, 0.8, 0.3), TARGETS)
    for judge in AGE_JUDGES:
        for gap in (ALL_GAPS, *GAPS):
            scores = [find_moved(rows, judge, direction, gap=gap) for direction in DIRECTIONS]
            assert [score.value for score in scores] == pytest.approx([0.8, 0.3])
            assert [score.low for score in scores] == pytest.approx([0.8, 0.3])
            assert [score.high for score in scores] == pytest.approx([0.8, 0.3])


def test_moving_the_wrong_way_is_negative_and_doing_nothing_is_zero() -> None:
    faces = real_faces()
    rows = years_moved(faces, moving(faces, -0.2, 1.5), TARGETS)
    assert find_moved(rows, AGE_JUDGES[0], "older", gap=ALL_GAPS).value == pytest.approx(-0.2)
    assert find_moved(rows, AGE_JUDGES[0], "younger", gap=ALL_GAPS).value == pytest.approx(1.5)
    nothing = years_moved(faces, do_nothing(faces, TARGETS), TARGETS)
    assert {row.moved.value for row in nothing if row.moved.count} == {0}


def test_gaps_and_bands_hold_the_edits_that_belong_to_them() -> None:
    faces = replace(
        real_faces().where(np.arange(3)), estimated_ages=np.array([[22.0, 90], [33, 90], [58, 90]])
    )
    ages = np.repeat(faces.estimated_ages[:, None], len(TARGETS), 1)
    ages[0, 1] += 9.0  # 22 to 40: 18 years asked, 9 moved
    ages[1, 1] += 7.0  # 33 to 40: 7 asked, 7 moved
    ages[2, 1] -= 6.0  # 58 to 40: 18 asked, 6 moved
    rows = years_moved(faces, replace(do_nothing(faces, TARGETS), estimated_ages=ages), TARGETS)

    def moved(direction: str, source_ages: tuple[float, float], gap: tuple[float, float]) -> float:
        return find_moved(rows, AGE_JUDGES[0], direction, source_ages=source_ages, gap=gap).value

    near, middle, far = GAPS
    young, adult, older, _ = SOURCE_AGES
    assert moved("older", young, middle) == pytest.approx(9 / 18)
    assert moved("older", adult, near) == pytest.approx(1)
    assert moved("older", ALL_AGES, near) == pytest.approx(1)
    assert moved("older", adult, far) == 0  # 33 to 80 did not move; to 60 is of the middle gap
    assert moved("younger", older, middle) == pytest.approx(6 / 18)
    assert np.isnan(moved("younger", young, middle))


def test_edits_of_less_than_five_years_do_not_count() -> None:
    faces = replace(real_faces().where(np.arange(2)), estimated_ages=np.array([[37.0, 37], [43, 43]]))
    rows = years_moved(faces, do_nothing(faces, (36.0, 40.0)), (36.0, 40.0))
    counts = {
        direction: find_moved(rows, AGE_JUDGES[0], direction, gap=ALL_GAPS).count for direction in DIRECTIONS
    }
    assert counts == {"older": 0, "younger": 1}  # 43 to 36 alone


def test_ranges_of_years_are_said_in_words() -> None:
    assert [span_text(span) for span in GAPS] == ["5 to 15", "15 to 30", "30 and more"]
    assert [span_text(span) for span in (ALL_AGES, *SOURCE_AGES)] == [
        "all", "under 30", "30 to 45", "45 to 60", "60 and more",
    ]  # fmt: skip
