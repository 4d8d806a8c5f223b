"""Measures how the features of real faces change with age, on average; the features of edits should change alike.

The features are those of a network that knows photographs, VGG16. Their means over people of 25 and over people of 75
differ by what ageing does, among people of one gender and race. An edit from 25 to 75 should make the same difference
on average. If edits also add stains or streaks, or leave out the sagging of contours, the two differences are not the
same, and how far they are apart is a loss. Critics can fall behind the generator; this measure cannot, since it does
not learn.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.data.sampling import FacePool
from reage.networks.vgg import POOLED, WHOLE, Vgg16, pooled
from reage.training.editing import in_parts

FACES = 2000
"""Faces that the regression is made from, at most."""
KNOTS = (18.0, 25.0, 32.0, 40.0, 50.0, 60.0, 70.0, 80.0)
"""Ages, in years, between which the regression of features on age interpolates."""
KNOT_WIDTH = 8.0
"""Standard deviation of the Gaussian at each knot, in years."""
RACES = 5
"""Race codes of UTKFace; other codes, and unknown ones, count as none of them."""
RIDGE = 2.0
"""Weight of the squared coefficients of the regression, so that rare groups do not get wild ones."""
FLOOR = 10.0
"""What is added to the variance in each direction, before its inverse is taken; that of a lone feature is 1.

Without it the measure would be of directions in which people hardly vary, which the mean over recent edits knows least.
"""
DIRECTIONS = 400
"""Directions in which people vary most; their variance in all others is taken for zero."""
OF_REGIONS = 1 / 3
"""Weight of the features of regions, of which there are nine, beside those of the whole face."""
RARELY = 0.05
"""Least deviation of a feature, in parts of the mean; a channel that is hardly ever active would count too much."""
SPAN = 25.0, 70.0
"""Ages, in years, between which the mean difference of real people counts as a distance of 1."""
NEAR_TARGET, NEAR_CHANGE = 10.0, 12.0
"""Edits whose targets, and whose years of change, differ by about so many years are averaged together."""

Features = Callable[[Tensor, Tensor], Tensor]
"""Takes faces (B, 3, S, S) in [-1, 1] and masks (B, 1, S, S); returns features (B, F)."""


class Perceived:
    """What VGG16 sees in faces under masks, as `pooled` tells: (B, F)."""

    def __init__(self, vgg: Vgg16, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        self._vgg, self._autocast = vgg, autocast

    def __call__(self, face: Tensor, mask: Tensor) -> Tensor:
        with self._autocast():
            maps = self._vgg(face)
        return pooled(maps, mask)

    @property
    def weights(self) -> Tensor:
        """How much each feature counts: (F,)."""
        return torch.cat([torch.ones(WHOLE), torch.full((POOLED - WHOLE,), OF_REGIONS)])


class Population:
    """Mean features of real faces by age, gender and race, and how much people of one kind vary.

    Args:
        features: of which network.
        weights: how much each feature counts (F,).
        pool: real faces; `FACES` of them are measured, evenly drawn over ages.
        device: where it computes.
    """

    def __init__(self, features: Features, weights: Tensor, pool: FacePool, device: torch.device) -> None:
        rng = np.random.default_rng(0)
        chosen = np.unique(pool.choose(2 * FACES, rng)[0])
        chosen = np.sort(rng.permutation(chosen)[:FACES])
        parts = in_parts(pool, chosen, device, size=16, masks=True)
        with torch.no_grad():
            seen = torch.cat([features(face, mask).float() for face, mask in parts])
        kinds = [torch.from_numpy(each[chosen]).to(device) for each in (pool.ages, pool.male, pool.race)]
        design = _design(*kinds)
        ridge = RIDGE * torch.eye(design.shape[1], device=device)
        self._by_kind = torch.linalg.solve(design.T @ design + ridge, design.T @ seen)
        rest = seen - design @ self._by_kind
        scale = rest.std(0)
        self._scale = scale.clamp(min=float(RARELY * scale.mean())) / weights.to(device)
        rest = rest / self._scale / len(rest) ** 0.5
        variance, mixtures = torch.linalg.eigh(rest @ rest.T)
        kept = variance.argsort(descending=True)[:DIRECTIONS]
        variance = variance[kept].clamp(min=1e-6)
        self._directions = rest.T @ mixtures[:, kept] / variance.sqrt()
        self._explained = variance / (variance + FLOOR)
        self._unit = 1.0

        age, target = (torch.full((2,), each, device=device) for each in SPAN)
        male, race = torch.tensor([0.0, 1.0], device=device), torch.full((2,), -1, device=device)
        wanted = self.change(age, target, male, race).mean(0, keepdim=True)
        self._unit = float(self.product(wanted, wanted))

    def product(self, one: Tensor, other: Tensor) -> Tensor:
        """The product of two changes of features, each (B, F), in the metric of how people vary: (B,).

        That of a change with itself is its squared Mahalanobis distance among people of one age, gender and race,
        scaled so that it is 1 for the mean change over `SPAN`.
        """
        one, other = one / self._scale, other / self._scale
        usual = one @ self._directions * self._explained * (other @ self._directions)
        product: Tensor = ((one * other).sum(1) - usual.sum(1)) / FLOOR / self._unit
        return product

    def change(self, age: Tensor, target: Tensor, male: Tensor, race: Tensor) -> Tensor:
        """The mean change of features from people of ``age`` to people of ``target`` years: (B,) each -> (B, F)."""
        difference: Tensor = (_design(target, male, race) - _design(age, male, race)) @ self._by_kind
        return difference


def _design(age: Tensor, male: Tensor, race: Tensor) -> Tensor:
    """What the regression knows of a person, each (B,): (B, K)."""
    knots = torch.tensor(KNOTS, device=age.device)
    by_age = F.normalize(torch.exp(-0.5 * ((age[:, None] - knots) / KNOT_WIDTH) ** 2), p=1, dim=1)
    gender = 2 * male[:, None] - 1
    by_race = (race[:, None] == torch.arange(RACES, device=race.device)).float()
    return torch.cat([by_age, by_age * gender, by_race, by_race * gender], 1)


class RecentChanges(nn.Module):
    """Keeps what the last edits changed, so that a mean over similar ones can be told.

    It is a module without parameters, so that a checkpoint holds it.

    Args:
        capacity: edits that are kept.
        features: length of what is kept of each.
    """

    changes: Tensor
    years: Tensor
    count: Tensor

    def __init__(self, capacity: int, features: int) -> None:
        super().__init__()
        self.register_buffer("changes", torch.zeros(capacity, features))
        self.register_buffer("years", torch.zeros(capacity, 2))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def mean_like(self, changes: Tensor, age: Tensor, target: Tensor) -> Tensor:
        """Keeps ``changes`` (B, F), of faces of ``age`` (B,) to ``target`` (B,) years.

        Returns the means of those kept that are similar to each: (B, F).
        """
        capacity = len(self.changes)
        places = (int(self.count) + torch.arange(len(changes))) % capacity
        years = torch.stack([target, target - age], 1)
        self.changes[places], self.years[places] = changes, years
        self.count += len(changes)
        kept = slice(0, min(int(self.count), capacity))
        scale = torch.tensor([NEAR_TARGET, NEAR_CHANGE], device=changes.device)
        apart = (years[:, None] - self.years[kept]) / scale
        weight = torch.exp(-0.5 * apart.square().sum(2))
        return (weight / weight.sum(1, keepdim=True)) @ self.changes[kept]
