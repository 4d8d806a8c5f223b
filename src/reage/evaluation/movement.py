"""Years moved per year asked, by direction, gap and apparent age of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from reage.ages import MAX_AGE
from reage.evaluation.bootstrap import NO_SCORE, Score, ratio_score
from reage.evaluation.faces import EditedFaces, RealFaces
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.scores import YearsMoved

Span = tuple[float, float]

DIRECTIONS: tuple[Literal["older", "younger"], ...] = ("older", "younger")
GAPS: tuple[Span, ...] = ((5.0, 15.0), (15.0, 30.0), (30.0, MAX_AGE))
"""Years between the age that the photo looks and the target. Below five, there is only the noise of the judges."""
ALL_GAPS: Span = (GAPS[0][0], MAX_AGE)
SOURCE_AGES: tuple[Span, ...] = ((0.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, MAX_AGE))
"""Bands of the age that the photo looks, in years."""
ALL_AGES: Span = (0.0, MAX_AGE)
ORDINARY: Span = GAPS[1]
"""The most common gap, which is shown in summaries."""


def years_moved(faces: RealFaces, edited: EditedFaces, targets: Sequence[float]) -> tuple[YearsMoved, ...]:
    """Years moved for each year asked, over edits in one direction, from one age band, over one gap.

    The years asked are the target minus the first judge's estimate of the photo, which the model is told. The years
    moved are a judge's estimate of the output minus its estimate of the photo.

    Args:
        faces: N faces.
        edited: what they were edited to.
        targets: the T ages asked for.

    Returns:
        A row for every judge, direction, band (all ages first) and gap (all gaps first). Intervals are over faces; the
        score is `NO_SCORE` if there are no such edits.
    """
    source = faces.estimated_ages[:, :1]
    asked = np.asarray(targets, np.float64)[None] - source  # (N, T)
    moved = edited.estimated_ages - faces.estimated_ages[:, None]  # (N, T, 2)
    rows = []
    for j, judge in enumerate(AGE_JUDGES):
        for direction, sign in zip(DIRECTIONS, (1, -1), strict=True):
            gap = sign * asked
            for ages in (ALL_AGES, *SOURCE_AGES):
                for gaps in (ALL_GAPS, *GAPS):
                    chosen = _within(gap, gaps) & _within(source, ages)
                    score = ratio_score(sign * moved[chosen, j], gap[chosen], np.nonzero(chosen)[0])
                    rows.append(YearsMoved(judge, direction, ages, gaps, score))
    return tuple(rows)


def find_moved(
    rows: Sequence[YearsMoved], judge: str, direction: str, *, source_ages: Span = ALL_AGES, gap: Span
) -> Score:
    """The score in ``rows`` of one judge, direction, band and gap; `NO_SCORE` if there is no such row."""
    for row in rows:
        if (row.judge, row.direction, row.source_ages, row.gap) == (judge, direction, source_ages, gap):
            return row.moved
    return NO_SCORE


def span_text(span: Span) -> str:
    """A range of years for people: "5 to 15", "30 and more", "under 30"."""
    low, high = span
    if high >= MAX_AGE:
        return f"{low:g} and more" if low else "all"
    return f"{low:g} to {high:g}" if low else f"under {high:g}"


def _within(values: np.ndarray, span: Span) -> np.ndarray:
    return (values >= span[0]) & (values < span[1])
