"""What the one training loop asks of a family of networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from reage.training.config import Settings, TrainSettings

Autocast = Callable[[], AbstractContextManager[Any]]


@dataclass
class Player:
    """A set of networks with one optimiser and one loss; a step lets the players move in turn.

    ``loss(step)`` returns the scalar to descend and figures for the log. Networks of other players are held
    still while this one moves.
    """

    name: str
    networks: list[str]
    loss: Callable[[int], tuple[Tensor, dict[str, Tensor]]]
    learning_rate: float
    betas: tuple[float, float] = (0.0, 0.99)
    weight_decay: float = 0.0


@dataclass
class Sheet:
    """Pictures for people: ``cells`` (rows, columns, S, S, 3) uint8, with a label per row and column."""

    cells: npt.NDArray[np.uint8]
    rows: list[str]
    columns: list[str] = field(default_factory=list)


@dataclass
class Exported:
    """The networks of a family as a bundle holds them.

    ``networks`` are keyed by their names in the run's weights; ``ways`` maps each to the direction it serves
    (``any``, ``older``, ``younger``). Inputs and outputs are those of `reage.bundle.Manifest`.
    """

    networks: dict[str, nn.Module]
    ways: dict[str, str]
    inputs: list[str]
    outputs: list[str]
    size: int
    source_ages: tuple[float, float]
    target_ages: tuple[float, float]
    teachers: list[str]
    data: str = "UTKFace (train split of `reage data index`); research use only"
    licence: str = "Weights trained on UTKFace: non-commercial research use. Code: MIT."


class Family(ABC):
    """Networks, players and pictures of one family; the trainer supplies everything else."""

    options_type: ClassVar[type[Settings]]
    averaged: ClassVar[tuple[str, ...]] = ()
    """Networks of which the trainer keeps an exponential moving average, used for samples and export."""

    networks: dict[str, nn.Module]
    players: list[Player]

    def __init__(self, settings: TrainSettings, autocast: Autocast) -> None:
        self.settings = settings
        self.autocast = autocast

    @abstractmethod
    def draw(self, step: int, stream: int) -> None:
        """Draw the batch of ``step``; the same step and stream always give the same batch."""

    @abstractmethod
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Figures on fixed validation faces, with the averaged weights where there are any."""

    @abstractmethod
    def sheet(self, networks: Mapping[str, nn.Module]) -> Sheet | None:
        """A sample sheet of fixed validation faces, or None where the family makes no pictures."""

    @classmethod
    @abstractmethod
    def exported(cls, settings: TrainSettings) -> Exported:
        """New networks of the right shape, for weights to be read into; raises `ConfigError` where none edit."""
