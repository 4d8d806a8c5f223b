"""Blocks that more than one family uses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.conditioning import FiLM


class GroupNorm(nn.GroupNorm):
    """GroupNorm with about eight channels a group; no batch statistics, so batch 1 behaves like batch 16.

    Autocast would turn its input into float32 and every layer after it with it; here the norm keeps the type
    it is given (its sums are accumulated in float32 all the same), which nearly halves the traffic of a step.
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
    """norm, leaky ReLU, conv, norm, FiLM, leaky ReLU, conv, plus the input: a block told by a condition vector."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = GroupNorm(outputs)
        self.film = FiLM(condition, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # starts as the identity, as in "Fixup"-like initialisations
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(F.leaky_relu(self.norm1(x), 0.1))
        h = self.conv2(F.leaky_relu(self.film(self.norm2(h), condition), 0.1))
        return torch.add(self.skip(x), h)


class BinomialBlur(nn.Module):
    """The fixed 3x3 binomial filter (1 2 1)/4 in both directions, edges replicated.

    Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019: without a low-pass, heads paint
    patterns at the sampling phase that no face has. Shape: (B, C, H, W) -> (B, C, H, W).
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
    """The basic residual block of He et al., 2016, with batch norm and an optional stride of two."""

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
    """A ReLU block gated like the cell of an LSTM: ``h <- f * h + i * relu(W h)`` with ``f = sigmoid(U h)`` and
    ``i = sigmoid(V h)``.

    ``W, U, V`` are 3x3 convolutions of maps (B, C, H, W), or matrices of vectors (B, C) where ``flat``; the gates
    decide, place by place, what is kept and what is added (Hochreiter and Schmidhuber, "Long Short-Term Memory",
    1997; forget gate: Gers et al., 2000). It opens near the identity: the bias of ``f`` starts at 2, that of ``i``
    at -1.
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
    """Every place of a map looks at every other: ``h + gamma * attention(h)``, gamma zero at first.

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
