"""``delta``: the flagship generator, a small U-Net conditioned on source and target age that predicts an edit.

The edit is a change of colour, ``delta``, and a ``gain`` of the face's own fine detail. Ageing shows in wrinkles, which
are luma, and in skin and hair colour, which vary slowly over the face. So the delta is luma at full resolution plus
chroma at 1/16 of it; a free RGB delta drifts into coloured patches. The whole edit is scaled by
``1 - exp(-|target - source| / 10)``: the same age in and out is the identity by construction, and the edit grows
smoothly with the difference of ages.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.coherence import LineFilter
from reage.networks.conditioning import AgePairEmbedding
from reage.networks.layers import BinomialBlur, FiLMResBlock, GroupNorm, double

MAX_LUMA = 0.8
"""Largest change of luma, in units of an image in [-1, 1]."""
MAX_CHROMA = 0.15
"""Largest change of Cb and of Cr, in the same units."""
MAX_GAIN = 0.75
"""Largest gain, either way: at least a quarter of the face's own detail stays, or skin would look like plastic."""

FAR = (15.0, 50.0)
"""From the first number of years on an edit may be emphasised; from the second on it is so fully."""


class DeltaUNet(nn.Module):
    """A U-Net (Ronneberger et al., 2015) on pixel-unshuffled input, with FiLM in every residual block.

    Args:
        widths: channels of its three levels.
        condition: length of the embedding of ages and gender.
        emphasis: how much stronger edits over `FAR` years are made than they were learned: 0.2 is a fifth. Critics
            teach a network to hold back where it errs, which is where ages are far.
        lines: whether the change of luma of edits to older ages loses its spots and keeps its lines, by `LineFilter`.
            Edits to younger ages take spots of age away, and need theirs.
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = (48, 96, 160),
        condition: int = 128,
        emphasis: float = 0.0,
        *,
        lines: bool = False,
    ) -> None:
        super().__init__()
        self.emphasis = emphasis
        self.lines = LineFilter() if lines else None
        low, mid, deep = widths
        self.embed = AgePairEmbedding(condition)
        self.stem = nn.Conv2d(12, low, 3, padding=1)
        self.down1 = FiLMResBlock(low, low, condition)
        self.reduce1 = nn.Conv2d(low, mid, 3, 2, 1)
        self.down2 = FiLMResBlock(mid, mid, condition)
        self.reduce2 = nn.Conv2d(mid, deep, 3, 2, 1)
        self.middle = nn.ModuleList(FiLMResBlock(deep, deep, condition) for _ in range(3))
        self.up2 = FiLMResBlock(deep + mid, mid, condition)
        self.up1 = FiLMResBlock(mid + low, low, condition)
        self.chroma = nn.Sequential(
            GroupNorm(deep), nn.LeakyReLU(0.1), nn.AvgPool2d(2), nn.Conv2d(deep, 2, 1)
        )
        self.narrow = nn.Sequential(GroupNorm(low), nn.LeakyReLU(0.1), nn.Conv2d(low, 16, 1))
        self.mix = nn.Conv2d(16 + 3, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 2, 3, padding=1)
        self.blur = BinomialBlur(2)
        for layer in (self.head, self.chroma[-1]):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, face: Tensor, source: Tensor, target: Tensor, male: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the edit of ``face`` from age ``source`` to age ``target``.

        Args:
            face: (B, 3, S, S) in [-1, 1], S a multiple of 16.
            source: ages in years (B,).
            target: ages in years (B,).
            male: 1 for male, 0 for female, or a probability between (B,).

        Returns:
            The delta (B, 3, S, S), in the units of the face, and the gain (B, 1, S, S).
        """
        c = self.embed(source, target, male)
        d1 = self.down1(self.stem(F.pixel_unshuffle(face, 2)), c)  # (B, low, S/2, S/2)
        d2 = self.down2(self.reduce1(d1), c)  # (B, mid, S/4, S/4)
        h = self.reduce2(d2)  # (B, deep, S/8, S/8)
        for block in self.middle:
            h = block(h, c)
        chroma = self.chroma(h)  # (B, 2, S/16, S/16)
        h = self.up2(torch.cat([double(h), d2], 1), c)
        h = self.up1(torch.cat([double(h), d1], 1), c)
        h = self.narrow(h)
        h = torch.cat([double(h), face.to(h.dtype)], 1)  # (B, 16 + 3, S, S)
        luma, gain = self.blur(self.head(F.leaky_relu(self.mix(h), 0.1))).float().chunk(2, 1)
        years = (target - source).abs()[:, None, None, None]
        far = ((years - FAR[0]) / (FAR[1] - FAR[0])).clamp(0, 1)
        ramp = (1 - torch.exp(-years / 10.0)) * (1 + self.emphasis * far)
        for _ in range(4):
            chroma = double(chroma)  # four smooth doublings leave no facets; one bilinear step of 16 would
        luma = MAX_LUMA * torch.tanh(luma)
        if self.lines is not None:
            older = (target > source)[:, None, None, None]
            luma = torch.where(older, self.lines(luma), luma)
        delta = luma + _chroma_to_rgb(MAX_CHROMA * torch.tanh(chroma.float()))
        return ramp * delta, ramp * MAX_GAIN * torch.tanh(gain)


def _chroma_to_rgb(chroma: Tensor) -> Tensor:
    """Changes of Cb and Cr (B, 2, S, S) -> the change of RGB without luma (B, 3, S, S), by ITU-R BT.601."""
    cb, cr = chroma.chunk(2, 1)
    return torch.cat([1.402 * cr, -0.344136 * cb - 0.714136 * cr, 1.772 * cb], 1)
