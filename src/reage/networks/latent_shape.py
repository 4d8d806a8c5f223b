"""What the networks of ``latent-cgan`` have in common, in either form: their shape, and what D says of faces."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

BOTTOM = 4
"""Side of the smallest maps in pixels."""


@dataclass(frozen=True)
class LatentShape:
    """What the four networks of one model have in common."""

    size: int = 64
    """Side of the faces in pixels: 32, 64, 128 or 256."""
    width: int = 64
    """Channels of the finest maps."""
    latent: int = 256
    """Length of the latent vector."""
    age: int = 64
    """Length of the embedded age."""
    conditional: bool = True
    """Whether the model knows ages at all."""
    gated_generator: bool = False
    """Gated ReLU blocks in G."""
    gated_others: bool = False
    """Gated ReLU blocks in E, A and D."""
    skips: bool = False
    """U-Net skips from E to G."""
    attention: bool = False
    """Self-attention in E, G and D."""
    film: bool = False
    """The age modulates every level of G, beside the latent."""
    prior: bool = False
    """E's latent is in [-1, 1], and a second discriminator compares it with a uniform prior."""
    original: bool = False
    """The networks of the founding project; width, skips, attention, film and age_distribution then have no meaning."""
    age_distribution: bool = False
    """Ages as distributions: radial basis functions in A, logits over years in D."""

    @property
    def widths(self) -> list[int]:
        """Channels of the maps from half the side of the face down to `BOTTOM`."""
        levels = (self.size // BOTTOM).bit_length() - 1
        return [self.width * min(2**level, 8) for level in range(levels)]


@dataclass
class DiscriminatorOutput:
    """What the discriminator says of a batch of faces."""

    real: Tensor
    """Logits of being real (B,)."""
    age: Tensor | None
    """The age in years (B,); None where the model is not conditional."""
    age_logits: Tensor | None
    """Logits (B, 101) of the ages 0 to 100; None unless ``age_distribution`` is set."""
    maps: list[Tensor]
    """Its feature maps (B, C, h, w), finest first."""
