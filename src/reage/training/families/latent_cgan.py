"""``latent-cgan``: the age-conditioned GAN that the project began with, in its four versions, and improved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from reage.ages import MAX_AGE
from reage.data.sampling import Shard, step_rng
from reage.errors import ConfigError
from reage.networks.latent_cgan import AgeingModel, build_networks
from reage.networks.latent_shape import DiscriminatorOutput, LatentShape
from reage.training import losses
from reage.training.config import Betas, Settings, TrainSettings, validate
from reage.training.families.base import CHUNK, CPU, Batch, Compute, EditingFamily, Exported, Networks
from reage.training.likeness import Likeness
from reage.training.updater import Objective


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
        "to false, identity and r1 to 0; width has no meaning.",
    )
    width: int = Field(64, ge=8, description="Channels of the finest maps.")
    latent: int = Field(256, ge=1, description="Length of the latent vector.")
    age_embedding: int = Field(64, ge=1, description="Length of the embedded age.")
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
        10.0, ge=0, description="Weight of the L1 to the source after the cycle: to the target age and back."
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
        improvements = ("skips", "attention", "film", "age_distribution", "identity", "embedding", "r1")
        present = [name for name in improvements if getattr(self, name)]
        if self.original and present:
            raise ValueError(f"with original: true there are no {', '.join(present)}; set them to false or 0")
        return self


class LatentFamily(EditingFamily):
    """In a step E, A and G learn first, together; D then learns from the same fakes.

    Their losses: adversarial, the age that D estimates, reconstruction after the cycle through the target age and back
    to the source age, and identity. Those of D: adversarial, and the age of real faces.
    """

    letters = {"encoder": "E", "age_embedding": "A", "generator": "G", "discriminator": "D"}  # noqa: RUF012
    console = {  # noqa: RUF012
        "D_loss": ("D/loss",), "G_loss": ("G/loss",), "Adv(D/G)": ("D/adversarial", "G/adversarial"),
        "Age(D/G)": ("D/age", "G/age"), "Rec": ("G/reconstruction",),
    }  # fmt: skip
    best_by = "reconstruction"
    gender = False
    options_type = LatentOptions
    options: LatentOptions

    def __init__(self, settings: TrainSettings, compute: Compute = CPU) -> None:
        super().__init__(settings, compute)
        self.options = options = validate(LatentOptions, settings.options, "options")
        if self.size & (self.size - 1) or self.size < 32:
            raise ConfigError(f"{settings.data.cache}: latent-cgan takes faces of 32, 64, 128 or 256 px")
        self.networks = build_networks(latent_shape(options, self.size))
        generators = [name for name in self.networks if name != "discriminator"]
        self.averaged = tuple(generators)
        self._pool = self.pool()
        self._likeness: Likeness | None = None
        if options.embedding:
            self._likeness = Likeness(options.embedder, self._pool, self.device)
        self.objectives = [
            Objective("G", generators, self._generator_loss, options.generator_rate, options.betas),
            Objective(
                "D", ["discriminator"], self._discriminator_loss, options.discriminator_rate, options.betas
            ),
        ]

    def draw(self, step: int, shard: Shard) -> _Step:
        rng, count = step_rng(self.settings.seed, step), self.settings.batch * shard.count
        chosen, mirrored = self._pool.choose(count, rng)
        low, high = self.settings.data.ages
        target = rng.uniform(low, high, count).astype("float32")
        faces = self._pool.take(shard.slice(chosen), shard.slice(mirrored), masks=False)
        return _Step(Batch(faces, self.device), torch.from_numpy(shard.slice(target)).to(self.device))

    def _generate(self, networks: Networks, face: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
        """Generate ``face`` (B, 3, S, S) at ``age`` (B,) in years; returns it and the latent (B, L) of ``face``."""
        with self.autocast():
            latent, maps = networks["encoder"](face)
            embedded = networks["age_embedding"](age) if self.options.conditional else None
            painted: Tensor = networks["generator"](latent, embedded, maps)
        return painted, latent.float()

    def repaint(self, networks: Networks, batch: Batch, target: Tensor) -> Tensor:
        return self._generate(networks, batch.face, target)[0]

    def _discriminate(self, face: Tensor) -> DiscriminatorOutput:
        with self.autocast():
            output: DiscriminatorOutput = self.networks["discriminator"](face)
        return output

    def _age_loss(self, output: DiscriminatorOutput, age: Tensor) -> Tensor:
        """``mean |age - target| / MAX_AGE``, plus a soft cross entropy where ages are distributions, too.

        That of the founding project is ``mean ((age - target) / MAX_AGE)^2``.
        """
        assert output.age is not None
        error = (output.age - age) / MAX_AGE
        if self.options.original:
            return error.square().mean()
        loss = error.abs().mean()
        if output.age_logits is not None:
            loss = loss + 0.05 * losses.soft_age_cross_entropy(output.age_logits, age)
        return loss

    def _reconstruction_loss(self, painted: Tensor, face: Tensor) -> Tensor:
        """Mean L1 distance; that of the founding project is of pixels in [0, 1], which halves it."""
        return F.l1_loss(painted, face) * (0.5 if self.options.original else 1)

    def _generator_loss(self, drawn: _Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        options, source = self.options, drawn.source
        fake, latent = self._generate(self.networks, source.face, drawn.target)
        drawn.fake = fake.detach()
        output = self._discriminate(fake)
        parts = {"adversarial": losses.nonsaturating_loss(output.real)}
        again: Tensor | None = None
        if options.conditional:
            parts["age"] = self._age_loss(output, drawn.target)
            cycled, again = self._generate(self.networks, fake, source.age)
            parts["reconstruction"] = self._reconstruction_loss(cycled, source.face)
        else:
            parts["reconstruction"] = self._reconstruction_loss(fake, source.face)
        if options.identity:
            with torch.no_grad():
                real_maps = self._discriminate(source.face).maps
            parts["identity"] = losses.feature_matching_loss(output.maps, real_maps)
            if again is not None:
                parts["identity"] = parts["identity"] + losses.cosine_distance(again, latent.detach())
        if self._likeness is not None:
            parts["embedding"] = self._embedding_loss(self._likeness, fake, source.face)
        total = torch.stack([getattr(options, name) * value for name, value in parts.items()]).sum()
        return total, parts

    def _embedding_loss(self, likeness: Likeness, fake: Tensor, face: Tensor) -> Tensor:
        with self.autocast():
            with torch.no_grad():
                wanted = likeness.embed(face)
            embedded = likeness.embed(fake)
        return losses.cosine_distance(embedded, wanted)

    def _discriminator_loss(self, drawn: _Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        options, source = self.options, drawn.source
        face = source.face.detach().requires_grad_() if options.r1 else source.face
        real, fake = self._discriminate(face), self._discriminate(drawn.fake)
        adversarial = losses.logistic_loss(real.real, real=True) + losses.logistic_loss(fake.real, real=False)
        figures = {"adversarial": adversarial}
        total = adversarial
        if options.conditional:
            figures["age"] = self._age_loss(real, source.age)
            total = total + options.age * figures["age"]
        if options.r1:
            total = total + 0.5 * options.r1 * losses.r1_penalty(real.real, face)
        return total, figures

    @torch.no_grad()
    def validate(self, networks: Networks, split: str) -> dict[str, float]:
        """Losses on fixed faces: reconstruction at the source age; age and adversarial loss at 50 years."""
        pool = self.pool(split)
        chosen = pool.evenly_spaced(64)
        sums: dict[str, Tensor] = {}
        for start in range(0, len(chosen), CHUNK):
            batch = self.batch(pool, chosen[start : start + CHUNK])
            for name, value in self._validation_losses(networks, batch).items():
                sums[name] = sums.get(name, 0) + value * len(batch)
        return {name: round(float(value) / len(chosen), 5) for name, value in sums.items()}

    def _validation_losses(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        same = self.repaint(networks, batch, batch.age)
        figures = {"reconstruction": self._reconstruction_loss(same, batch.face)}
        target = torch.full_like(batch.age, 50)
        with self.autocast():
            output = networks["discriminator"](self.repaint(networks, batch, target))
        figures["adversarial"] = losses.nonsaturating_loss(output.real)
        if self.options.conditional:
            figures["age"] = self._age_loss(output, target)
        return figures

    def examples(self) -> dict[str, tuple[Any, ...]]:
        face, age = torch.zeros(1, 3, self.size, self.size), torch.full((1,), 40.0)
        with torch.no_grad():
            latent, maps = self.networks["encoder"](face)
            embedded = self.networks["age_embedding"](age) if self.options.conditional else None
        inputs: dict[str, tuple[Any, ...]] = {
            "encoder": (face,), "age_embedding": (age,), "generator": (latent, embedded, maps),
            "discriminator": (face,),
        }  # fmt: skip
        return {name: inputs[name] for name in self.networks}

    @classmethod
    def exported(cls, settings: TrainSettings, size: int) -> Exported:
        options = validate(LatentOptions, settings.options, "options")
        networks = build_networks(latent_shape(options, size))
        del networks["discriminator"]
        return Exported(
            networks=networks,
            graphs={"any": AgeingModel(networks)},
            inputs=["face", "target_age"],
            outputs=["image"],
            source_ages=(0, MAX_AGE),
            target_ages=settings.data.ages,
        )


@dataclass
class _Step:
    """What was drawn for a step, and the fakes that were made of it."""

    source: Batch
    target: Tensor
    """Ages to generate the faces at (B,), in years."""
    fake: Tensor = field(init=False)
    """The generated faces, detached; set by the generator's loss."""


def latent_shape(options: LatentOptions, size: int) -> LatentShape:
    """The shape of the networks of a run with these options, for faces of ``size`` px."""
    return LatentShape(
        size=size,
        width=options.width,
        latent=options.latent,
        age=options.age_embedding,
        original=options.original,
        conditional=options.conditional,
        gated_generator=options.gated_blocks != "none",
        gated_others=options.gated_blocks == "all",
        skips=options.skips,
        attention=options.attention,
        film=options.film,
        age_distribution=options.age_distribution,
    )
