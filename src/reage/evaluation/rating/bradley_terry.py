"""Bradley-Terry scores of models from votes, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reage.arrays import Float64
from reage.errors import ReageError
from reage.evaluation.bootstrap import FEWEST_RESAMPLED, RESAMPLES, Score
from reage.evaluation.rating.votes import Vote, about

_ITERATIONS = 50


@dataclass(frozen=True)
class Preference:
    """The score of a model by the votes of people.

    ``score`` is the logarithm of its strength, the mean of all models being 0: it wins a share ``1 / (1 + exp(-d))`` of
    the votes against a model whose score is lower by d. ``score.count`` is how many votes it took part in.
    """

    model: str
    wins: int
    ties: int
    losses: int
    score: Score

    @property
    def share(self) -> float:
        """The share of votes that it wins against a model of the mean score."""
        return float(1 / (1 + np.exp(-self.score.value)))


def preferences(votes: Sequence[Vote], models: Sequence[str], seed: int = 0) -> list[Preference]:
    """The score of each model, in the order of ``models``.

    Intervals are 95 % percentile bootstrap intervals, drawn over faces: votes on one face are drawn together. With
    fewer than five faces there are none.

    Args:
        votes: those about other models are left out.
        models: at least two.
        seed: draws the faces.

    Raises:
        ReageError: no vote compares two of the models.
    """
    votes = about(votes, models)
    if not votes:
        raise ReageError(f"no vote compares any two of {', '.join(models)}")
    place = {model: i for i, model in enumerate(models)}
    faces = sorted({vote.face for vote in votes})
    won = np.zeros(
        (len(faces), len(models), len(models))
    )  # by face: how often the row was preferred to the column
    for vote in votes:
        left, right = place[vote.left], place[vote.right]
        share = {"left": 1.0, "right": 0.0, "tie": 0.5}[vote.choice]
        won[faces.index(vote.face), left, right] += share
        won[faces.index(vote.face), right, left] += 1 - share
    values = bradley_terry(won.sum(0))
    lows = highs = np.full(len(models), np.nan)
    if len(faces) >= FEWEST_RESAMPLED:
        rng = np.random.default_rng(seed)
        draws = rng.integers(0, len(faces), (RESAMPLES, len(faces)))
        lows, highs = np.percentile(
            [bradley_terry(won[chosen].sum(0)) for chosen in draws], [2.5, 97.5], axis=0
        )
    return [
        Preference(
            model=model,
            wins=sum(_winner(vote) == model for vote in votes),
            ties=sum(vote.choice == "tie" and model in (vote.left, vote.right) for vote in votes),
            losses=sum(_winner(vote) not in (None, model) and model in (vote.left, vote.right) for vote in votes),
            score=Score(
                float(values[i]), float(lows[i]), float(highs[i]),
                sum(model in (vote.left, vote.right) for vote in votes),
            ),
        )
        for i, model in enumerate(models)
    ]  # fmt: skip


def bradley_terry(won: Float64) -> Float64:
    """Scores s of M models such that i is preferred to j with the probability ``1 / (1 + exp(s_j - s_i))``.

    Bradley and Terry, "Rank Analysis of Incomplete Block Designs", 1952; the most likely scores, by Newton's method.
    One tie is added to each pair of models, so that scores stay finite where a model won or lost every vote.

    Args:
        won: (M, M), how often the model of the row was preferred to that of the column; a tie is half a vote for each.

    Returns:
        (M,), with a mean of 0.
    """
    count = len(won)
    won = won + 0.5 * (1 - np.eye(count))
    played = won + won.T
    scores = np.zeros(count)
    for _ in range(_ITERATIONS):
        chance = 1 / (1 + np.exp(scores[None, :] - scores[:, None]))
        slope = (won - played * chance).sum(1)
        weights = played * chance * (1 - chance)
        curvature = np.diag(weights.sum(1)) - weights
        # The matrix is singular along (1, ..., 1), on which nothing depends: adding ones there fixes the mean at 0.
        step = np.linalg.solve(curvature + np.ones_like(curvature) / count, slope)
        scores = scores + step
        if np.abs(step).max() < 1e-9:
            break
    centred: Float64 = scores - scores.mean()
    return centred


def _winner(vote: Vote) -> str | None:
    return {"left": vote.left, "right": vote.right, "tie": None}[vote.choice]
