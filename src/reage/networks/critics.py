"""The critics (discriminators) of ``delta``: one starts from the trunk of an age network, one sees small patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.age_net import AgeTrunk
from reage.networks.conditioning import AgeFeatures

HEAD_SCALE = 4.0
"""Factor of the logits, so that at one learning rate the new heads learn faster than the trained trunk below them."""


class _Head(nn.Module):
    """Two answers from one feature map: is each place real, and does the whole face fit a condition (age, gender)?

    The first is a patch critic (Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
    2017), since a critic of pooled features overlooks a painted patch. The second is the projection of Miyato and
    Koyama, "cGANs with Projection Discriminator", 2018: ``w.f + <V c, f>``. They are two logits because with one for
    both, a face that fits its age would count as real whatever is painted on it.
    """

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.LeakyReLU(0.2))
        self.real = nn.Conv2d(channels, 1, 1)
        self.fits = nn.Linear(2 * channels, 1)
        self.project = nn.Linear(condition, 2 * channels, bias=False)
        nn.init.zeros_(self.project.weight)

    def look(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) -> real/fake logits of its places (B, 1, H, W), and its mean and deviation (B, 2 C)."""
        h = self.features(maps)
        real = self.real(h).float()
        h = h.float()
        mean = h.mean((2, 3))
        spread = ((h - mean[:, :, None, None]) ** 2).mean((2, 3)).add(1e-6).sqrt()
        return HEAD_SCALE * real, torch.cat([mean, spread], 1)

    def judge(self, pooled: Tensor, condition: Tensor) -> Tensor:
        """Pooled map (B, 2 C) and condition (B, K) -> logits (B,), positive where the face fits the condition."""
        fits: Tensor = self.fits(pooled)[:, 0] + (self.project(condition) * pooled).sum(1)
        return HEAD_SCALE * fits


class AgeTrunkCritic(nn.Module):
    """Judges whether each place of a face is real, and whether the face fits an age and a gender.

    It is the trunk of a trained `AgeNet`, to be fine-tuned, with a head on each of its three maps. The statistics of
    its batch norms stay frozen, so that real and edited faces pass through the same function.
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

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Faces (B, 3, S, S) in [-1, 1] -> for each head, logits of places (B, 1, h, w) and pooled maps for `judge`."""
        looks = [head.look(maps) for head, maps in zip(self.heads, self.trunk(x), strict=True)]  # type: ignore[operator]
        return [real for real, _ in looks], [pooled for _, pooled in looks]

    def judge(self, pooled: list[Tensor], age: Tensor, male: Tensor) -> Tensor:
        """Logits (heads, B), positive where a face fits ``age`` (B,) in years and ``male`` (B,), 1 or 0.

        ``pooled`` is what `forward` returned. This is cheap: one pass through the trunk serves several conditions.
        """
        condition = torch.cat([self.age(age), male[:, None] * 2 - 1], 1)
        logits = [head.judge(p, condition) for head, p in zip(self.heads, pooled, strict=True)]  # type: ignore[operator]
        return torch.stack(logits)


class PatchCritic(nn.Module):
    """Judges small patches of a face, by three strided convolutions: it sees texture, not structure.

    A patch is 22 px wide. What it sees of all patches is averaged over the face before it answers, because single
    patches of a weak edit hardly differ from real ones, but together they do. It answers two questions, each by a logit
    of its own: is the face real, and does its texture fit an age and a gender (a projection, as in `_Head`)?
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.age = AgeFeatures()
        self.real = nn.Linear(4 * width, 1)
        self.fits = nn.Linear(4 * width, 1)
        self.project = nn.Linear(self.age.size + 1, 4 * width, bias=False)
        nn.init.zeros_(self.project.weight)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """The mean of all patches of each face: faces (B, 3, S, S) in [-1, 1] and masks (B, 1, S, S) -> (B, C)."""
        return mean_on_mask(self.layers(x), mask)

    def realness(self, pooled: Tensor) -> Tensor:
        """Logits (B,), positive where a face is real; ``pooled`` is what `forward` returned."""
        logits: Tensor = HEAD_SCALE * self.real(pooled)[:, 0]
        return logits

    def judge(self, pooled: Tensor, age: Tensor, male: Tensor) -> Tensor:
        """Logits (B,), positive where the texture of a face fits ``age`` (B,) in years and ``male`` (B,), 1 or 0."""
        condition = torch.cat([self.age(age), male[:, None] * 2 - 1], 1)
        logits: Tensor = self.fits(pooled)[:, 0] + (self.project(condition) * pooled).sum(1)
        return HEAD_SCALE * logits


def mean_on_mask(maps: Tensor, mask: Tensor) -> Tensor:
    """The mean of maps (B, C, h, w) over their places, weighted by a mask (B, 1, S, S): (B, C)."""
    weight = F.adaptive_avg_pool2d(mask, (maps.shape[2], maps.shape[3]))
    mean: Tensor = (maps.float() * weight).sum((2, 3)) / weight.sum((2, 3))
    return mean
