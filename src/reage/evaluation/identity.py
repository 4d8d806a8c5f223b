"""Identity by age gap: of edits, of real photos of one person, and of edits compared with such photos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

from reage.arrays import Float64
from reage.evaluation.bootstrap import mean_score
from reage.evaluation.faces import EditedFaces, RealFaces
from reage.evaluation.metrics import same_subject
from reage.evaluation.scores import IdentityAtGap, IdentityScores, RealMatch

GAPS = (0, 10, 20, 30, 40, 116)
"""Borders in years of the gaps by which identity is broken down."""

ABOUT = 5.0
"""A real photo shows a person at about the target age if it was taken within so many years of it."""
APART = 10.0
"""Smallest difference in years between the ages in the two photos."""


def identity_by_gap(
    faces: RealFaces, edited: EditedFaces, targets: Sequence[float], threshold: float
) -> tuple[IdentityAtGap, ...]:
    """Identity of outputs, by the years between the age that a face looks and the age it is given.

    Args:
        faces: N faces.
        edited: what they were edited to.
        targets: the T ages asked for.
        threshold: the distance below which two pictures are accepted as one person.
    """
    gaps = np.abs(np.asarray(targets)[None] - faces.estimated_ages[:, :1])
    owners = np.repeat(np.arange(len(faces))[:, None], len(targets), 1)
    return _by_gap(gaps, edited.distances, edited.cosines, owners, threshold)


def real_pairs_by_gap(faces: RealFaces, threshold: float) -> tuple[IdentityAtGap, ...] | None:
    """Identity of all pairs of real photos of one person, by the years between them.

    Args:
        faces: the photos; those whose people have no names are left out.
        threshold: the distance below which two pictures are accepted as one person.

    Returns:
        One row for each gap, or None if the data names nobody twice.
    """
    named = faces.where(faces.is_named())
    same = same_subject(named.subject)
    if not same.any():
        return None
    gaps = pdist(named.age[:, None])[same]
    owners = named.subject[np.triu_indices(len(named), 1)[0]][same].astype(str)
    distances = pdist(named.descriptors)[same]
    cosines = 1 - pdist(named.descriptors, "cosine")[same]
    return _by_gap(gaps, distances, cosines, owners, threshold)


def real_matches(
    faces: RealFaces, edited: EditedFaces, real: RealFaces, targets: Sequence[float]
) -> tuple[RealMatch, ...] | None:
    """How near edits come to real photos of the same person at about the target age, beside the unedited photos.

    Light, pose and expression differ between photos, and cost distance whatever the edit does; they do so for the
    unedited photo, too, and drop out of the difference.

    Args:
        faces: N faces; those whose people have no names are left out.
        edited: what they were edited to.
        real: the real photos to compare with. Several of a person at about one age count as one, by their mean.
        targets: the T ages asked for.

    Returns:
        A row for each direction that has such photos, or None if none has. Intervals are over people.
    """
    found: dict[bool, list[tuple[str, float, float]]] = {True: [], False: []}
    for i in np.flatnonzero(faces.is_named()):
        theirs = real.subject == faces.subject[i]
        apart = np.abs(real.age - faces.age[i]) >= APART
        for t, target in enumerate(targets):
            chosen = theirs & apart & (np.abs(real.age - target) <= ABOUT)
            if chosen.any():
                photos = real.descriptors[chosen]
                before, after = (
                    float(np.linalg.norm(photos - ours, axis=1).mean())
                    for ours in (faces.descriptors[i], edited.descriptors[i, t])
                )
                found[bool(target > faces.age[i])].append((faces.subject[i], before, after))
    rows = []
    for older, matches in found.items():
        if matches:
            owners = np.array([subject for subject, _, _ in matches])
            unedited, output = (np.array([match[k] for match in matches]) for k in (1, 2))
            scores = (mean_score(values, owners) for values in (unedited, output, output - unedited))
            rows.append(RealMatch("older" if older else "younger", *scores))
    return tuple(rows) or None


def _by_gap(
    gaps: Float64, distances: Float64, cosines: Float64, owners: npt.NDArray[Any], threshold: float
) -> tuple[IdentityAtGap, ...]:
    """Identity by ranges of gaps; all arrays have one shape, and ``owners`` says whose each pair of pictures is."""
    rows = []
    for low, high in pairwise(GAPS):
        chosen = (gaps >= low) & (gaps < high)
        whose = owners[chosen]
        identity = IdentityScores(
            accepted=mean_score(distances[chosen] < threshold, whose),
            distance=mean_score(distances[chosen], whose),
            cosine=mean_score(cosines[chosen], whose),
        )
        rows.append(IdentityAtGap((low, high), identity))
    return tuple(rows)
