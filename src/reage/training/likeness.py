"""An identity loss: compares two faces apart from their age, with a network that this project trained."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.data.sampling import FacePool
from reage.errors import ConfigError
from reage.training.checkpoint import read_about
from reage.training.editing import in_parts
from reage.training.teachers import read_age_net

FACES = 500
"""Faces from which mean and spread of the features are measured, at most."""
DIRECTIONS = 16
"""Directions of the features that are taken out, as those in which the head that estimates ages reads most."""


class Likeness:
    """Embeddings of faces by a trained age network, without what its age head reads.

    The features before its last layer tell people apart: of 240 validation faces, the nearest to each one mirrored,
    shifted and with other colours is the face itself for 98 in 100. Those directions in which the weights of the age
    head are largest are projected out, since an edit should change them; the rest is standardised over real faces.

    Args:
        run: the run folder of the age network; it sees faces at the size that it was trained on.
        pool: real faces, over which the features are standardised.
        device: where it computes.

    Raises:
        ConfigError: ``run`` is no run of an age network.
    """

    def __init__(self, run: Path, pool: FacePool, device: torch.device) -> None:
        self._net = read_age_net(run).to(device)
        about = read_about(run / "weights.safetensors")
        if "size" not in about:
            raise ConfigError(f"{run / 'weights.safetensors'} does not state the size of its faces")
        self._size = int(about["size"])
        weight = self._net.age.weight.detach()
        _, _, directions = torch.linalg.svd(weight, full_matrices=False)
        self._age_directions = directions[: min(DIRECTIONS, weight.shape[1] // 2)]
        self._mean, self._spread = self._statistics(pool, device)

    def _features(self, face: Tensor) -> Tensor:
        resized = F.interpolate(face, size=self._size, mode="bilinear", antialias=face.shape[-1] > self._size)
        pooled = (
            self._net.trunk(resized.contiguous(memory_format=torch.channels_last))[-1].mean((2, 3)).float()
        )
        with torch.autocast(face.device.type, enabled=False):
            blind: Tensor = pooled - pooled @ self._age_directions.T @ self._age_directions
        return blind

    @torch.no_grad()
    def _statistics(self, pool: FacePool, device: torch.device) -> tuple[Tensor, Tensor]:
        parts = in_parts(pool, pool.evenly_spaced(FACES), device)
        features = torch.cat([self._features(face) for face, _ in parts])
        return features.mean(0), features.std(0, correction=0) + 1e-6

    def embed(self, face: Tensor) -> Tensor:
        """Faces (B, 3, S, S) in [-1, 1] -> embeddings (B, C), to be compared by `losses.cosine_distance`."""
        embedding: Tensor = (self._features(face) - self._mean) / self._spread
        return embedding
