"""Draws of training faces: by age, reproducibly from (seed, step) alone, so that a resumed run draws the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reage.data.cache import Cache
from reage.errors import DataError
from reage.photo.masks import face_mask


@dataclass(frozen=True)
class Faces:
    """A drawn batch: images (B, S, S, 3) uint8, masks (B, S, S) float32, ages (B,) years, male (B,) 0 or 1."""

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.float32]
    ages: npt.NDArray[np.float32]
    male: npt.NDArray[np.float32]


def step_rng(seed: int, step: int, stream: int = 0) -> np.random.Generator:
    """The random numbers of one step; ``stream`` separates uses (and processes) within it."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, step * 64 + stream], np.uint64)))


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
        keep = (
            (rows["split"] == split)
            & rows["age"].between(*ages)
            & (rows["sharpness"] >= min_sharpness)
            & rows["gender"].isin(["M", "F"])
        )
        if colour_only:
            keep &= ~rows["gray"].astype(bool)
        self.cache = cache
        self.positions = np.flatnonzero(keep.to_numpy())
        if not len(self.positions):
            raise DataError(f"no {split} face of {ages[0]} to {ages[1]} years in the cache")
        self.ages = rows["age"].to_numpy(np.float32)[self.positions]
        self.male = (rows["gender"] == "M").to_numpy(np.float32)[self.positions]
        # Five-year bins: single years of age are rounded in the labels, and some are nearly empty.
        bins = (self.ages / 5).astype(int)
        weights = np.bincount(bins)[bins].astype(np.float64) ** -evenness
        self._cumulative = np.cumsum(weights / weights.sum())

    def __len__(self) -> int:
        return len(self.positions)

    def draw(self, count: int, rng: np.random.Generator, *, flip: bool = True, masks: bool = True) -> Faces:
        """``count`` faces, mirrored at random if ``flip``."""
        chosen = np.searchsorted(self._cumulative, rng.random(count)).clip(0, len(self) - 1)
        return self.take(chosen, mirrored=rng.random(count) < 0.5 if flip else None, masks=masks)

    def take(
        self,
        chosen: npt.NDArray[np.intp],
        mirrored: npt.NDArray[np.bool_] | None = None,
        *,
        masks: bool = True,
    ) -> Faces:
        """The faces numbered ``chosen`` within the pool."""
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
