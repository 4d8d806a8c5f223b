"""The settings of the family ``latent-cgan``, and the shape of its networks that follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from reage.networks.latent_shape import LatentShape
from reage.training.config import Betas, Settings


class LatentOptions(Settings):
    """Settings of the age-conditioned GAN. The defaults are those of the improved model.

    Version 1.0 is ``conditional: false``; 1.1 is ``conditional: true`` with ``gated_blocks: none``; 2.1 has
    ``gated_blocks: generator``, and 2.2 ``gated_blocks: all``.
    """

    conditional: bool = Field(
        True,
        description="Whether the model knows ages; without, it is a classic GAN that reconstructs faces.",
    )
    gated_blocks: Literal["none", "generator", "all"] = Field(
        "none", description="Which networks have ReLU blocks gated like an LSTM cell: none, G, or all four."
    )
    original: bool = Field(
        False,
        description="The networks and losses of the founding project: set skips, attention, film and age_distribution "
        "to false, and further losses to 0; width has no meaning.",
    )
    width: int = Field(64, ge=8, le=4096, description="Channels of the finest maps.")
    latent: int = Field(256, ge=1, le=65536, description="Length of the latent vector.")
    age_embedding: int = Field(64, ge=1, le=65536, description="Length of the embedded age.")
    skips: bool = Field(True, description="U-Net skips from the encoder to the generator.")
    attention: bool = Field(True, description="Self-attention on the maps of 16 x 16.")
    film: bool = Field(
        True, description="FiLM: the age modulates every level of the generator, beside the latent."
    )
    age_distribution: bool = Field(
        True, description="Ages as soft distributions over years beside the number, in A and in D."
    )
    adversarial: float = Field(1.0, ge=0, description="Weight of the generator's adversarial loss.")
    age: float = Field(
        10.0, ge=0, description="Weight of the age loss, of the generator and the discriminator."
    )
    reconstruction: float = Field(
        10.0, ge=0, description="Weight of the L1 distance between the source and its reconstruction."
    )
    reconstruct: Literal["cycle", "same"] = Field(
        "cycle",
        description="How it is reconstructed: after the cycle to the target age and back, or at its own age at once.",
    )
    prior: float = Field(
        0.0,
        ge=0,
        description="Weight of the prior on the latent: uniform in [-1, 1], by a discriminator of its own, as in CAAE.",
    )
    total_variation: float = Field(
        0.0, ge=0, description="Weight of the differences of neighbouring pixels in what is painted."
    )
    identity: float = Field(
        1.0,
        ge=0,
        description="Weight of the identity loss: the latent and the discriminator's maps must stay close.",
    )
    embedding: float = Field(
        0.0,
        ge=0,
        description="Weight of a second identity loss: what another network sees of the person must stay close.",
    )
    embedder: Path = Field(
        Path("weights/age"),
        description="Run folder of the age network whose features, but for those that tell the age, are embeddings.",
    )
    generator_rate: float = Field(2e-4, gt=0, description="Peak learning rate of E, A and G (Adam).")
    discriminator_rate: float = Field(2e-4, gt=0, description="Peak learning rate of D (Adam).")
    betas: Betas = Field((0.5, 0.999), description="Decay rates of Adam's moments.")
    r1: float = Field(0.0, ge=0, description="Weight of the discriminator's R1 gradient penalty.")

    @model_validator(mode="after")
    def _original_has_none_of_the_improvements(self) -> LatentOptions:
        improvements = (
            "skips", "attention", "film", "age_distribution", "identity", "embedding", "prior", "total_variation", "r1",
        )  # fmt: skip
        present = [name for name in improvements if getattr(self, name)]
        if self.original and present:
            raise ValueError(f"with original: true there are no {', '.join(present)}; set them to false or 0")
        return self


def latent_shape(options: LatentOptions, size: int) -> LatentShape:
    """The shape of the networks of a run with these options, for faces of ``size`` px."""
    return LatentShape(
        size=size,
        width=options.width,
        latent=options.latent,
        age=options.age_embedding,
        prior=options.prior > 0,
        original=options.original,
        conditional=options.conditional,
        gated_generator=options.gated_blocks != "none",
        gated_others=options.gated_blocks == "all",
        skips=options.skips,
        attention=options.attention,
        film=options.film,
        age_distribution=options.age_distribution,
    )
