"""``latent-cgan``: an age-conditioned GAN of Encoder E, AgeEmbedding A, Generator G and Discriminator D.

``G(E(face), A(age))`` generates the face at that age; ``D`` says whether a face is real and how old it is (Mirza and
Osindero, "Conditional Generative Adversarial Nets", 2014; the age head after Odena et al., "AC-GAN", 2017). Gated
ReLU blocks, skips, self-attention and FiLM are options. The networks of the founding project are in `latent_original`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.ages import MAX_AGE
from reage.networks.age_net import BINS
from reage.networks.conditioning import AgeFeatures, FiLM
from reage.networks.latent_original import (
    OriginalAgeEmbedding,
    OriginalDiscriminator,
    OriginalEncoder,
    OriginalGenerator,
)
from reage.networks.latent_shape import BOTTOM, DiscriminatorOutput, LatentShape
from reage.networks.layers import GatedReLU, GroupNorm, SelfAttention

ATTENTION_SIDE = 16
"""Side of the maps that get self-attention."""


class _Down(nn.Module):
    """Strided convolutions down to maps of side `BOTTOM`; returns the maps of every level, finest first."""

    def __init__(self, shape: LatentShape, *, normalised: bool) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        inputs, side = 3, shape.size
        for level, width in enumerate(shape.widths):
            side //= 2
            layers: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1)]
            if normalised and level:
                layers.append(GroupNorm(width))
            layers.append(nn.LeakyReLU(0.2))
            if shape.gated_others:
                layers.append(GatedReLU(width))
            if shape.attention and side == ATTENTION_SIDE:
                layers.append(SelfAttention(width))
            self.levels.append(nn.Sequential(*layers))
            inputs = width

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps


class Encoder(nn.Module):
    """Faces (B, 3, S, S) in [-1, 1] -> latent (B, L), and the maps (B, C, h, w) for the skips, finest first.

    Where the latent has a prior it ends in tanh, which keeps it in the prior's range.
    """

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.size = shape.size
        self.down = _Down(shape, normalised=True)
        self.latent = nn.Linear(shape.widths[-1] * BOTTOM**2, shape.latent)
        self.bound = nn.Tanh() if shape.prior else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps = self.down(x)
        return self.bound(self.latent(maps[-1].flatten(1))), maps[:-1]


class AgeEmbedding(nn.Module):
    """Ages in years (B,) -> (B, A). The first layer sees the age over `MAX_AGE`, or its `AgeFeatures` where
    ``age_distribution`` is set."""

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.features = AgeFeatures() if shape.age_distribution else None
        inputs = self.features.size if self.features else 1
        self.mlp = nn.Sequential(
            nn.Linear(inputs, shape.age), nn.LeakyReLU(0.2), nn.Linear(shape.age, shape.age),
            GatedReLU(shape.age, flat=True) if shape.gated_others else nn.Identity(),
        )  # fmt: skip

    def forward(self, age: Tensor) -> Tensor:
        x = self.features(age) if self.features else age[:, None] / MAX_AGE
        out: Tensor = self.mlp(x)
        return out


class _Up(nn.Module):
    """One level of the generator: doubles the side, then skip, norm, FiLM, ReLU, gated block, attention."""

    def __init__(self, shape: LatentShape, inputs: int, width: int, side: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, width, 4, 2, 1)
        self.join = nn.Conv2d(2 * width, width, 3, padding=1) if shape.skips else None
        self.norm = GroupNorm(width)
        self.film = FiLM(shape.age, width) if shape.film and shape.conditional else None
        self.gated = GatedReLU(width) if shape.gated_generator else nn.Identity()
        self.attend = SelfAttention(width) if shape.attention and side == ATTENTION_SIDE else nn.Identity()

    def forward(self, h: Tensor, skip: Tensor | None, age: Tensor | None) -> Tensor:
        h = self.up(h)
        if self.join is not None and skip is not None:
            h = self.join(torch.cat([h, skip], 1))
        h = self.norm(h)
        if self.film is not None and age is not None:
            h = self.film(h, age)
        out: Tensor = self.attend(self.gated(F.relu(h)))
        return out


class Generator(nn.Module):
    """Latent (B, L), embedded age (B, A) or None, and the encoder's maps -> face (B, 3, S, S) in [-1, 1]."""

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        widths = shape.widths
        inputs = shape.latent + (shape.age if shape.conditional else 0)
        self.bottom = widths[-1]
        self.start = nn.Linear(inputs, self.bottom * BOTTOM**2)
        levels, side = [], BOTTOM
        for before, width in zip(widths[:0:-1], widths[-2::-1], strict=True):
            side *= 2
            levels.append(_Up(shape, before, width, side))
        self.levels = nn.ModuleList(levels)
        self.to_rgb = nn.ConvTranspose2d(widths[0], 3, 4, 2, 1)

    def forward(self, latent: Tensor, age: Tensor | None, maps: Sequence[Tensor]) -> Tensor:
        x = latent if age is None else torch.cat([latent, age], 1)
        h = F.relu(self.start(x)).view(-1, self.bottom, BOTTOM, BOTTOM)
        for level, skip in zip(self.levels, reversed(maps), strict=True):
            h = level(h, skip, age)
        return torch.tanh(self.to_rgb(h).float())


