"""``age``: a small residual network that estimates age and gender from an aligned face.

It teaches the other families: it gives their age loss, and its trunk is where their critic starts. Therefore the
evaluation never uses it as a judge.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.layers import BNResBlock

BINS = 101
"""The network answers with a distribution over the ages 0, 1, ... 100 (Rothe et al., "DEX", 2015)."""


class AgeTrunk(nn.Module):
    """Convolutional trunk: (B, 3, S, S) in [-1, 1] -> maps (B, widths[i], S/4, S/4), then at S/8 and at S/16."""

    def __init__(self, widths: tuple[int, int, int] = (64, 128, 256)) -> None:
        super().__init__()
        stem = widths[0] // 2
        self.widths = widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, 2, 1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),  # (B, C, S/2, S/2)
        )
        self.stages = nn.ModuleList()
        inputs = stem
        for width in widths:
            self.stages.append(nn.Sequential(BNResBlock(inputs, width, 2), BNResBlock(width, width)))
            inputs = width

    def forward(self, x: Tensor) -> list[Tensor]:
        h = self.stem(x)
        maps = []
        for stage in self.stages:
            h = stage(h)
            maps.append(h)
        return maps


class AgeNet(nn.Module):
    """Trunk, mean over all places, and two linear heads: 101 logits of the age and one logit of being male."""

    def __init__(self, widths: tuple[int, int, int] = (64, 128, 256), dropout: float = 0.2) -> None:
        super().__init__()
        self.trunk = AgeTrunk(widths)
        self.dropout = nn.Dropout(dropout)
        self.age = nn.Linear(widths[-1], BINS)
        self.male = nn.Linear(widths[-1], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Faces (B, 3, S, S) in [-1, 1] -> age logits (B, 101) and male logits (B,)."""
        pooled = self.dropout(self.trunk(x)[-1].mean((2, 3)))
        return self.age(pooled), self.male(pooled)[:, 0]


class FrozenAgeNet(AgeNet):
    """An `AgeNet` to be trained on with its statistics of batch norm as they are, and without dropout."""

    def train(self, mode: bool = True) -> FrozenAgeNet:
        super().train(False)
        return self


def expected_age(logits: Tensor) -> Tensor:
    """The mean, in years, of the distribution over ages that ``logits`` (B, 101) stand for: (B,)."""
    years = torch.arange(BINS, dtype=torch.float32, device=logits.device)
    return (F.softmax(logits.float(), 1) * years).sum(1)
