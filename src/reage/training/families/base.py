"""What the training loop asks of a family of networks, and what families that edit faces have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reage.arrays import UInt8
from reage.data.cache import Cache, open_cache
from reage.data.catalog import SPLITS
from reage.data.sampling import FacePool, Faces, Shard
from reage.edit.masks import Reach
from reage.errors import ConfigError, DataError
from reage.training.calibrate import Calibrated
from reage.training.config import DataSettings, Settings, TrainSettings
from reage.training.editing import to_tensor, to_uint8
from reage.training.updater import Objective

Networks = Mapping[str, nn.Module]

SHEET_AGES = (20.0, 35.0, 50.0, 65.0, 80.0)
"""Ages on a sample sheet, in years."""
CHUNK = 32
"""Faces passed through a network at once outside of training steps."""


@dataclass(frozen=True)
class Compute:
    """The device a family computes on, and its mixed precision: networks run inside ``autocast()``."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext


CPU = Compute()
"""The processor, in full precision."""


@dataclass
class Sheet:
    """A sample sheet: pictures ``cells`` (rows, columns, S, S, 3) uint8, with a label for each row and column."""

    cells: UInt8
    rows: list[str]
    columns: list[str] = field(default_factory=list)


@dataclass
class Exported:
    """A family as a bundle holds it: its networks, and what `reage.manifest.Manifest` says of them."""

    networks: dict[str, nn.Module]
    """The networks to read from the weights of a run, by their names there."""
    graphs: dict[str, nn.Module]
    """The networks to write, made of ``networks``, by the direction that each serves: any, older or younger."""
    inputs: list[str]
    outputs: list[str]
    source_ages: tuple[float, float]
    target_ages: tuple[float, float]
    full_ages: dict[str, float] = field(default_factory=dict)
    reach: Reach = "face"
    zoom: float = 1.0
    calibration: dict[str, Any] = field(default_factory=dict)
    teachers: list[str] = field(default_factory=list)
    data: str = ""
    """What the weights were trained on; if empty, the export states the data set of the run. Likewise ``licence``."""
    licence: str = ""


class Batch:
    """Faces and their labels as tensors.

    ``face`` (B, 3, S, S) in [-1, 1], ``age`` (B,) in years, ``male`` (B,), 1 or 0, or 0.5 where it is not known, and
    ``mask`` (B, 1, S, S) in [0, 1], empty where the faces were drawn without masks.
    """

    def __init__(self, faces: Faces, device: torch.device) -> None:
        self.face = to_tensor(torch.from_numpy(faces.images).to(device))
        self.mask = torch.from_numpy(faces.masks)[:, None].to(device)
        self.age = torch.from_numpy(faces.ages).to(device)
        self.male = torch.from_numpy(faces.male).to(device)

    def __len__(self) -> int:
        return len(self.face)


