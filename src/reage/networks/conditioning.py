"""How an age becomes a vector, and how a vector steers a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reage.ages import MAX_AGE


class AgeFeatures(nn.Module):
    """An age in years as bumps along the life line: ``exp(-(age - centre)^2 / 2 width^2)``, plus the age itself.

    Neighbouring ages get similar features and distant ones unrelated ones, which a single scalar cannot say.
    Shape: (B,) years -> (B, ``size``).
    """

    centres: Tensor

    def __init__(self, bumps: int = 15, width: float = 8.0) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(0.0, MAX_AGE, bumps), persistent=False)
        self.width = width
        self.size = bumps + 1

    def forward(self, age: Tensor) -> Tensor:
        bumps = torch.exp(-0.5 * ((age[:, None] - self.centres) / self.width) ** 2)
        return torch.cat([bumps, age[:, None] / 100.0], 1)


class AgePairEmbedding(nn.Module):
    """Source age, target age (years) and male probability as one vector. Shapes: 3 x (B,) -> (B, ``size``)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.features = AgeFeatures()
        self.mlp = nn.Sequential(
            nn.Linear(2 * self.features.size + 2, size), nn.SiLU(), nn.Linear(size, size), nn.SiLU()
        )

    def forward(self, source: Tensor, target: Tensor, male: Tensor) -> Tensor:
        gap = (target - source)[:, None] / 50.0
        parts = [self.features(source), self.features(target), gap, male[:, None] * 2 - 1]
        out: Tensor = self.mlp(torch.cat(parts, 1))
        return out


class FiLM(nn.Module):
    """Feature-wise linear modulation, ``h * (1 + gamma(c)) + beta(c)``; starts as the identity.

    Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", 2018.
    """

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.affine = nn.Linear(condition, 2 * channels)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        gamma, beta = self.affine(condition).to(h.dtype)[:, :, None, None].chunk(2, 1)
        out: Tensor = h * (1 + gamma) + beta
        return out
