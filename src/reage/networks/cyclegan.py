"""The ResNet generator of CycleGAN: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", 2017, after Johnson et al., 2016."""

from __future__ import annotations

from torch import Tensor, nn


def _norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


class _ResBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), _norm(channels), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), _norm(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class ResNetGenerator(nn.Module):
    """c7s1, two strided convolutions, ``blocks`` residual blocks, two transposed ones, c7s1 and tanh.

    Shape: (B, 3, S, S) in [-1, 1] -> the same, S a multiple of 4.
    """

    def __init__(self, width: int = 32, blocks: int = 9) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), _norm(width), nn.ReLU()]
        for scale in (1, 2):
            layers += [
                nn.Conv2d(width * scale, width * scale * 2, 3, 2, 1), _norm(width * scale * 2), nn.ReLU(),
            ]  # fmt: skip
        layers += [_ResBlock(width * 4) for _ in range(blocks)]
        for scale in (4, 2):
            layers += [
                nn.ConvTranspose2d(width * scale, width * scale // 2, 3, 2, 1, output_padding=1),
                _norm(width * scale // 2), nn.ReLU(),
            ]  # fmt: skip
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out
