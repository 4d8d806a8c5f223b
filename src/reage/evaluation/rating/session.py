"""The session of one rater: the next pair, the side of each model, and the votes given."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from reage.arrays import UInt8
from reage.errors import ReageError
from reage.evaluation.rating.pairs import Pair
from reage.evaluation.rating.votes import Choice, Vote, add_vote, read_votes


@dataclass
class Question:
    """The pair shown now: three pictures under names that do not reveal the models.

    Attributes:
        id: names the question in the vote.
        target: the age asked for, in years.
        pictures: PNG files by name; ``names`` are those of the photo, the left and the right output.
        done, total: how far the session is.
    """

    id: str
    target: float
    names: tuple[str, str, str]
    pictures: dict[str, bytes] = field(repr=False)
    done: int
    total: int


class Session:
    """The pairs in random order, without those that ``rater`` has already voted on.

    Args:
        pairs: what is compared.
        votes: the file of votes; is made with the first vote.
        rater: who votes.

    Raises:
        ReageError: the file holds something else.
    """

    def __init__(self, pairs: Sequence[Pair], votes: Path, rater: str = "") -> None:
        self._file, self._rater = votes, rater
        given = {vote.question for vote in read_votes(votes) if vote.rater == rater}
        fresh = [pair for pair in pairs if (pair.face, pair.target, frozenset(pair.models)) not in given]
        self._total, self._done = len(pairs), len(pairs) - len(fresh)
        rng = np.random.default_rng()
        self._left = [fresh[i] for i in rng.permutation(len(fresh))]
        self._flips = list(rng.random(len(fresh)) < 0.5)
        self._question: Question | None = None
        self._lock = threading.Lock()
        self._ask()

    @property
    def question(self) -> Question | None:
        """The question that is to be answered; None when all are."""
        return self._question

    def vote(self, question: str, choice: Choice) -> Question | None:
        """Write down the answer to the question with this id; returns the next one, as `question` does.

        An answer to another question, such as one from a page left open, changes nothing.

        Raises:
            WriteError: the file of votes cannot be written; the question stays.
        """
        with self._lock:
            if self._question is None or question != self._question.id:
                return self._question
            pair, left, right = self._sides()
            add_vote(
                self._file,
                Vote(
                    rater=self._rater, face=pair.face, target=pair.target, left=pair.models[left],
                    right=pair.models[right], choice=choice, time=round(time.time(), 1),
                ),
            )  # fmt: skip
            self._left.pop(0)
            self._flips.pop(0)
            self._done += 1
            self._ask()
            return self._question

    def _sides(self) -> tuple[Pair, int, int]:
        """The pair under way, and which of its models is on the left and on the right."""
        return self._left[0], int(self._flips[0]), 1 - int(self._flips[0])

    def _ask(self) -> None:
        self._question = None
        if self._left:
            pair, left, right = self._sides()
            shown = (pair.photo, pair.outputs[left], pair.outputs[right])
            photo, one, other = (secrets.token_hex(8) for _ in shown)
            pictures = {name: _png(pixels) for name, pixels in zip((photo, one, other), shown, strict=True)}
            self._question = Question(
                secrets.token_hex(8), pair.target, (photo, one, other), pictures, self._done, self._total
            )


def _png(pixels: UInt8) -> bytes:
    done, content = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise ReageError("a picture cannot be encoded")
    return content.tobytes()
