"""``delta``: the flagship. A U-Net that predicts an edit, against a critic grown from the age network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from reage.data.augment import random_affine, random_translate
from reage.data.cache import open_cache
from reage.data.sampling import FacePool, Faces, step_rng
from reage.errors import ConfigError
from reage.networks.age_net import AgeNet, expected_age
from reage.networks.critics import AgeTrunkCritic
from reage.networks.delta_unet import DeltaUNet
from reage.photo.compositing import DETAIL_SIGMA
from reage.training import losses
from reage.training.checkpoint import load_weights
from reage.training.config import Settings, TrainSettings, validate
from reage.training.editing import apply_edit, gaussian_blur, to_tensor, to_uint8
from reage.training.families.base import Autocast, Exported, Family, Player, Sheet

SHEET_AGES = (20.0, 35.0, 50.0, 65.0, 80.0)
TONE_SIGMA = 0.03
"""Blur that leaves smears and tone of a change and takes away lines, in parts of the side."""


class DeltaOptions(Settings):
    """Settings of the flagship."""

    teacher: Path = Field(Path("runs/age"), description="Run folder of the trained age network.")
    widths: tuple[int, int, int] = Field((48, 96, 160), description="Channels of the U-Net's three levels.")
    targets: tuple[float, float] = Field((16, 85), description="Youngest and oldest target age, in years.")
    generator_rate: float = Field(7e-5, gt=0, description="Peak learning rate of the generator.")
    critic_rate: float = Field(4e-4, gt=0, description="Peak learning rate of the critic.")
    head_start: int = Field(
        150, ge=0, description="Steps in which the critic alone learns: which face fits which age."
    )
    realism: float = Field(
        1.0, ge=0, description="Weight of the critic's verdict on places: real or painted."
    )
    match: float = Field(
        0.5, ge=0, description="Weight of its verdict on the face: of that age and gender or not."
    )
    age: float = Field(0.12, ge=0, description="Weight of the age loss: a nudge, the critic must lead.")
    change: float = Field(3.0, ge=0, description="Weight of the mean change, heavier for small age gaps.")
    tone: float = Field(
        30.0, ge=0, description="Weight of the mean squared change of broad areas: smears, not lines."
    )
    gain: float = Field(0.05, ge=0, description="Weight of the mean squared detail gain.")
    smooth: float = Field(0.1, ge=0, description="Weight of the total variation of the delta.")
    mismatch: float = Field(0.3, ge=0, description="Weight of real faces shown with a wrong age or gender.")
    r1: float = Field(0.05, ge=0, description="Weight of the critic's gradient penalty.")
    r1_every: int = Field(16, ge=1, description="Steps between gradient penalties.")
    translate: float = Field(0.06, ge=0, le=0.25, description="Largest shift of what the critic sees.")


class DeltaFamily(Family):
    """The generator moves first; the critic then judges the same edits, detached."""

    options_type = DeltaOptions
    averaged = ("generator",)

    def __init__(self, settings: TrainSettings, autocast: Autocast) -> None:
        super().__init__(settings, autocast)
        self.options = options = validate(DeltaOptions, settings.options, "options")
        self.teacher = read_teacher(options.teacher)
        widths = self.teacher.trunk.widths
        self.networks = {"generator": DeltaUNet(options.widths), "critic": AgeTrunkCritic(widths)}
        self.networks["critic"].trunk.load_state_dict(self.teacher.trunk.state_dict())  # type: ignore[union-attr]
        data, cache = settings.data, open_cache(settings.data.cache, in_memory=True)
        if cache.size % 16:
            raise ConfigError(f"{data.cache}: faces of {cache.size} px; the U-Net needs a multiple of 16")
        self.detail_sigma = DETAIL_SIGMA * cache.size
        self._pool = FacePool(
            cache, ages=data.ages, min_sharpness=data.min_sharpness, evenness=data.evenness, colour_only=True
        )
        self._val = FacePool(
            cache, split="val", ages=data.ages, min_sharpness=data.min_sharpness, colour_only=True
        )
        self.players = [
            Player("generator", ["generator"], self._generator_loss, options.generator_rate),
            Player("critic", ["critic"], self._critic_loss, options.critic_rate, (0.5, 0.99)),
        ]

    def draw(self, step: int, stream: int) -> None:
        batch, rng = self.settings.batch, step_rng(self.settings.seed, step, stream)
        self._source = _Batch(self._pool.draw(batch, rng))
        self._target = torch.from_numpy(self._far_ages(self._source.age.numpy(), rng, 4))
        self._wrong = torch.from_numpy(self._far_ages(self._source.age.numpy(), rng, 15))

    def _far_ages(self, ages: np.ndarray, rng: np.random.Generator, gap: float) -> np.ndarray:
        """Ages drawn evenly from the targets, at least ``gap`` years from ``ages``."""
        low, high = self.options.targets
        below = np.clip(np.minimum(ages - gap, high) - low, 0, None)
        above = np.clip(high - np.maximum(ages + gap, low), 0, None)
        place = rng.random(len(ages)) * (below + above)
        return np.where(place < below, low + place, np.maximum(ages + gap, low) + place - below).astype(
            np.float32
        )

    def edit(self, generator: nn.Module, batch: _Batch, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The edited faces, and the delta and gain that made them."""
        with self.autocast():
            delta, gain = generator(batch.face, batch.age, target, batch.male)
        return apply_edit(batch.face, delta, gain, batch.mask, self.detail_sigma), delta, gain

    def _shifted(self, face: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Faces, their edits and their masks, all shifted alike, so that places can be compared."""
        both = random_translate(torch.cat([face, fake, self._source.mask], 1), self.options.translate)
        return both[:, :3], both[:, 3:6], both[:, 6:]

    def _look(self, face: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        with self.autocast():
            places, pooled = self.networks["critic"](face.contiguous(memory_format=torch.channels_last))
        return places, pooled

    def _generator_loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        options, source, target = self.options, self._source, self._target
        fake, delta, gain = self.edit(self.networks["generator"], source, target)
        self._fake = fake.detach()
        real_view, fake_view, mask = self._shifted(source.face, fake)
        with torch.no_grad():
            real_places, _ = self._look(real_view)
        places, pooled = self._look(fake_view)
        with self.autocast():
            age_logits, _ = self.teacher(random_affine(fake, degrees=10, scale=0.1, shift=0.05))
        gap = (target - source.age).abs()
        change = (fake - source.face).abs().mean((1, 2, 3))
        parts = {
            "realism": losses.more_real(places, real_places, mask),
            "match": losses.taken_for_real(self._judge(pooled, target, source.male)),
            "age": losses.age_distance(age_logits, target).mean(),
            "change": (change * 30 / (10 + gap)).mean(),
            "tone": gaussian_blur(fake - source.face, TONE_SIGMA * fake.shape[-1]).square().mean(),
            "gain": (gain.square() * source.mask).mean(),
            "smooth": losses.total_variation(delta * source.mask),
        }
        total = torch.stack([getattr(options, name) * value for name, value in parts.items()]).sum()
        if step < options.head_start:
            total = total * 0
        return total, {**parts, "gain_mean": (gain * source.mask).abs().mean()}

    def _judge(self, pooled: list[Tensor], age: Tensor, male: Tensor) -> Tensor:
        critic = self.networks["critic"]
        assert isinstance(critic, AgeTrunkCritic)
        return critic.judge(pooled, age, male)

    def _critic_loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        # The real faces are the sources of the edited ones: what differs between the two is the edit alone, and
        # the critic sees it long before it could in pictures of different people.
        options, real = self.options, self._source
        face = real.face
        penalised = bool(options.r1) and step % options.r1_every == 0
        if penalised:
            face = face.detach().requires_grad_()
        real_view, fake_view, mask = self._shifted(face, self._fake)
        real_places, real_pooled = self._look(real_view)
        fake_places, fake_pooled = self._look(fake_view)
        fits = self._judge(real_pooled, real.age, real.male)
        fake_fits = self._judge(fake_pooled, self._target, real.male)
        wrong_fits = torch.cat(
            [
                self._judge(real_pooled, real.age, 1 - real.male),
                self._judge(real_pooled, self._wrong, real.male),
            ]
        )
        realism = losses.more_real(real_places, fake_places, mask)
        match = losses.taken_for_real(fits) + losses.taken_for_fake(fake_fits)
        mismatch = losses.taken_for_fake(wrong_fits)
        total = options.realism * realism + options.match * match + options.mismatch * mismatch
        if penalised:
            logits = fits.mean(0) + torch.stack([places.mean((1, 2, 3)) for places in real_places]).mean(0)
            total = total + 0.5 * options.r1 * options.r1_every * losses.r1_penalty(logits, face)
        figures = {
            "realism": realism, "fits": fits.mean(), "fake_fits": fake_fits.mean(),
            "wrong_fits": wrong_fits.mean(), "lead": losses.lead(real_places, fake_places, mask),
        }  # fmt: skip
        return total, figures

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """What the teacher reads after the edit: a sign of life, not a judgement."""
        batch = _Batch(self._val.take(np.linspace(0, len(self._val) - 1, 48).astype(int)))
        figures = {}
        for age in (25.0, 50.0, 75.0):
            fake, _, _ = self.edit(networks["generator"], batch, torch.full_like(batch.age, age))
            with self.autocast():
                read = expected_age(self.teacher(fake)[0])
            figures[f"teacher_reads_{age:.0f}"] = round(float(read.mean()), 2)
            figures[f"change_{age:.0f}"] = round(float((fake - batch.face).abs().mean()), 4)
        return figures

    @torch.no_grad()
    def sheet(self, networks: Mapping[str, nn.Module]) -> Sheet | None:
        rng = np.random.default_rng(7)
        batch = _Batch(
            self._val.take(np.sort(rng.choice(len(self._val), min(10, len(self._val)), replace=False)))
        )
        columns = [to_uint8(batch.face)]
        for age in SHEET_AGES:
            columns.append(
                to_uint8(self.edit(networks["generator"], batch, torch.full_like(batch.age, age))[0])
            )
        rows = [f"{age:.0f} {'m' if male else 'f'}" for age, male in zip(batch.age, batch.male, strict=True)]
        return Sheet(torch.stack(columns, 1).numpy(), rows, ["input", *(f"{age:.0f}" for age in SHEET_AGES)])

    @classmethod
    def exported(cls, settings: TrainSettings) -> Exported:
        options = validate(DeltaOptions, settings.options, "options")
        return Exported(
            networks={"generator": DeltaUNet(options.widths)},
            ways={"generator": "any"},
            inputs=["face", "source_age", "target_age", "male"],
            outputs=["delta", "gain"],
            size=open_cache(settings.data.cache).size,
            source_ages=settings.data.ages,
            target_ages=options.targets,
            teachers=["reage age network (UTKFace train split)"],
        )


class _Batch:
    """Drawn faces as tensors: face (B, 3, S, S), mask (B, 1, S, S), age (B,), male (B,)."""

    def __init__(self, faces: Faces) -> None:
        self.face = to_tensor(torch.from_numpy(faces.images))
        self.mask = torch.from_numpy(faces.masks)[:, None]
        self.age, self.male = torch.from_numpy(faces.ages), torch.from_numpy(faces.male)


def read_teacher(run: Path) -> AgeNet:
    """The frozen age network of the run folder ``run``."""
    try:
        widths = json.loads((run / "settings.json").read_text())["options"].get("widths", (64, 128, 256))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"teacher: {run} is not a run folder; train one with recipes/age.yaml: {error}"
        ) from error
    teacher = AgeNet(tuple(widths))
    load_weights(run / "weights.safetensors", {"age": teacher})
    teacher.eval().requires_grad_(False)
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return teacher
