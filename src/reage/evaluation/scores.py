"""Scores of one model, or of doing nothing, from what was measured of each face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from reage.arrays import Float64
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.measures import (
    Figure,
    frechet_distance,
    kernel_distance,
    mean_figure,
    pair_distances,
    rising,
    slope,
)
from reage.evaluation.people import Edits, Group, People

NEAR = 10.0
"""Years from the age a face looks: a shorter edit is not judged for realism, being nearly the photo itself."""
FEWEST = 20
"""Below so many pictures a side no KID or FID is given."""
FEW = 100
"""Below so many the report says that they are few."""
GAPS = (0, 10, 20, 30, 40, 116)
"""Borders in years of the age gaps by which identity is broken down."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Scorer:
    """What the figures are taken against: ``reference`` (real faces of another split), ``real`` (all measured real
    faces of the judged split), the ``threshold`` of identity and the ``targets``."""

    targets: Sequence[float]
    half_band: float
    threshold: float
    real: People
    reference: People
    seed: int

    def summary(self, people: People, edits: Edits, group: Group | None = None) -> Report:
        """Every measure over ``people``, or over those of a ``group`` beside the real faces of that group.

        Errors depend on the age of the photo, and groups are of different ages; ``error_of_their_ages`` is what
        everybody of the same ages scores (indirect standardisation), so that a group is not blamed for its ages.
        """
        real, pools = self.real, (self.real, self.reference)
        expected = self._expected_errors(people, edits)
        if group is not None:
            chosen = group.members(people)
            expected = expected[chosen]
            people, edits, real = people.where(chosen), edits.where(chosen), real.where(group.members(real))
            if not group.of_ages:  # edits of people of one age are of all ages, and so are those beside them
                pools = (real, self.reference.where(group.members(self.reference)))
        targets = np.asarray(self.targets, np.float64)
        errors = edits.ages - targets[:, None]
        accepted = edits.distances < self.threshold
        return {
            "faces": len(people),
            "age": {
                judge: {
                    "error": _figure(np.abs(errors[..., j])),
                    "error_of_their_ages": _number(expected[:, j].mean()),
                    "bias": _figure(errors[..., j]),
                    "slope": _figure(slope(targets, edits.ages[..., j])),
                    "rising": _figure(rising(edits.ages[..., j])),
                    "real_error": _figure(np.abs(real.ages[:, j] - real.age)),
                    "real_bias": _figure(real.ages[:, j] - real.age),
                }
                for j, judge in enumerate(AGE_JUDGES)
            },
            "identity": {
                "accepted": _figure(accepted),
                "distance": _figure(edits.distances),
                "cosine": _figure(edits.cosines),
            },
            "realism": self._pooled_realism(people, edits, *pools),
            "preservation": {
                **{
                    name: _figure(edits.same[:, i])
                    for i, name in enumerate(("same_l1", "same_psnr", "same_ssim"))
                },
                "outside": _figure(edits.outside),
                "sharpness": _figure(edits.sharp),
            },
        }

    def _expected_errors(self, people: People, edits: Edits) -> Float64:
        """For each face and judge (N, 2), the mean error over all faces of its age band."""
        targets = np.asarray(self.targets, np.float64)
        errors = np.abs(edits.ages - targets[:, None]).mean(1)
        expected: Float64 = np.repeat(errors.mean(0, keepdims=True), len(errors), 0)
        for target in self.targets:
            band = people.near(target, self.half_band)
            if band.any():
                expected[band] = errors[band].mean(0)
        return expected

    def by_target(self, edits: Edits) -> list[Report]:
        """Readings at each target, beside the judge's reading of real people of that age."""
        rows = []
        for t, target in enumerate(self.targets):
            real = self.real.where(self.real.near(target, self.half_band))
            for j, judge in enumerate(AGE_JUDGES):
                read = edits.ages[:, t, j]
                told = {"reading": read, "error": np.abs(read - target), "bias": read - target}
                wrong = real.ages[:, j] - real.age
                told |= {"real_reading": real.ages[:, j], "real_error": np.abs(wrong), "real_bias": wrong}
                figures = {name: _figure(values) for name, values in told.items()}
                rows.append({"judge": judge, "target": target, "spread": _number(read.std()), **figures})
        return rows

    def by_gap(self, people: People, edits: Edits) -> list[Report]:
        """Identity by the years between the age a face looks and the age it is given."""
        gaps = np.abs(np.asarray(self.targets)[None] - people.ages[:, :1])
        rows = []
        for low, high in pairwise(GAPS):
            chosen = (gaps >= low) & (gaps < high)
            faces = np.nonzero(chosen)[0]
            row = _accepted(edits.distances[chosen], faces, self.threshold, low, high)
            rows.append({**row, "cosine": _figure(edits.cosines[chosen], faces)})
        return rows

    def realism_by_target(self, people: People, edits: Edits) -> list[Report]:
        """KID and FID of outputs at each target against real faces of that age, beside real against real."""
        rows = []
        for t, target in enumerate(self.targets):
            sets = self._sets(people, edits, self.real, self.reference, t)
            rows.append({"target": target, **_distances(*sets, self.seed)})
        return rows

    def _pooled_realism(self, people: People, edits: Edits, real: People, reference: People) -> Report:
        """All targets together, each with as many outputs as real faces, so that ages are alike on both sides."""
        pools: list[list[Float64]] = [[], [], []]
        for t in range(len(self.targets)):
            sets = self._sets(people, edits, real, reference, t)
            count = min(len(each) for each in sets)
            for pool, each in zip(pools, sets, strict=True):
                pool.append(each[:count])
        ours, theirs, beside = (np.concatenate(pool) for pool in pools)
        return _distances(ours, theirs, beside, self.seed)

    def _sets(
        self, people: People, edits: Edits, real: People, reference: People, t: int
    ) -> tuple[Float64, Float64, Float64]:
        """Features of outputs at a target, of real faces of that age, and of as old ones from the other split."""
        target = self.targets[t]
        far = np.abs(people.ages[:, 0] - target) >= NEAR
        return (
            edits.features[far, t],
            real.features[real.near(target, self.half_band)],
            reference.features[reference.near(target, self.half_band)],
        )