class Family(ABC):
    """A family of networks: how it draws faces, what it minimises, and how it is validated and shown.

    The trainer supplies everything else. Subclasses set ``options``, ``cache``, ``networks`` and ``objectives``.
    """

    options_type: ClassVar[type[Settings]]
    averaged: tuple[str, ...] = ()
    """Networks of which an exponential moving average is kept, which samples and export use."""
    letters: ClassVar[Mapping[str, str]] = {}
    """What networks are called in the files of `TrainSettings.epoch_files`, where it is not their name."""
    other_names: ClassVar[Mapping[str, str]] = {}
    """Names by which figures are told once more, as users of another project know them, and our own."""
    console: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The figures of the lines on the console, by the names they have there; if empty, the losses of objectives."""
    best_by: ClassVar[str]
    """The validation figure that is least in the best epoch, where there is neither KID nor FID."""

    options: Settings
    cache: Cache
    """The faces that it is trained and validated on."""
    networks: dict[str, nn.Module]
    objectives: list[Objective]
    """What a training step minimises, one after the other."""

    def __init__(self, settings: TrainSettings, compute: Compute = CPU) -> None:
        self.settings = settings
        self.device = compute.device
        self.autocast = compute.autocast
        self.memory: dict[str, nn.Module] = {}
        """Modules that are no networks but belong in a checkpoint, such as a replay buffer."""

    @property
    def size(self) -> int:
        """Side of the faces in pixels."""
        return self.cache.size

    @abstractmethod
    def domains(self) -> dict[str, Callable[[str], FacePool]]:
        """How to get the faces of a split, for each kind of faces that the family learns from, by the kind's name."""

    def census(self) -> list[str]:
        """For each split and kind of faces, how many take part, and why the others of the split do not: a line each."""
        lines = []
        for split, _ in SPLITS:
            for name, pool_of in self.domains().items():
                try:
                    pool = pool_of(split)
                except DataError as error:
                    lines.append(f"{split}, {name}: none ({error})")
                    continue
                reasons = ", ".join(f"{count:,} {reason}" for reason, count in pool.left_out.items())
                left_out = f"; left out: {reasons}" if reasons else ""
                lines.append(f"{split}, {name}: {len(pool):,} take part{left_out}")
        return lines

    @abstractmethod
    def draw(self, step: int, shard: Shard) -> Any:
        """Draw ``shard`` of the faces of ``step``, in the form that the losses take.

        Everything that is random in a step, apart from dropout, is drawn here, from the seed and the step alone.
        """

    @abstractmethod
    def validate(self, networks: Networks, split: str) -> dict[str, float]:
        """Figures of ``networks`` on fixed faces of a split; raises `DataError` where it has none that fit."""

    @abstractmethod
    def examples(self) -> dict[str, tuple[Any, ...]]:
        """For each network, inputs of the shape of one face, to count what it computes."""

    def sheet(self, networks: Networks) -> Sheet | None:
        """A sample sheet of fixed faces, or None where there is nothing to show."""
        return None

    def realism_pairs(self, networks: Networks, split: str, count: int) -> dict[str, tuple[UInt8, UInt8]]:
        """For each direction, edited and real faces of the same ages, up to ``count`` each: (N, S, S, 3) uint8.

        Nothing where the family makes no pictures.
        """
        return {}

    def directions(self) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
        """For each direction of the KID, the ages of the faces that are edited, and the ages they are given.

        Nothing where the family makes no pictures.
        """
        return {}

    def calibrated(self, networks: Networks) -> Calibrated | None:
        """The calibration of the generator among ``networks``; None where the family has no teachers to measure it."""
        return None

    @classmethod
    @abstractmethod
    def exported(cls, settings: TrainSettings, size: int) -> Exported:
        """New networks for faces of ``size`` px, to load weights into; `ConfigError` if the family edits no faces."""


