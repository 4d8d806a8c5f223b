"""Layers and blocks that several families use."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.conditioning import FiLM


class GroupNorm(nn.GroupNorm):
    """Group norm with about eight channels a group. It has no batch statistics: a face is treated alike in any batch.

    Autocast would convert its input, and so every layer after it, to float32. This one keeps the type it is given,
    though its sums are accumulated in float32, which nearly halves the memory traffic of a step.
    """

    def __init__(self, channels: int) -> None:
        groups = max(1, channels // 8)
        while channels % groups:
            groups -= 1
        super().__init__(groups, channels)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.group_norm(x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class FiLMResBlock(nn.Module):
    """A residual block modulated by a condition vector; starts as the identity where widths are equal.

    norm, leaky ReLU, conv, norm, FiLM, leaky ReLU, conv, plus the input. Shapes: (B, ``inputs``, H, W) and condition
    (B, ``condition``) -> (B, ``outputs``, H, W).
    """

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = GroupNorm(outputs)
        self.film = FiLM(condition, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # as in Zhang et al., "Fixup Initialization", 2019
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(F.leaky_relu(self.norm1(x), 0.1))
        h = self.conv2(F.leaky_relu(self.film(self.norm2(h), condition), 0.1))
        return torch.add(self.skip(x), h)


def double(maps: Tensor) -> Tensor:
    """Maps (B, C, H, W) enlarged bilinearly to (B, C, 2 H, 2 W)."""
    return F.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


class BinomialBlur(nn.Module):
    """The fixed 3x3 binomial filter (1 2 1)/4 in both directions, edges replicated.

    Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019: without a low-pass filter, heads paint regular
    patterns of the sampling grid, which no face has. Shape: (B, C, H, W) -> (B, C, H, W).
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer(
            "kernel", (row[:, None] * row).expand(channels, 1, 3, 3).clone(), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv2d(padded, self.kernel.to(x.dtype), groups=x.shape[1])


class BNResBlock(nn.Module):
    """The basic residual block of He et al., "Deep Residual Learning", 2016, with batch norm.

    Shape: (B, ``inputs``, H, W) -> (B, ``outputs``, H / ``stride``, W / ``stride``).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(
                pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(h)) + self.shortcut(x))


class GatedReLU(nn.Module):
    """A ReLU block gated like the cell of an LSTM: ``h <- f * h + i * relu(W h)``.

    The gates ``f = sigmoid(U h)`` and ``i = sigmoid(V h)`` decide, place by place, what is kept and what is added
    (Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; the forget gate: Gers et al., 2000). ``W``, ``U`` and
    ``V`` are 3x3 convolutions of maps (B, C, H, W), or with ``flat`` matrices applied to vectors (B, C). It starts near
    the identity: the bias of ``f`` is 2 and that of ``i`` -1.
    """

    def __init__(self, channels: int, *, flat: bool = False) -> None:
        super().__init__()
        self.weigh: nn.Module = (
            nn.Linear(channels, 3 * channels) if flat else nn.Conv2d(channels, 3 * channels, 3, padding=1)
        )
        with torch.no_grad():
            update, forget, admit = self.weigh.bias.chunk(3)  # type: ignore[union-attr]
            update.zero_()
            forget.fill_(2.0)
            admit.fill_(-1.0)

    def forward(self, h: Tensor) -> Tensor:
        update, forget, admit = self.weigh(h).chunk(3, 1)
        out: Tensor = torch.sigmoid(forget) * h + torch.sigmoid(admit) * F.relu(update)
        return out


class SelfAttention(nn.Module):
    """Self-attention between all places of a map: ``h + gamma * attention(h)``, where gamma starts at zero.

    Zhang et al., "Self-Attention Generative Adversarial Networks", 2019. Shape: (B, C, H, W) -> the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.keys = max(1, channels // 8)
        self.project = nn.Conv2d(channels, 2 * self.keys + channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        sizes = [self.keys, self.keys, h.shape[1]]
        query, key, value = self.project(h).flatten(2).transpose(1, 2).split(sizes, 2)  # (B, H W, C)
        # Written out: torch's exporter to ONNX cannot translate scaled_dot_product_attention of a free batch size.
        seen = torch.softmax(query @ key.transpose(1, 2) * self.keys**-0.5, 2) @ value
        out: Tensor = h + self.gamma * seen.transpose(1, 2).reshape(h.shape)
        return out
