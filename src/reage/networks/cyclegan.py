"""``cyclegan``: the ResNet generator, the PatchGAN discriminator and the replay buffer.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", 2017; the generator
after Johnson et al., 2016, the discriminator after Isola et al., 2017.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["instance", "batch"]


def _norm(kind: Norm, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels, affine=True)


class _ResBlock(nn.Module):
    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), _norm(norm, channels), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), _norm(norm, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class ResNetGenerator(nn.Module):
    """A 7x7 convolution, two strided ones, ``blocks`` residual blocks, two transposed convolutions, 7x7 and tanh.

    ``width`` is the number of channels after the first layer. Shape: (B, 3, S, S) in [-1, 1] -> the same; S must be a
    multiple of 4.
    """

    def __init__(self, width: int = 32, blocks: int = 9, norm: Norm = "instance") -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), _norm(norm, width), nn.ReLU(),
        ]  # fmt: skip
        for scale in (1, 2):
            layers += [
                nn.Conv2d(width * scale, width * scale * 2, 3, 2, 1), _norm(norm, width * scale * 2), nn.ReLU(),
            ]  # fmt: skip
        layers += [_ResBlock(width * 4, norm) for _ in range(blocks)]
        for scale in (4, 2):
            layers += [
                nn.ConvTranspose2d(width * scale, width * scale // 2, 3, 2, 1, output_padding=1),
                _norm(norm, width * scale // 2), nn.ReLU(),
            ]  # fmt: skip
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layers(x).float())


class PatchDiscriminator(nn.Module):
    """Faces (B, 3, S, S) in [-1, 1] -> logits of overlapping patches (B, 1, h, w), each seeing 70 px of the face.

    With ``norm="batch"`` only the first norm is a batch norm and the others are instance norms, as in the aging-gan
    project, whose checkpoints are read into this network. ``spectral`` bounds the gain of every layer (Miyato et al.,
    "Spectral Normalization for Generative Adversarial Networks", 2018), which makes it harder for the discriminator
    to memorise the training faces.
    """

    def __init__(self, width: int = 32, norm: Norm = "instance", *, spectral: bool = False) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, stride: int) -> nn.Module:
            layer = nn.Conv2d(inputs, outputs, 4, stride, 1)
            return spectral_norm(layer) if spectral else layer

        def instance(channels: int) -> nn.Module:
            return nn.InstanceNorm2d(channels)

        self.layers = nn.Sequential(
            conv(3, width, 2), nn.LeakyReLU(0.2),
            conv(width, 2 * width, 2),
            nn.BatchNorm2d(2 * width) if norm == "batch" else instance(2 * width), nn.LeakyReLU(0.2),
            conv(2 * width, 4 * width, 2), instance(4 * width), nn.LeakyReLU(0.2),
            conv(4 * width, 8 * width, 1), instance(8 * width), nn.LeakyReLU(0.2),
            conv(8 * width, 1, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x).float()
        return out


class ReplayBuffer(nn.Module):
    """Keeps some past fakes to show to the discriminator again, so that it does not forget them.

    Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", 2017. It is a
    module without parameters, so that a checkpoint holds its ``stored`` fakes (N, *shape) and how many are ``filled``.
    ``shape`` is that of one fake: (3, S, S), say.
    """

    stored: Tensor
    filled: Tensor

    def __init__(self, capacity: int, *shape: int) -> None:
        super().__init__()
        self.register_buffer("stored", torch.zeros(capacity, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def exchange(self, fakes: Tensor, coins: Tensor) -> Tensor:
        """Returns ``fakes`` (B, *shape) with some of them exchanged for earlier ones.

        Until the buffer is full, all are kept in it and returned. Then each is exchanged, with probability 0.5, for one
        from a random place. The random numbers ``coins`` (B, 2) in [0, 1) decide: whether, and which.
        """
        capacity, out = len(self.stored), fakes.clone()
        for i, (swap, place) in enumerate(coins.tolist()):
            filled = int(self.filled)
            if filled < capacity:
                self.stored[filled] = fakes[i]
                self.filled += 1
            elif swap < 0.5:
                chosen = int(place * capacity)
                out[i] = self.stored[chosen]
                self.stored[chosen] = fakes[i]
        return out
