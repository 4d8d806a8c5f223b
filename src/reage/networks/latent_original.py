"""``latent-cgan`` as the founding project had it: small E, A and G, and a large D at full resolution.

What is its own: the widths; batch norm after the activation in E and D, none in G; global average pooling; a sigmoid
age. Its networks see pixels in [0, 1] and G ends in tanh; here faces are in [-1, 1], so each network converts. Initial
weights, the padding of strided convolutions and the constants of batch norm are those of Keras, which it used. Of the
versions 1.0 and 2.x no code is known: the gated blocks are this project's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reage.ages import MAX_AGE
from reage.networks.latent_shape import BOTTOM, DiscriminatorOutput, LatentShape
from reage.networks.layers import GatedReLU

ENCODER_WIDTHS = (8, 16, 32)
DISCRIMINATOR_WIDTHS = (64, 128, 256, 512, 512)
GENERATOR_WIDTHS = (64, 32, 16)
"""Channels after each of the first three doublings in G; every further one has as many as the last."""


def _keras_weights(module: nn.Module) -> None:
    """Draw the weights of a layer as Keras does: uniform after Glorot and Bengio, 2010, and no bias at first."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _gate(channels: int, gated: bool) -> list[nn.Module]:
    return [GatedReLU(channels)] if gated else []


def _block(inputs: int, outputs: int, stride: int, *, norm: bool, gated: bool) -> list[nn.Module]:
    """Convolution 3x3, LeakyReLU, batch norm, gated block. At stride 2 Keras pads below and on the right only."""
    padding = nn.ZeroPad2d((0, 1, 0, 1)) if stride == 2 else nn.ZeroPad2d(1)
    layers: list[nn.Module] = [padding, nn.Conv2d(inputs, outputs, 3, stride), nn.LeakyReLU(0.2)]
    return [*layers, *([_batch_norm(outputs)] if norm else []), *_gate(outputs, gated)]


def _blocks(widths: Sequence[int], stride: int, *, gated: bool) -> nn.Sequential:
    """A block for each of ``widths``, the first without batch norm, then the mean over all places: (B, C)."""
    layers, inputs = [], 3
    for width in widths:
        layers += _block(inputs, width, stride, norm=inputs != 3, gated=gated)
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class OriginalEncoder(nn.Module):
    """Faces (B, 3, S, S) in [-1, 1] -> latent (B, L), and an empty list: there are no maps for skips."""

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.size = shape.size
        self.down = _blocks(ENCODER_WIDTHS, 2, gated=shape.gated_others)
        self.latent = nn.Linear(ENCODER_WIDTHS[-1], shape.latent)
        self.apply(_keras_weights)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.latent(self.down((x + 1) / 2)), []


class OriginalAgeEmbedding(nn.Module):
    """Ages in years (B,) -> (B, A): two layers with ReLU, of 64 and A, which see the age over `MAX_AGE`."""

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, shape.age), nn.ReLU())
        self.apply(_keras_weights)
        if shape.gated_others:
            self.mlp.append(GatedReLU(shape.age, flat=True))

    def forward(self, age: Tensor) -> Tensor:
        out: Tensor = self.mlp(age[:, None] / MAX_AGE)
        return out


class OriginalGenerator(nn.Module):
    """Latent (B, L), embedded age (B, A) or None -> face (B, 3, S, S), in [-3, 1].

    The founding project compares tanh with pixels in [0, 1], and clips to that range only what it shows: values below
    -1 here are its values below zero.
    """

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.start = nn.Linear(
            shape.latent + (shape.age if shape.conditional else 0), GENERATOR_WIDTHS[0] * BOTTOM**2
        )
        doublings = (shape.size // BOTTOM).bit_length() - 1
        layers: list[nn.Module] = []
        inputs = GENERATOR_WIDTHS[0]
        for level in range(doublings):
            width = GENERATOR_WIDTHS[min(level, len(GENERATOR_WIDTHS) - 1)]
            layers += [nn.ConvTranspose2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2)]
            layers += _gate(width, shape.gated_generator)
            inputs = width
        self.up = nn.Sequential(*layers)
        self.to_rgb = nn.Conv2d(inputs, 3, 3, padding=1)
        self.apply(_keras_weights)

    def forward(self, latent: Tensor, age: Tensor | None, maps: Sequence[Tensor]) -> Tensor:
        x = latent if age is None else torch.cat([latent, age], 1)
        h = torch.relu(self.start(x)).view(-1, GENERATOR_WIDTHS[0], BOTTOM, BOTTOM)
        return 2 * torch.tanh(self.to_rgb(self.up(h)).float()) - 1


class OriginalDiscriminator(nn.Module):
    """Faces (B, 3, S, S) in [-1, 1] -> `DiscriminatorOutput`, with neither logits of ages nor maps."""

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.down = _blocks(DISCRIMINATOR_WIDTHS, 1, gated=shape.gated_others)
        self.real = nn.Linear(DISCRIMINATOR_WIDTHS[-1], 1)
        self.age = nn.Linear(DISCRIMINATOR_WIDTHS[-1], 1) if shape.conditional else None
        self.apply(_keras_weights)

    def forward(self, x: Tensor) -> DiscriminatorOutput:
        h = self.down((x + 1) / 2)
        age = None if self.age is None else torch.sigmoid(self.age(h)[:, 0].float()) * MAX_AGE
        return DiscriminatorOutput(self.real(h)[:, 0].float(), age, None, [])
