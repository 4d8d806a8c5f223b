"""The scores in a report, as dataclasses: by group of faces, by target, by gap, and of the model or doing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reage.evaluation.bootstrap import NO_SCORE, Number, Score

# -- scores of a group of faces --


@dataclass(frozen=True)
class AgeScores:
    """The scores by one judge of age, in years.

    Attributes:
        error: mean absolute difference between the estimated age and the age asked for, over all targets.
        error_at_same_ages: the error over everybody whose photo is of the same age as those of the group.
        bias: mean difference; positive is too old.
        slope: years that the estimated age changes for each year asked for.
        rising: share of faces whose estimated age rises from each target to the next.
        real_error: the judge's own mean absolute error on real faces.
        real_bias: its own mean error on real faces.
    """

    error: Score
    error_at_same_ages: Number
    bias: Score
    slope: Score
    rising: Score
    real_error: Score
    real_bias: Score


@dataclass(frozen=True)
class IdentityScores:
    """Outputs beside their inputs: the share accepted as the same person, and distance and cosine similarity of their
    descriptors."""

    accepted: Score
    distance: Score
    cosine: Score


@dataclass(frozen=True)
class Kid:
    """A KID and its standard error."""

    value: Number
    error: Number


@dataclass(frozen=True)
class Realism:
    """Outputs, and beside them real faces, against the same reference: other real faces of the ages asked for.

    Attributes:
        outputs, real, reference: how many pictures of each kind there are.
        kid, fid: of the outputs.
        real_kid, real_fid: of real faces.
        fid_count: how many pictures a side the FIDs are of.
    """

    outputs: int
    real: int
    reference: int
    kid: Kid
    fid: Number
    real_kid: Kid
    real_fid: Number
    fid_count: int


@dataclass(frozen=True)
class Preservation:
    """How much an edit keeps unchanged.

    Attributes:
        same_age_l1, same_age_psnr, same_age_ssim: of the edit to the very age that the face looks, against the input,
            in levels of 255, dB and parts of 1.
        outside: mean change outside the outline of the face, in levels of 255.
        sharpness: sharpness of the face over that of the input.
        perceptual: perceptual distance between output and input, 0 being equal; earlier reports have none.
    """

    same_age_l1: Score
    same_age_psnr: Score
    same_age_ssim: Score
    outside: Score
    sharpness: Score
    perceptual: Score = NO_SCORE


@dataclass(frozen=True)
class GroupScores:
    """Every score of a group of faces, or of everybody; ``age`` is by judge, ``realism`` of all targets together."""

    faces: int
    age: dict[str, AgeScores]
    identity: IdentityScores
    realism: Realism
    preservation: Preservation


# -- scores by target and by gap --


@dataclass(frozen=True)
class AgeAtTarget:
    """Estimated ages of the outputs at one target, and of real faces labelled about that age, by one judge, in years.

    ``spread`` is the standard deviation of the estimated ages between faces.
    """

    target: float
    judge: str
    estimated: Score
    spread: Number
    error: Score
    bias: Score
    real_estimated: Score
    real_error: Score
    real_bias: Score


@dataclass(frozen=True)
class RealismAtTarget:
    """Realism of the outputs at one target."""

    target: float
    realism: Realism


@dataclass(frozen=True)
class IdentityAtGap:
    """Identity of pairs of pictures that are ``gap[0]`` years apart or more, and less than ``gap[1]``."""

    gap: tuple[float, float]
    identity: IdentityScores


@dataclass(frozen=True)
class YearsMoved:
    """How many years the estimated age moves for each year asked, over one kind of edits: 1 is as asked.

    Attributes:
        judge: whose estimates.
        direction: whether the face was to look older or younger.
        source_ages: the ages that the photos look, in years, from the first to less than the second.
        gap: the years between the age that the photo looks and the target, from the first to less than the second.
        moved: years moved in that direction over years asked, of all such edits together.
    """

    judge: str
    direction: Literal["older", "younger"]
    source_ages: tuple[float, float]
    gap: tuple[float, float]
    moved: Score


@dataclass(frozen=True)
class RealMatch:
    """Identity distances to real photos that show the same people at about the target age.

    Attributes:
        direction: whether the real photos are older or younger than the edited ones.
        unedited: distance of the unedited photo to the real one.
        edited: distance of the edited photo to it.
        difference: ``edited`` minus ``unedited``; below 0 the edit comes nearer to how the person really looked.
    """

    direction: Literal["older", "younger"]
    unedited: Score
    edited: Score
    difference: Score


@dataclass(frozen=True)
class EditScores:
    """All scores of one way to edit: the model's, or doing nothing.

    Attributes:
        everybody: over all faces.
        age_by_target, realism_by_target: at each target.
        mean_kid: mean over the targets that have a KID; the headline of realism.
        mean_real_kid: the same of real faces.
    """

    everybody: GroupScores
    age_by_target: tuple[AgeAtTarget, ...]
    realism_by_target: tuple[RealismAtTarget, ...]
    mean_kid: Kid
    mean_real_kid: Kid
