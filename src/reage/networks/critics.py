"""Discriminators shared by families."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reage.networks.age_net import AgeTrunk
from reage.networks.conditioning import AgeFeatures

HEAD_SCALE = 4.0
"""Multiplies logits, so that the new heads learn faster than the trunk they stand on at one learning rate."""


class _Head(nn.Module):
    """Two logits from a map: is it real, and does it fit a condition vector?

    The second is the projection of Miyato and Koyama, "cGANs with Projection Discriminator", 2018:
    ``w.f + <V c, f>``. With one logit for both, a face that fits its age passes for real whatever is painted
    on it. The map is pooled by mean and by spread, since a single wrong patch moves the spread more.
    """

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.LeakyReLU(0.2))
        self.real = nn.Linear(2 * channels, 1)
        self.fits = nn.Linear(2 * channels, 1)
        self.project = nn.Linear(condition, 2 * channels, bias=False)
        nn.init.zeros_(self.project.weight)

    def pool(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 2 C)."""
        h = self.features(maps).float()
        mean = h.mean((2, 3))
        spread = ((h - mean[:, :, None, None]) ** 2).mean((2, 3)).add(1e-6).sqrt()
        return torch.cat([mean, spread], 1)

    def forward(self, pooled: Tensor, condition: Tensor) -> Tensor:
        real = self.real(pooled)[:, 0]
        fits = self.fits(pooled)[:, 0] + (self.project(condition) * pooled).sum(1)
        return HEAD_SCALE * torch.stack([real, fits])


class AgeTrunkCritic(nn.Module):
    """Real or edited, and does it fit (age, gender)? The trunk of a trained `AgeNet`, fine-tuned.

    The statistics of its batch norms stay frozen: real and edited faces then pass through the same function.
    """

    def __init__(self, widths: tuple[int, int, int] = (64, 128, 256)) -> None:
        super().__init__()
        self.trunk = AgeTrunk(widths)
        self.age = AgeFeatures()
        self.heads = nn.ModuleList(_Head(width, self.age.size + 1) for width in widths)

    def train(self, mode: bool = True) -> AgeTrunkCritic:
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def pool(self, x: Tensor) -> list[Tensor]:
        """(B, 3, S, S) in [-1, 1] -> one pooled vector a head; reusable with several conditions."""
        maps = self.trunk(x)
        return [head.pool(m) for head, m in zip(self.heads, maps, strict=True)]  # type: ignore[operator]

    def judge(self, pooled: list[Tensor], age: Tensor, male: Tensor) -> Tensor:
        """Logits (2, heads, B) of pooled faces said to be of ``age`` years and ``male`` 0 or 1.

        Positive for real (first) and for fitting what is said (second).
        """
        condition = torch.cat([self.age(age), male[:, None] * 2 - 1], 1)
        return torch.stack([head(p, condition) for head, p in zip(self.heads, pooled, strict=True)], 1)

    def forward(self, x: Tensor, age: Tensor, male: Tensor) -> Tensor:
        return self.judge(self.pool(x), age, male)