def same_person(people: People, threshold: float) -> list[Report] | None:
    """How real photos of one person years apart fare; None where the data names nobody twice."""
    known = np.array([isinstance(subject, str) for subject in people.subject], bool)
    named = people.where(known)
    distances, same = pair_distances(named.descriptors, named.subject)
    if not same.any():
        return None
    rows, columns = np.triu_indices(len(named), 1)
    distances, gaps = distances[same], np.abs(named.age[rows] - named.age[columns])[same]
    who = named.subject[rows][same].astype(str)
    told = []
    for low, high in pairwise(GAPS):
        chosen = (gaps >= low) & (gaps < high)
        told.append(_accepted(distances[chosen], who[chosen], threshold, low, high))
    return told


def label_doubts(people: People, split: str) -> list[str]:
    """What speaks against the labels of the real faces of ``split``: then no figure resting on them means much."""
    doubts, faces = [], f"the real faces of {split}"
    guess = np.abs(people.age - np.median(people.age)).mean()
    for j, judge in enumerate(AGE_JUDGES):
        error = np.abs(people.ages[:, j] - people.age).mean()
        if error > 0.75 * guess:
            doubts.append(
                f"labels: {judge} errs by {error:.1f} years on {faces}, "
                f"where always saying the median errs by {guess:.1f}: are the ages right?"
            )
    told = np.array([gender in ("M", "F") for gender in people.gender], bool)
    if told.sum() >= FEWEST:
        agreement = ((people.male[told] > 0.5) == (people.gender[told] == "M")).mean()
        if agreement < 0.75:
            doubts.append(
                f"labels: {AGE_JUDGES[0]} agrees with the gender of {agreement:.0%} of {faces} only"
            )
    return doubts


def _accepted(
    distances: Float64, whose: npt.NDArray[Any], threshold: float, low: float, high: float
) -> Report:
    """Identity over one range of gaps; ``whose`` are the faces, or the people, of the ``distances``."""
    return {
        "from": low,
        "to": high,
        "accepted": _figure(distances < threshold, whose),
        "distance": _figure(distances, whose),
    }


def _distances(ours: Float64, real: Float64, reference: Float64, seed: int) -> Report:
    """KID and FID of outputs and of real faces against the same reference; FIDs of equally many pictures."""
    count = min(len(ours), len(real), len(reference))
    report: Report = {
        "outputs": len(ours),
        "real": len(real),
        "reference": len(reference),
        "fid_count": count,
    }
    for name, features in (("", ours), ("real_", real)):
        enough = min(len(features), len(reference)) >= FEWEST
        kid = kernel_distance(features, reference, seed=seed) if enough else (np.nan, np.nan)
        fid = np.nan
        if count >= FEWEST:
            rng = np.random.default_rng(seed)
            chosen = [x[rng.choice(len(x), count, False)] for x in (features, reference)]
            fid = frechet_distance(*chosen)
        report |= {
            f"{name}kid": _number(kid[0], 5),
            f"{name}kid_error": _number(kid[1], 5),
            f"{name}fid": _number(fid, 2),
        }
    return report


def _figure(values: npt.NDArray[Any], whose: npt.NDArray[Any] | None = None) -> Report:
    figure: Figure = mean_figure(values, whose)
    return {key: value if key == "count" else _number(value) for key, value in asdict(figure).items()}


def _number(value: Any, digits: int = 4) -> float | None:
    """Rounded for JSON, which has no NaN."""
    return round(float(value), digits) if np.isfinite(value) else None
