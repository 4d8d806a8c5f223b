"""``latent-cgan``: the age-conditioned GAN that the project began with, in its four versions, and improved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.ages import MAX_AGE
from reage.data.sampling import Shard, step_rng
from reage.errors import ConfigError
from reage.networks.latent_cgan import AgeingModel, build_networks
from reage.networks.latent_shape import DiscriminatorOutput
from reage.training import losses
from reage.training.config import TrainSettings, validate
from reage.training.families.base import CHUNK, CPU, Batch, Compute, EditingFamily, Exported, Networks
from reage.training.families.latent_options import LatentOptions, latent_shape
from reage.training.likeness import Likeness
from reage.training.updater import Objective

CRITICS = ("discriminator", "latent_discriminator")
"""Networks that only train the others."""


class LatentFamily(EditingFamily):
    """In a step E, A and G learn first, together; D then learns from the same fakes.

    Their losses: adversarial, the age that D estimates, reconstruction (after the cycle through the target age and back
    to the source age, or in one pass), and identity. Those of D: adversarial, and the age of real faces. With a prior
    on the latent, a discriminator Z of latents learns last.
    """

    letters = {  # noqa: RUF012
        "encoder": "E", "age_embedding": "A", "generator": "G", "discriminator": "D", "latent_discriminator": "Z",
    }  # fmt: skip
    console = {  # noqa: RUF012
        "D_loss": ("D/loss",), "G_loss": ("G/loss",), "Adv(D/G)": ("D/adversarial", "G/adversarial"),
        "Age(D/G)": ("D/age", "G/age"), "Rec": ("G/reconstruction",), "Prior(Z/G)": ("Z/loss", "G/prior"),
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
        generators = [name for name in self.networks if name not in CRITICS]
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
        if options.prior:
            self.objectives.append(
                Objective(
                    "Z", ["latent_discriminator"], self._prior_loss, options.discriminator_rate, options.betas
                )
            )

    def draw(self, step: int, shard: Shard) -> _Step:
        rng, count = step_rng(self.settings.seed, step), self.settings.batch * shard.count
        chosen, mirrored = self._pool.choose(count, rng)
        low, high = self.settings.data.ages
        target = rng.uniform(low, high, count).astype("float32")
        prior = np.zeros((count, 0), np.float32)
        if self.options.prior:
            prior = rng.uniform(-1, 1, (count, self.options.latent)).astype(np.float32)
        faces = self._pool.take(shard.slice(chosen), shard.slice(mirrored), masks=False)
        parts = (torch.from_numpy(shard.slice(part)).to(self.device) for part in (target, prior))
        return _Step(Batch(faces, self.device), *parts)

    def _encode(self, networks: Networks, face: Tensor) -> _Code:
        with self.autocast():
            return _Code(*networks["encoder"](face))

    def _paint(self, networks: Networks, code: _Code, age: Tensor) -> Tensor:
        """Paint the faces of ``code`` at ``age`` (B,) in years: (B, 3, S, S)."""
        with self.autocast():
            embedded = networks["age_embedding"](age) if self.options.conditional else None
            painted: Tensor = networks["generator"](code.latent, embedded, code.maps)
        return painted

    def repaint(self, networks: Networks, batch: Batch, target: Tensor) -> Tensor:
        return self._paint(networks, self._encode(networks, batch.face), target)

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
        options, source, networks = self.options, drawn.source, self.networks
        code = self._encode(networks, source.face)
        fake = self._paint(networks, code, drawn.target)
        drawn.fake, drawn.latent = fake.detach(), code.latent.detach().float()
        output = self._discriminate(fake)
        parts = {"adversarial": losses.nonsaturating_loss(output.real)}
        again, reconstructed = None, fake
        if options.conditional:
            parts["age"] = self._age_loss(output, drawn.target)
            again = self._encode(networks, fake) if options.reconstruct == "cycle" else None
            reconstructed = self._paint(networks, again or code, source.age)
        parts["reconstruction"] = self._reconstruction_loss(reconstructed, source.face)
        if options.prior:
            parts["prior"] = losses.nonsaturating_loss(self._judge_latent(code.latent))
        if options.total_variation:
            parts["total_variation"] = losses.total_variation(fake)
        if options.identity:
            parts["identity"] = self._identity_loss(output, source.face)
            if again is not None:
                distance = losses.cosine_distance(again.latent, code.latent.detach())
                parts["identity"] = parts["identity"] + distance
        if self._likeness is not None:
            parts["embedding"] = self._embedding_loss(self._likeness, fake, source.face)
        total = torch.stack([getattr(options, name) * value for name, value in parts.items()]).sum()
        return total, parts

    def _identity_loss(self, output: DiscriminatorOutput, face: Tensor) -> Tensor:
        """How far what the discriminator saw of painted faces, ``output``, is from what it sees of ``face``."""
        with torch.no_grad():
            real_maps = self._discriminate(face).maps
        return losses.feature_matching_loss(output.maps, real_maps)

    def _judge_latent(self, latent: Tensor) -> Tensor:
        with self.autocast():
            logits: Tensor = self.networks["latent_discriminator"](latent)
        return logits

    def _prior_loss(self, drawn: _Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        drawn_from_prior, made = self._judge_latent(drawn.prior), self._judge_latent(drawn.latent)
        return losses.logistic_loss(drawn_from_prior, real=True) + losses.logistic_loss(made, real=False), {}

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
            "discriminator": (face,), "latent_discriminator": (latent,),
        }  # fmt: skip
        return {name: inputs[name] for name in self.networks}

    @classmethod
    def exported(cls, settings: TrainSettings, size: int) -> Exported:
        options = validate(LatentOptions, settings.options, "options")
        built = build_networks(latent_shape(options, size))
        networks = {name: net for name, net in built.items() if name not in CRITICS}
        return Exported(
            networks=networks,
            graphs={"any": AgeingModel(networks)},
            inputs=["face", "target_age"],
            outputs=["image"],
            source_ages=(0, MAX_AGE),
            target_ages=settings.data.ages,
            teachers=["reage age network (a run of the family age)"] if options.embedding else [],
        )


@dataclass
class _Step:
    """What was drawn for a step, and the fakes that were made of it."""

    source: Batch
    target: Tensor
    """Ages to generate the faces at (B,), in years."""
    prior: Tensor
    """Latents drawn from the prior (B, L); (B, 0) where there is none."""
    fake: Tensor = field(init=False)
    """The generated faces, detached; set by the generator's loss."""
    latent: Tensor = field(init=False)
    """The latents of the source (B, L), detached; set by the generator's loss."""


class _Code(NamedTuple):
    """What E makes of faces."""

    latent: Tensor
    """(B, L)"""
    maps: list[Tensor]
    """For the skips: (B, C, h, w), finest first."""
