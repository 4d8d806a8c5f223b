"""The votes file, to which each vote is appended as a line of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reage.errors import ReageError, WriteError

Choice = Literal["left", "right", "tie"]


class Vote(BaseModel):
    """A vote: for the output of the model on the ``left``, of that on the ``right``, or for neither."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rater: str = Field(max_length=100)
    """Name of the rater; empty if not given."""
    face: str
    target: float
    left: str
    right: str
    choice: Choice
    time: float
    """Time of the vote, in seconds since 1970."""

    @property
    def question(self) -> tuple[str, float, frozenset[str]]:
        """The pair, independent of the sides of the models."""
        return self.face, self.target, frozenset((self.left, self.right))


def read_votes(path: Path) -> list[Vote]:
    """The votes in a file, in order; none if there is no file yet.

    Raises:
        ReageError: it cannot be read, or a line of it is no vote.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ReageError(f"{path} cannot be read: {error}") from error
    votes = []
    for number, line in enumerate(lines, 1):
        try:
            votes.append(Vote.model_validate_json(line))
        except ValidationError as error:
            raise ReageError(
                f"{path}, line {number}: not a vote of `reage rate`: {error.errors()[0]['msg']}"
            ) from error
    return votes


def add_vote(path: Path, vote: Vote) -> None:
    """Write ``vote`` at the end of the file, so that it is on the disk when this returns. Raises `WriteError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(
                file, (json.dumps(vote.model_dump()) + "\n").encode()
            )  # one call: no other vote comes between
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def about(votes: Sequence[Vote], models: Sequence[str]) -> list[Vote]:
    """Those of the votes that compare two of the ``models``."""
    return [vote for vote in votes if {vote.left, vote.right} <= set(models)]
