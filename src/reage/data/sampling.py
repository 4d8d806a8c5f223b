"""Draws of training faces: by age, reproducibly from (seed, step) alone, so that a resumed run draws the same."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float32, UInt8
from reage.data.cache import Cache
from reage.edit.masks import face_mask
from reage.errors import DataError


@dataclass(frozen=True)
class Faces:
    """A drawn batch: images (B, S, S, 3) uint8, masks (B, S, S) float32, ages (B,) years, male (B,) 0 or 1."""

    images: UInt8
    masks: Float32
    ages: Float32
    male: Float32


@dataclass(frozen=True)
class Shard:
    """Number ``index`` of ``count`` equal parts of a step's faces: each process, and each batch accumulated, takes one.

    Everything random is drawn for the whole step and then sliced, so that the step is the same however it is divided.
    """

    index: int = 0
    count: int = 1

    def slice(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """This part of ``values`` (N, ...), where N is a multiple of ``count``: (N / count, ...)."""
        size = len(values) // self.count
        return values[self.index * size : (self.index + 1) * size]


WHOLE = Shard()


def step_rng(seed: int, step: int) -> np.random.Generator:
    """The random numbers of one step."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64)))


class FacePool:
    """Faces of a cache that training may see, drawn with a chosen evenness over ages.

    ``evenness`` 0 draws faces as the data has them, 1 every age alike; between, ``count^-evenness``.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        split: str = "train",
        ages: tuple[float, float] = (0, 116),
        min_sharpness: float = 0.0,
        evenness: float = 1.0,
        colour_only: bool = False,
    ) -> None:
        rows = cache.rows
        wishes = {
            f"in the split {split}": rows["split"] == split,
            f"of {ages[0]:g} to {ages[1]:g} years": rows["age"].between(*ages),
            f"as sharp as {min_sharpness:g}": rows["sharpness"] >= min_sharpness,
            "labelled as M or F": rows["gender"].isin(["M", "F"]),
        }
        if colour_only:
            wishes["in colour"] = ~rows["gray"].astype(bool)
        keep, so_far = np.ones(len(rows), bool), "in the cache"
        for wish, fits in wishes.items():
            keep &= fits.to_numpy()
            if not keep.any():
                raise DataError(f"of the faces {so_far}, none is {wish}")
            so_far += f", {wish}"
        self.cache = cache
        self.positions = np.flatnonzero(keep)
        self.ages = rows["age"].to_numpy(np.float32)[self.positions]
        self.male = (rows["gender"] == "M").to_numpy(np.float32)[self.positions]
        self._evenness = evenness
        self._weigh()

    def _weigh(self) -> None:
        # Five-year bins: single years of age are rounded in the labels, and some are nearly empty.
        bins = (self.ages / 5).astype(int)
        weights = np.bincount(bins)[bins].astype(np.float64) ** -self._evenness
        self._cumulative = np.cumsum(weights / weights.sum())

    def __len__(self) -> int:
        return len(self.positions)

    def thinned(self, count: int, seed: int) -> FacePool:
        """A pool of ``count`` of these faces, always the same for a seed."""
        kept = np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))
        thin = copy(self)
        thin.positions, thin.ages, thin.male = self.positions[kept], self.ages[kept], self.male[kept]
        thin._weigh()
        return thin

    def choose(self, count: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.intp], Bool]:
        """Numbers of ``count`` faces drawn by age, and which of them to mirror."""
        chosen = np.searchsorted(self._cumulative, rng.random(count)).clip(0, len(self) - 1)
        return chosen, rng.random(count) < 0.5

    def draw(
        self,
        count: int,
        rng: np.random.Generator,
        *,
        shard: Shard = WHOLE,
        flip: bool = True,
        masks: bool = True,
    ) -> Faces:
        """This ``shard`` of ``count`` faces drawn by age, mirrored at random if ``flip``."""
        chosen, mirrored = self.choose(count, rng)
        return self.take(shard.slice(chosen), shard.slice(mirrored) if flip else None, masks=masks)

    def spread(self, count: int) -> npt.NDArray[np.intp]:
        """Numbers of ``count`` faces (or all, if fewer) at even distances in the pool: always the same ones."""
        return np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.intp)

    def take(
        self,
        chosen: npt.NDArray[np.intp],
        mirrored: Bool | None = None,
        *,
        masks: bool = True,
    ) -> Faces:
        """The faces numbered ``chosen`` within the pool, those ``mirrored`` left for right; masks if wanted."""
        where = self.positions[chosen]
        images = np.asarray(self.cache.images[where])
        size = self.cache.size
        drawn = np.zeros((len(where), size if masks else 0, size if masks else 0), np.float32)
        if masks:
            for i, landmarks in enumerate(self.cache.landmarks[where]):
                drawn[i] = face_mask(landmarks, size)
        if mirrored is not None and mirrored.any():
            images, drawn = images.copy(), drawn.copy()
            images[mirrored] = images[mirrored, :, ::-1]
            drawn[mirrored] = drawn[mirrored, :, ::-1]
        return Faces(images, drawn, self.ages[chosen], self.male[chosen])
