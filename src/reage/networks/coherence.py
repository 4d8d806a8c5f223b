"""Keeps the lines of an edit and removes its spots, by a filter without weights.

Age shows in folds, wrinkles and contours, which run along lines. Where a generator is unsure it paints blotches, which
lead nowhere. The coherence of the structure tensor (Bigün and Granlund, "Optimal Orientation Detection of Linear
Symmetry", 1987; Weickert, "Coherence-Enhancing Diffusion Filtering", 1999) tells the two apart: it is 1 where all
gradients around a place point along one axis, and 0 where they point everywhere. It is measured in each band of a
Laplacian pyramid (Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", 1983).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.layers import double

LEVELS = 4
"""Bands of the pyramid. What is broader, more than about a sixteenth of the side, is left as it is: tone and shape."""
COHERENT = (0.3, 0.8)
"""Up to the first coherence nothing of a band is kept, from the second on all of it."""
_AROUND = 3
"""Blurs of the structure tensor; three are a Gaussian of 1.7 pixels of the band."""
_TINY = 1e-6
"""Energy of gradients below which nothing is a line, in squared units of the map."""


class LineFilter(nn.Module):
    """Removes spots from maps and keeps lines: (B, 1, S, S) -> (B, 1, S, S), S a multiple of 16.

    The finest band, which holds pores and noise of one or two pixels, is not filtered.
    """

    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        bands = []
        for _ in range(LEVELS):
            lower = F.avg_pool2d(self._blur(maps), 2)
            bands.append(maps - double(lower))
            maps = lower
        for band in reversed(bands[1:]):
            maps = band * self._kept(band) + double(maps)
        return bands[0] + double(maps)

    def _kept(self, band: Tensor) -> Tensor:
        """The part of ``band`` (B, 1, h, w) that is kept, at each place: (B, 1, h, w) in [0, 1]."""
        padded = F.pad(band, (1, 1, 1, 1), mode="replicate")
        across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
        down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
        tensor = torch.cat([across * across, down * down, across * down], 1)
        for _ in range(_AROUND):
            tensor = self._blur(tensor)
        # In units of _TINY, since the export to ONNX leaves out the addition of a number as small as its square.
        horizontal, vertical, mixed = (tensor / _TINY).chunk(3, 1)
        difference = ((horizontal - vertical) ** 2 + 4 * mixed**2 + 1).sqrt() - 1
        coherence = difference / (horizontal + vertical + 1)
        low, high = COHERENT
        return ((coherence - low) / (high - low)).clamp(0, 1)

    def _blur(self, maps: Tensor) -> Tensor:
        channels = maps.shape[1]
        taps = self.taps.to(maps.dtype).expand(channels, 1, 5)
        maps = F.conv2d(F.pad(maps, (0, 0, 2, 2), mode="replicate"), taps[..., None], groups=channels)
        return F.conv2d(F.pad(maps, (2, 2, 0, 0), mode="replicate"), taps[:, :, None], groups=channels)
