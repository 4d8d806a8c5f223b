"""Random batches of training faces, which depend on (seed, step) alone: a resumed run draws the same ones."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float32, UInt8
from reage.data.cache import Cache
from reage.data.coverings import draw_coverings
from reage.edit.masks import Reach, face_mask
from reage.errors import DataError


@dataclass(frozen=True)
class Faces:
    """A batch of faces and their labels.

    ``images`` (B, S, S, 3) uint8 RGB, ``masks`` (B, S, S) in [0, 1], of no size if they were not asked for, ``ages``
    (B,) in years, and ``male`` (B,), 1 or 0, or 0.5 where the data set does not say.
    """

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

PEERS = 60
"""Faces nearest in age from which `FacePool.like` draws."""


def step_rng(seed: int, step: int) -> np.random.Generator:
    """The random generator of step number ``step`` of a run with this ``seed``; no two share their numbers."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64)))


class FacePool:
    """The faces of a cache that fit some conditions, to draw batches from.

    Args:
        cache: the faces.
        split: train, val or test.
        ages: youngest and oldest age, in years.
        min_sharpness: the least variance of the Laplacian (see `Measurement`).
        evenness: 0 draws every face equally often; 1 draws every five years of age equally often, however few faces
            they have; between the two, a face of a bin of n is drawn in proportion to ``n^-evenness``.
        colour_only: leave out grey images.
        gender: leave out faces whose gender the data set does not say.
        reach: how far the masks of the faces reach.

    Raises:
        DataError: no face fits.
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
        gender: bool = False,
        reach: Reach = "face",
    ) -> None:
        rows = cache.rows
        conditions: dict[str, Any] = {
            f"of {ages[0]:g} to {ages[1]:g} years": rows["age"].between(*ages),
            f"as sharp as {min_sharpness:g}": rows["sharpness"] >= min_sharpness,
        }
        labelled = rows["gender"].isin(["M", "F"]).to_numpy()
        if gender:
            conditions["labelled as M or F"] = labelled
        if colour_only:
            conditions["in colour"] = ~rows["gray"].astype(bool)
        keep, so_far = np.asarray(rows["split"] == split), f"in the cache, in the split {split}"
        if not keep.any():
            raise DataError(f"of the faces in the cache, none is in the split {split}")
        self.left_out: dict[str, int] = {}
        """The number of faces of the split that are left out, by reason."""
        for condition, fits in conditions.items():
            misses = keep & ~np.asarray(fits, bool)
            keep = keep & ~misses
            if not keep.any():
                raise DataError(f"of the faces {so_far}, none is {condition}")
            if misses.any():
                self.left_out[f"not {condition}"] = int(misses.sum())
            so_far += f", {condition}"
        self.cache = cache
        self.positions = np.flatnonzero(keep)
        self.ages = rows["age"].to_numpy(np.float32)[self.positions]
        male = np.where(labelled, np.asarray(rows["gender"] == "M"), 0.5)
        self.male = male.astype(np.float32)[self.positions]
        self.race = rows["race"].fillna(-1).to_numpy(np.int64)[self.positions]
        """Race codes as the data set gives them, or -1."""
        self._evenness = evenness
        self._reach: Reach = reach
        self._weigh()

    def _weigh(self) -> None:
        # Bins of five years: labels are rounded, and single years of age may be nearly empty.
        bins = (self.ages / 5).astype(int)
        weights = np.bincount(bins)[bins].astype(np.float64) ** -self._evenness
        self._cumulative = np.cumsum(weights / weights.sum())
        self._by_age = np.argsort(self.ages, kind="stable")
        self._by_gender = {
            float(gender): self._by_age[self.male[self._by_age] == gender] for gender in np.unique(self.male)
        }

    def __len__(self) -> int:
        return len(self.positions)

    def subset(self, count: int, seed: int) -> FacePool:
        """A pool of ``count`` of these faces, chosen at random, always the same for a seed."""
        kept = np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))
        pool = copy(self)
        pool.positions, pool.ages, pool.male = self.positions[kept], self.ages[kept], self.male[kept]
        pool.race = self.race[kept]
        if count < len(self):
            pool.left_out = {**self.left_out, f"at random, to have {count:,}": len(self) - count}
        pool._weigh()
        return pool

    def choose(self, count: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.intp], Bool]:
        """Draw ``count`` faces with this pool's evenness: their indices in the pool, and which of them to mirror."""
        chosen = np.searchsorted(self._cumulative, rng.random(count)).clip(0, len(self) - 1)
        return chosen, rng.random(count) < 0.5

    def in_pass(self, step: int, count: int, seed: int) -> npt.NDArray[np.intp]:
        """Indices of the ``count`` faces of ``step``, where every face is drawn once before any is drawn again.

        Each pass has an order of its own, which depends on ``seed``; what is left at its end, fewer than ``count``, is
        left out of it. Raises `DataError` if there are fewer faces than that.
        """
        number, place = divmod(step, self.steps_per_pass(count))
        order = np.random.default_rng([seed, number]).permutation(len(self))
        return order[place * count : (place + 1) * count]

    def steps_per_pass(self, count: int) -> int:
        """Steps of ``count`` faces in one pass of `in_pass`; raises `DataError` if there are fewer faces."""
        if len(self) < count:
            raise DataError(f"{len(self)} faces are too few for a step of {count}; make the batch smaller")
        return len(self) // count

    def draw(
        self,
        count: int,
        rng: np.random.Generator,
        *,
        shard: Shard = WHOLE,
        flip: bool = True,
        masks: bool = True,
    ) -> Faces:
        """Draw ``count`` faces with this pool's evenness, and return this ``shard`` of them.

        With ``flip``, half of them at random are mirrored, left for right; with ``masks``, they come with their masks.
        """
        chosen, mirrored = self.choose(count, rng)
        return self.take(shard.slice(chosen), shard.slice(mirrored) if flip else None, masks=masks)

    def like(self, ages: Float32, male: Float32, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Indices of random faces of about the ages ``ages`` (B,), in years, and the gender ``male`` (B,) each.

        Each is drawn from the `PEERS` faces of that gender whose ages are nearest; where nobody has that gender, from
        faces of any.
        """
        chosen = np.empty(len(ages), np.intp)
        for i, (age, gender) in enumerate(zip(ages, male, strict=True)):
            candidates = self._by_gender.get(float(gender), self._by_age)
            middle = np.searchsorted(self.ages[candidates], age)
            start = int(np.clip(middle - PEERS // 2, 0, max(0, len(candidates) - PEERS)))
            nearest = candidates[start : start + PEERS]
            chosen[i] = nearest[int(rng.random() * len(nearest))]
        return chosen

    def evenly_spaced(self, count: int) -> npt.NDArray[np.intp]:
        """Indices of ``count`` faces, or of all if there are fewer, at even distances in the pool: always the same."""
        return np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.intp)

    def take(
        self,
        chosen: npt.NDArray[np.intp],
        mirrored: Bool | None = None,
        *,
        masks: bool = True,
    ) -> Faces:
        """The faces with the indices ``chosen`` (B,), mirrored left for right where ``mirrored`` (B,) says so."""
        where = self.positions[chosen]
        images = np.asarray(self.cache.images[where])
        if mirrored is not None and mirrored.any():
            images = images.copy()
            images[mirrored] = images[mirrored, :, ::-1]
        drawn = self.masks(chosen, mirrored) if masks else np.zeros((len(where), 0, 0), np.float32)
        return Faces(images, drawn, self.ages[chosen], self.male[chosen])

    def masks(
        self,
        chosen: npt.NDArray[np.intp],
        mirrored: Bool | None = None,
        *,
        reach: Reach | None = None,
    ) -> Float32:
        """Masks (B, S, S) of the faces numbered ``chosen``, of the pool's own reach unless another is given."""
        size = self.cache.size
        drawn = np.empty((len(chosen), size, size), np.float32)
        for i, landmarks in enumerate(self.cache.landmarks[self.positions[chosen]]):
            drawn[i] = face_mask(landmarks, size, reach or self._reach)
        if mirrored is not None:
            drawn[mirrored] = drawn[mirrored, :, ::-1]
        return drawn

    def coverings(
        self, chosen: npt.NDArray[np.intp], mirrored: Bool, seeds: npt.NDArray[np.integer]
    ) -> Float32:
        """Things before the faces numbered ``chosen``, as `draw_coverings` draws them by ``seeds``: (B, 4, S, S).

        Where a seed is negative, nothing is drawn, and the face isn't read.
        """
        drawn = np.zeros((len(chosen), 4, self.cache.size, self.cache.size), np.float32)
        covered = seeds >= 0
        positions = self.positions[chosen[covered]]
        faces, landmarks = self.cache.images[positions], self.cache.landmarks[positions].astype(np.float32)
        drawn[covered] = draw_coverings(faces, landmarks, seeds[covered])
        drawn[mirrored] = drawn[mirrored, :, :, ::-1]
        return drawn
