"""The protocol of an evaluation: which faces are edited to which ages, and compared with which real faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reage.arrays import Int64
from reage.data.catalog import SPLITS
from reage.errors import AgeError, DataError
from reage.request import check_age


@dataclass(frozen=True)
class Protocol:
    """All settings of an evaluation besides the model and the images.

    Attributes:
        split: the faces that are edited.
        faces: how many are edited at most; evenly from the age bands around the targets as far as there are any.
        ages: the targets, rising, in years.
        references: how many real faces are taken at most, for each age band and each of two splits.
        min_sharpness: leaves out blurred images, by the sharpness in the index.
        features: the network whose features KID and FID are of, a key of `features.NAMES`.
        seed: draws the faces.

    Raises:
        DataError: there is no such split.
        AgeError: the ages do not rise, are fewer than two, or are out of range.
    """

    split: str = "test"
    faces: int = 500
    ages: tuple[float, ...] = (20, 30, 40, 50, 60, 70, 80)
    references: int = 150
    min_sharpness: float = 20.0
    features: str = "lite0"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split not in dict(SPLITS):
            raise DataError(f"unknown split '{self.split}'; choose one of {', '.join(dict(SPLITS))}")
        if len(self.ages) < 2 or list(self.ages) != sorted(set(self.ages)):
            raise AgeError("give at least two target ages, in ascending order")
        for age in self.ages:
            check_age(age)

    @property
    def reference_split(self) -> str:
        """The split of the real faces that outputs are compared with: never the one whose faces are edited.

        It is never the split test either, so that a choice between models never uses its faces.
        """
        return "train" if self.split == "val" else "val"

    @property
    def half_band(self) -> float:
        """Half the width of an age band in years: half the least distance of two targets, so that no two overlap."""
        return float(np.diff(self.ages).min()) / 2

    def draw(self, index: pd.DataFrame, split: str) -> pd.DataFrame:
        """Draw the real faces of a split: up to ``references`` rows of each age band, in random order within it.

        Returns:
            Rows of the index, with a column ``band`` that tells the target in the middle of their age band.
        """
        good = index[index["keep"] & (index["split"] == split) & (index["sharpness"] >= self.min_sharpness)]
        bands = []
        for target in self.ages:
            low, high = target - self.half_band, target + self.half_band
            band = good[good["age"].between(low, high, inclusive="left")]
            shuffled = band.sample(frac=1, random_state=self.seed)
            bands.append(shuffled.head(self.references).assign(band=target))
        drawn: pd.DataFrame = pd.concat(bands)
        return drawn

    def sample(self, drawn: pd.DataFrame) -> Int64:
        """Choose the faces to edit: equally many of each band as far as there are any, in random order.

        Returns:
            Their positions among the rows ``drawn`` by `draw`.
        """
        order = drawn.groupby("band").cumcount().to_numpy()
        chosen = np.argsort(order, kind="stable")[: self.faces]
        return np.random.default_rng(self.seed).permutation(chosen)
