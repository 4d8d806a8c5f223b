"""Computes the scores of the model, or of doing nothing, from the measurements of each face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reage.arrays import Float64
from reage.evaluation.bootstrap import mean_score
from reage.evaluation.faces import EditedFaces, Group, RealFaces
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.metrics import frechet_distance, kernel_distance, rising, slope
from reage.evaluation.scores import (
    AgeAtTarget,
    AgeScores,
    EditScores,
    GroupScores,
    IdentityScores,
    Kid,
    Preservation,
    Realism,
    RealismAtTarget,
)

NEAR = 10.0
"""Smallest gap in years of edits in the realism scores; smaller edits are nearly the photo itself."""
FEWEST = 20
"""With fewer pictures a side no KID or FID is given."""
FEW = 100
"""With fewer pictures a side the report warns that they are few."""


@dataclass(frozen=True)
class Scorer:
    """Computes all scores of edited faces.

    Attributes:
        targets: the T ages asked for.
        half_band: half the width of an age band in years.
        threshold: the distance below which two pictures are accepted as one person.
        real: the real faces of the judged split, beside which edits stand.
        reference: the real faces of another split, to which KID and FID are taken.
        seed: draws subsets of pictures.
    """

    targets: Sequence[float]
    half_band: float
    threshold: float
    real: RealFaces
    reference: RealFaces
    seed: int

    def edit_scores(self, faces: RealFaces, edited: EditedFaces) -> EditScores:
        """All scores over N ``faces`` and what they were ``edited`` to."""
        by_target = self.realism_by_target(faces, edited)
        return EditScores(
            everybody=self.group_scores(faces, edited),
            age_by_target=self.age_by_target(edited),
            realism_by_target=by_target,
            mean_kid=mean_kid([row.realism.kid for row in by_target]),
            mean_real_kid=mean_kid([row.realism.real_kid for row in by_target]),
        )

    def group_scores(self, faces: RealFaces, edited: EditedFaces, group: Group | None = None) -> GroupScores:
        """The scores of everybody among the N ``faces``, or of the members of a ``group``.

        Members stand beside real faces of their group. Only the members of a group by age stand beside real faces of
        all ages, as their edits are of all ages.
        """
        real, reference = self.real, self.reference
        beside = real
        same_ages = self._errors_at_same_ages(faces, edited)
        if group is not None:
            members = group.members(faces)
            same_ages = same_ages[members]
            faces, edited, real = faces.where(members), edited.where(members), real.where(group.members(real))
            if not group.by_age:
                beside, reference = real, reference.where(group.members(reference))
        return GroupScores(
            faces=len(faces),
            age={
                judge: self._age_scores(j, edited, real, float(same_ages[:, j].mean()))
                for j, judge in enumerate(AGE_JUDGES)
            },
            identity=IdentityScores(
                accepted=mean_score(edited.distances < self.threshold),
                distance=mean_score(edited.distances),
                cosine=mean_score(edited.cosines),
            ),
            realism=self._realism_of_all_targets(faces, edited, beside, reference),
            preservation=Preservation(
                same_age_l1=mean_score(edited.same_age[:, 0]),
                same_age_psnr=mean_score(edited.same_age[:, 1]),
                same_age_ssim=mean_score(edited.same_age[:, 2]),
                outside=mean_score(edited.outside),
                sharpness=mean_score(edited.sharpness),
                perceptual=mean_score(edited.perceptual),
            ),
        )

    def _age_scores(self, j: int, edited: EditedFaces, real: RealFaces, same_ages: float) -> AgeScores:
        targets = np.asarray(self.targets, np.float64)
        estimates = edited.estimated_ages[..., j]
        real_errors = real.estimated_ages[:, j] - real.age
        return AgeScores(
            error=mean_score(np.abs(estimates - targets)),
            error_at_same_ages=same_ages,
            bias=mean_score(estimates - targets),
            slope=mean_score(slope(targets, estimates)),
            rising=mean_score(rising(estimates)),
            real_error=mean_score(np.abs(real_errors)),
            real_bias=mean_score(real_errors),
        )

    def _errors_at_same_ages(self, faces: RealFaces, edited: EditedFaces) -> Float64:
        """For each face and judge (N, 2), the mean error over all faces of its age band.

        Errors depend on the age of the photo, and groups are of different ages. A group's error beside the mean of
        these (indirect standardisation) shows what is not due to age.
        """
        targets = np.asarray(self.targets, np.float64)
        errors = np.abs(edited.estimated_ages - targets[:, None]).mean(1)
        expected: Float64 = np.repeat(errors.mean(0, keepdims=True), len(errors), 0)
        for target in self.targets:
            band = faces.aged_about(target, self.half_band)
            if band.any():
                expected[band] = errors[band].mean(0)
        return expected

    def age_by_target(self, edited: EditedFaces) -> tuple[AgeAtTarget, ...]:
        """Estimated ages at each target by each judge, beside those of real faces of that age."""
        rows = []
        for t, target in enumerate(self.targets):
            real = self.real.where(self.real.aged_about(target, self.half_band))
            for j, judge in enumerate(AGE_JUDGES):
                estimates = edited.estimated_ages[:, t, j]
                real_errors = real.estimated_ages[:, j] - real.age
                rows.append(
                    AgeAtTarget(
                        target=float(target),
                        judge=judge,
                        estimated=mean_score(estimates),
                        spread=float(estimates.std()),
                        error=mean_score(np.abs(estimates - target)),
                        bias=mean_score(estimates - target),
                        real_estimated=mean_score(real.estimated_ages[:, j]),
                        real_error=mean_score(np.abs(real_errors)),
                        real_bias=mean_score(real_errors),
                    )
                )
        return tuple(rows)

    def realism_by_target(self, faces: RealFaces, edited: EditedFaces) -> tuple[RealismAtTarget, ...]:
        """KID and FID of the outputs at each target."""
        return tuple(
            RealismAtTarget(
                float(target),
                _realism(*self._features(faces, edited, self.real, self.reference, t), self.seed),
            )
            for t, target in enumerate(self.targets)
        )

    def _realism_of_all_targets(
        self, faces: RealFaces, edited: EditedFaces, real: RealFaces, reference: RealFaces
    ) -> Realism:
        """KID and FID over all targets together.

        Each target has as many outputs as real faces, so that the ages are alike on both sides.
        """
        pools: list[list[Float64]] = [[], [], []]
        for t in range(len(self.targets)):
            sets = self._features(faces, edited, real, reference, t)
            count = min(len(each) for each in sets)
            for pool, each in zip(pools, sets, strict=True):
                pool.append(each[:count])
        outputs, beside, others = (np.concatenate(pool) for pool in pools)
        return _realism(outputs, beside, others, self.seed)

    def _features(
        self, faces: RealFaces, edited: EditedFaces, real: RealFaces, reference: RealFaces, t: int
    ) -> tuple[Float64, Float64, Float64]:
        """Features of the outputs at a target, and of real and of reference faces labelled about that age."""
        target = self.targets[t]
        far = np.abs(faces.estimated_ages[:, 0] - target) >= NEAR
        return (
            edited.features[far, t],
            real.features[real.aged_about(target, self.half_band)],
            reference.features[reference.aged_about(target, self.half_band)],
        )


def mean_kid(kids: Sequence[Kid]) -> Kid:
    """The mean of the KIDs at several targets, leaving out targets that have none; NaN if no target has one.

    Its error takes those of the targets for independent. It is too small as far as the outputs of one face at several
    targets resemble each other.
    """
    given = [kid for kid in kids if not math.isnan(kid.value)]
    if not given:
        return Kid(math.nan, math.nan)
    error = math.sqrt(sum(kid.error**2 for kid in given)) / len(given)
    return Kid(sum(kid.value for kid in given) / len(given), error)


def label_doubts(faces: RealFaces, split: str) -> list[str]:
    """Warnings that the labels of the real ``faces`` of a ``split`` may be wrong, which makes scores unreliable.

    Returns:
        Sentences without their full stops; none if judges and labels agree well enough.
    """
    doubts, subject = [], f"the real faces of {split}"
    guess = np.abs(faces.age - np.median(faces.age)).mean()
    for j, judge in enumerate(AGE_JUDGES):
        error = np.abs(faces.estimated_ages[:, j] - faces.age).mean()
        if error > 0.75 * guess:
            doubts.append(
                f"labels: {judge} errs by {error:.1f} years on {subject}, "
                f"where always saying the median errs by {guess:.1f}: are the ages right?"
            )
    labelled = np.array([gender is not None for gender in faces.gender], bool)
    if labelled.sum() >= FEWEST:
        agreement = ((faces.male_probability > 0.5) == (faces.gender == "M"))[labelled].mean()
        if agreement < 0.75:
            doubts.append(
                f"labels: {AGE_JUDGES[0]} agrees with only {agreement:.0%} of the genders of {subject}"
            )
    return doubts


def _realism(outputs: Float64, real: Float64, reference: Float64, seed: int) -> Realism:
    """KID and FID of the features (N, D) of outputs and of real faces to the same reference.

    All FIDs are of equally many pictures, since their bias depends on how many there are.
    """
    count = min(len(outputs), len(real), len(reference))
    kids, fids = [], []
    for features in (outputs, real):
        enough = min(len(features), len(reference)) >= FEWEST
        kids.append(
            Kid(*(kernel_distance(features, reference, seed=seed) if enough else (math.nan, math.nan)))
        )
        fid = math.nan
        if count >= FEWEST:
            rng = np.random.default_rng(seed)
            chosen = [each[rng.choice(len(each), count, False)] for each in (features, reference)]
            fid = frechet_distance(*chosen)
        fids.append(fid)
    return Realism(len(outputs), len(real), len(reference), kids[0], fids[0], kids[1], fids[1], count)
