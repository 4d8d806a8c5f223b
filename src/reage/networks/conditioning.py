"""Conditioning: how an age becomes a vector, and how a vector modulates a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reage.ages import MAX_AGE


class AgeFeatures(nn.Module):
    """Encodes an age in years by radial basis functions, ``exp(-(age - centre)^2 / 2 width^2)``, and the age itself.

    Neighbouring ages get similar features and distant ages unrelated ones, which a single number cannot express.
    The centres lie at even distances from 0 to `MAX_AGE`. Shape: (B,) -> (B, ``size``).
    """

    centres: Tensor

    def __init__(self, centres: int = 15, width: float = 8.0) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(0.0, MAX_AGE, centres), persistent=False)
        self.width = width
        self.size = centres + 1

    def forward(self, age: Tensor) -> Tensor:
        basis = torch.exp(-0.5 * ((age[:, None] - self.centres) / self.width) ** 2)
        return torch.cat([basis, age[:, None] / 100.0], 1)


class AgePairEmbedding(nn.Module):
    """Embeds source age, target age and gender in one vector.

    Shapes: source and target (B,) in years, male (B,) in [0, 1] -> (B, ``size``).
    """

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

    Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", 2018. Shapes: maps (B, C, H, W) and
    condition (B, K) -> (B, C, H, W).
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