class EditingFamily(Family):
    """A family that gives faces another age: what such families share is how faces are chosen and results shown."""

    colour_only: ClassVar[bool] = False
    """Whether grey images are left out."""
    gender: ClassVar[bool] = True
    """Whether faces whose gender the data set does not say are left out."""
    masks: ClassVar[bool] = False
    """Whether faces come with their masks."""
    reach: Reach = "face"
    """How far its masks reach: over the face, or over the head."""
    multiple: ClassVar[int] = 16
    """What the side of a face must be a multiple of."""

    def __init__(self, settings: TrainSettings, compute: Compute = CPU) -> None:
        super().__init__(settings, compute)
        self.cache = open_cache(settings.data.cache, in_memory=True)
        if self.size % self.multiple:
            raise ConfigError(
                f"{settings.data.cache}: faces of {self.size} px; "
                f"the networks of {settings.family} need a multiple of {self.multiple}"
            )
        self.pool("val")  # raises here, not at the end of the first epoch

    def pool(self, split: str = "train", ages: tuple[float, float] | None = None) -> FacePool:
        """The faces of a split, of ``ages`` in years (default: as in the settings); `DataError` if there are none."""
        data: DataSettings = self.settings.data
        return FacePool(
            self.cache, split=split, ages=ages or data.ages, min_sharpness=data.min_sharpness,
            evenness=data.evenness, colour_only=self.colour_only, gender=self.gender, reach=self.reach,
        )  # fmt: skip

    def domains(self) -> dict[str, Callable[[str], FacePool]]:
        return {"faces": self.pool}

    def batch(self, pool: FacePool, chosen: npt.NDArray[np.intp]) -> Batch:
        """The faces with the indices ``chosen`` in ``pool``, framed as `framed` does."""
        batch = Batch(pool.take(chosen, masks=self.masks), self.device)
        batch.face = self.framed(batch.face)
        return batch

    def framed(self, face: Tensor) -> Tensor:
        """Faces (B, 3, S, S) of the cache as the networks are shown them outside of training steps.

        A family that crops faces at random in training crops them here without the randomness.
        """
        return face

    @abstractmethod
    def repaint(self, networks: Networks, batch: Batch, target: Tensor) -> Tensor:
        """Edit the faces of ``batch`` to the ages ``target`` (B,) in years: (B, 3, S, S) in [-1, 1]."""

    def columns(self) -> list[tuple[str, float]]:
        """Label and age of each column of the sample sheet after the first, which is the input."""
        return [(f"{age:.0f}", age) for age in SHEET_AGES]

    @torch.no_grad()
    def sheet(self, networks: Networks) -> Sheet | None:
        cells, rows = [], []
        for batch in self._sheet_faces():
            ages = [torch.full_like(batch.age, age) for _, age in self.columns()]
            painted = [batch.face, *(self.repaint(networks, batch, age) for age in ages)]
            cells.append(torch.stack([to_uint8(face) for face in painted], 1).cpu().numpy())
            letters = {1.0: " m", 0.0: " f"}
            rows += [
                f"{age:.0f}{letters.get(float(male), '')}"
                for age, male in zip(batch.age, batch.male, strict=True)
            ]
        if not rows:
            return None
        return Sheet(np.concatenate(cells), rows, ["input", *(label for label, _ in self.columns())])

    def _sheet_faces(self) -> list[Batch]:
        """The fixed validation faces of the sample sheet: of each kind that the family learns from, equally many."""
        pools = []
        for pool_of in self.domains().values():
            with suppress(DataError):  # a small split may have nobody of a kind
                pools.append(pool_of("val"))
        batches = []
        for number, pool in enumerate(pools):
            before, after = (self.settings.sample_faces * i // len(pools) for i in (number, number + 1))
            count = min(after - before, len(pool))
            chosen = np.random.default_rng(7).choice(len(pool), count, replace=False)
            if count:
                batches.append(self.batch(pool, np.sort(chosen)))
        return batches

    def directions(self) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
        return {"older": ((18, 40), (55, 75)), "younger": ((50, 80), (18, 32))}

    @torch.no_grad()
    def realism_pairs(self, networks: Networks, split: str, count: int) -> dict[str, tuple[UInt8, UInt8]]:
        pairs = {}
        for name, (before, after) in self.directions().items():
            try:
                sources, goals = self.pool(split, before), self.pool(split, after)
            except DataError:  # a small split may have nobody of these ages
                continue
            number = min(count, len(sources), len(goals))
            chosen, wanted = sources.evenly_spaced(number), goals.evenly_spaced(number)
            fakes = []
            for start in range(0, number, CHUNK):
                batch = self.batch(sources, chosen[start : start + CHUNK])
                target = torch.from_numpy(goals.ages[wanted[start : start + CHUNK]]).to(batch.age.device)
                fakes.append(to_uint8(self.repaint(networks, batch, target)).cpu().numpy())
            real = to_tensor(torch.from_numpy(goals.take(wanted, masks=False).images))
            pairs[name] = (np.concatenate(fakes), to_uint8(self.framed(real)).numpy())
        return pairs