class Discriminator(nn.Module):
    """Faces (B, 3, S, S) in [-1, 1] -> `DiscriminatorOutput`."""

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.down = _Down(shape, normalised=False)
        inputs = shape.widths[-1] * BOTTOM**2
        self.real = nn.Linear(inputs, 1)
        self.age = nn.Linear(inputs, 1) if shape.conditional else None
        self.years = nn.Linear(inputs, BINS) if shape.conditional and shape.age_distribution else None

    def forward(self, x: Tensor) -> DiscriminatorOutput:
        maps = self.down(x)
        h = maps[-1].flatten(1)
        return DiscriminatorOutput(
            self.real(h)[:, 0].float(),
            None if self.age is None else self.age(h)[:, 0].float() * MAX_AGE,
            None if self.years is None else self.years(h).float(),
            maps,
        )


class LatentDiscriminator(nn.Module):
    """Latents (B, L) -> logits (B,) of being drawn from the prior instead of made by E.

    Zhang, Song and Qi, "Age Progression/Regression by Conditional Adversarial Autoencoder", 2017: layers of 64, 32 and
    16. Here they have LeakyReLU and no batch norm, which would tell the two kinds apart by their statistics alone.
    """

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = shape.latent
        for width in (64, 32, 16):
            layers += [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
            inputs = width
        self.mlp = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def forward(self, latent: Tensor) -> Tensor:
        logits: Tensor = self.mlp(latent)[:, 0].float()
        return logits


class AgeingModel(nn.Module):
    """E, A and G as the one network that a bundle holds; made of what `build_networks` returned."""

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder = networks["encoder"]
        self.age_embedding = networks.get("age_embedding")
        self.generator = networks["generator"]

    def forward(self, face: Tensor, target_age: Tensor) -> Tensor:
        """Faces (B, 3, S, S) in [-1, 1] and ages in years (B,) -> the faces at these ages, (B, 3, S, S)."""
        latent, maps = self.encoder(face)
        if self.age_embedding is None:  # 0 * age: the exported graph must keep that input
            out: Tensor = self.generator(latent, None, maps) + 0 * target_age[:, None, None, None]
        else:
            out = self.generator(latent, self.age_embedding(target_age), maps)
        return out.clamp(-1, 1)  # that of the founding project paints values below -1


def build_networks(shape: LatentShape) -> dict[str, nn.Module]:
    """New networks by name: encoder, age_embedding (where the model is conditional), generator, discriminator, and
    latent_discriminator (where the latent has a prior)."""
    kinds: dict[str, Callable[[LatentShape], nn.Module]] = {
        "encoder": OriginalEncoder if shape.original else Encoder,
        "age_embedding": OriginalAgeEmbedding if shape.original else AgeEmbedding,
        "generator": OriginalGenerator if shape.original else Generator,
        "discriminator": OriginalDiscriminator if shape.original else Discriminator,
    }
    if not shape.conditional:
        del kinds["age_embedding"]
    if shape.prior:
        kinds["latent_discriminator"] = LatentDiscriminator
    return {name: kind(shape) for name, kind in kinds.items()}
