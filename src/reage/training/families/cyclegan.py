"""``cyclegan``: an ageing CycleGAN. Two generators, from young faces to old ones and back, learn without pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.data.augment import blacken_corners, centre_crop, draw_crop, warp_affine
from reage.data.sampling import FacePool, Shard, step_rng
from reage.errors import DataError
from reage.networks.cyclegan import PatchDiscriminator, ReplayBuffer, ResNetGenerator
from reage.training import losses
from reage.training.config import TrainSettings, validate
from reage.training.families.base import CHUNK, CPU, Batch, Compute, EditingFamily, Exported, Networks
from reage.training.families.cyclegan_figures import cycle_figures, losses_of_one_age, weighted_losses
from reage.training.families.cyclegan_options import CycleOptions
from reage.training.updater import Objective


class CycleFamily(EditingFamily):
    """In a step both generators learn first, together; each critic then learns from the same fakes."""

    averaged = ("older", "younger")
    letters = {"older": "G", "younger": "F", "young_critic": "DX", "old_critic": "DY"}  # noqa: RUF012
    console = {  # noqa: RUF012
        "loss_DX": ("young_critic/adversarial",), "loss_DY": ("old_critic/adversarial",),
        "loss_gen_total": ("generators/loss",),
        **{name: (f"generators/{name}",) for name in ("loss_g_adv", "loss_f_adv", "loss_cyc", "loss_id")},
    }  # fmt: skip
    best_by = "cycle"
    other_names = {"fid_val": "fid_older"}  # noqa: RUF012
    gender = False
    multiple = 4
    options_type = CycleOptions
    options: CycleOptions

    def __init__(self, settings: TrainSettings, compute: Compute = CPU) -> None:
        super().__init__(settings, compute)
        self.options = options = validate(CycleOptions, settings.options, "options")
        self.networks = {**_generators(options), **_critics(options)}
        if options.replay:
            self.memory = {
                name: ReplayBuffer(options.replay, 3, self.size, self.size)
                for name in ("young_fakes", "old_fakes")
            }
        pools = self.pool(ages=options.young), self.pool(ages=options.old)
        count = min(len(pool) for pool in pools)
        self._young, self._old = (pool.subset(count, settings.seed) for pool in pools)
        decay, l2 = options.weight_decay, options.optimiser == "adam"
        self.objectives = [
            Objective(
                "generators", ["older", "younger"], self._generator_loss,
                options.generator_rate, options.betas, decay, l2,
            ),
            *(
                Objective(
                    f"{age}_critic", [f"{age}_critic"], partial(self._critic_loss, age),
                    options.critic_rate, options.betas, decay, l2,
                )
                for age in ("young", "old")
            ),
        ]  # fmt: skip

    def domains(self) -> dict[str, Callable[[str], FacePool]]:
        options, drawn = self.options, {"young": self._young, "old": self._old}
        ages = {"young": options.young, "old": options.old}

        def pool_of(split: str, name: str) -> FacePool:
            return drawn[name] if split == "train" else self.pool(split, ages[name])

        return {name: partial(pool_of, name=name) for name in ages}

    def draw(self, step: int, shard: Shard) -> _Step:
        options, seed = self.options, self.settings.seed
        rng, count = step_rng(seed, step), self.settings.batch * shard.count
        faces = []
        for number, pool in enumerate((self._young, self._old)):
            chosen, mirrored = pool.choose(count, rng)
            if options.passes:
                chosen = pool.in_pass(step, count, seed + number)
            flips = shard.slice(mirrored) if options.flip else None
            batch = Batch(pool.take(shard.slice(chosen), flips, masks=False), self.device)
            crop = draw_crop(count, rng, turn=options.rotation, zoom=options.zoom, margin=options.margin)
            faces.append(self._cropped(batch.face, torch.from_numpy(shard.slice(crop))))
        coins = torch.from_numpy(shard.slice(rng.random((count, 2, 2))))
        return _Step(faces[0], faces[1], coins)

    def _cropped(self, face: Tensor, crop: Tensor) -> Tensor:
        warped = warp_affine(face, crop)
        return blacken_corners(warped, crop) if self.options.corners == "black" else warped

    def framed(self, face: Tensor) -> Tensor:
        crop = centre_crop(len(face), zoom=self.options.zoom, margin=self.options.margin)
        return warp_affine(face, torch.from_numpy(crop))

    def _verdict(self, networks: Networks, age: str, face: Tensor) -> Tensor:
        """Logits of the critic of ``age``, young or old, for faces (B, 3, S, S): (B, 1, h, w), of patches or faces."""
        logits: Tensor = networks[f"{age}_critic"](face)
        return logits.mean((2, 3), keepdim=True) if self.options.judged == "faces" else logits

    def _generator_loss(self, drawn: _Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        options, nets = self.options, self.networks
        with self.autocast():
            drawn.old_fake, drawn.young_fake = nets["older"](drawn.young), nets["younger"](drawn.old)
            old_logits = self._verdict(nets, "old", drawn.old_fake)
            young_logits = self._verdict(nets, "young", drawn.young_fake)
            young = {
                "fooled": losses.least_squares_loss(old_logits, 1),
                "cycle": F.l1_loss(nets["younger"](drawn.old_fake), drawn.young),
                "identity": self._identity_loss("younger", drawn.young),
            }
            old = {
                "fooled": losses.least_squares_loss(young_logits, 1),
                "cycle": F.l1_loss(nets["older"](drawn.young_fake), drawn.old),
                "identity": self._identity_loss("older", drawn.old),
            }
        parts = weighted_losses(young, old, options)
        drawn.old_fake, drawn.young_fake = drawn.old_fake.detach(), drawn.young_fake.detach()
        return torch.stack(list(parts.values())).sum(), parts

    def _identity_loss(self, way: str, face: Tensor) -> Tensor:
        """How much a generator changes faces that are of its age already; 0 where the loss has no weight."""
        return F.l1_loss(self.networks[way](face), face) if self.options.identity else face.new_zeros(())

    def _critic_loss(self, age: str, drawn: _Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        real, fake, coins = {
            "young": (drawn.young, drawn.young_fake, drawn.coins[:, 0]),
            "old": (drawn.old, drawn.old_fake, drawn.coins[:, 1]),
        }[age]
        memory, r1 = self.memory.get(f"{age}_fakes"), self.options.r1
        if isinstance(memory, ReplayBuffer):
            fake = memory.exchange(fake, coins)
        if r1:
            real = real.detach().requires_grad_()
        with self.autocast():
            verdict, fake_verdict = (self._verdict(self.networks, age, face) for face in (real, fake))
        loss = 0.5 * (losses.least_squares_loss(verdict, 1) + losses.least_squares_loss(fake_verdict, 0))
        figures = {"adversarial": loss.detach()}
        if r1:
            loss = loss + 0.5 * r1 * losses.r1_penalty(verdict.mean((1, 2, 3)), real)
        return loss, figures

    def repaint(self, networks: Networks, batch: Batch, target: Tensor) -> Tensor:
        older = target > batch.age
        out = batch.face.clone()
        for way, chosen in (("older", older), ("younger", ~older)):
            if chosen.any():
                with self.autocast():
                    out[chosen] = networks[way](batch.face[chosen])
        return out

    def columns(self) -> list[tuple[str, float]]:
        return [("younger", -1.0), ("older", 200.0)]

    def directions(self) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
        options = self.options
        return {"older": (options.young, options.old), "younger": (options.old, options.young)}

    @torch.no_grad()
    def validate(self, networks: Networks, split: str) -> dict[str, float]:
        """The figures of `cycle_figures` on fixed faces; nothing where a split has no young or no old ones.

        The test is of the whole split.
        """
        count = 0 if split == "test" else self.options.validation_faces
        means = {}
        for age, pool_of in self.domains().items():
            try:
                pool = pool_of(split)
            except DataError:
                return {}
            means[age] = self._mean_losses(networks, age, pool, pool.evenly_spaced(count or len(pool)))
        return cycle_figures(means["young"], means["old"], self.options)

    def _mean_losses(
        self, networks: Networks, age: str, pool: FacePool, chosen: npt.NDArray[np.intp]
    ) -> dict[str, float]:
        """The means of `losses_of_one_age` over the faces numbered ``chosen`` in ``pool``."""
        means: dict[str, float] = {}
        for start in range(0, len(chosen), CHUNK):
            face = self.batch(pool, chosen[start : start + CHUNK]).face
            with self.autocast():
                found = losses_of_one_age(networks, self._verdict, age, face)
            for name, value in found.items():
                means[name] = means.get(name, 0.0) + float(value) * len(face) / len(chosen)
        return means

    def examples(self) -> dict[str, tuple[Any, ...]]:
        return {name: (torch.zeros(1, 3, self.size, self.size),) for name in self.networks}

    @classmethod
    def exported(cls, settings: TrainSettings, size: int) -> Exported:
        options = validate(CycleOptions, settings.options, "options")
        younger, older = options.full_ages
        return cycle_exported(
            _generators(options), older=older, younger=younger, zoom=options.zoom * (1 + options.margin)
        )


@dataclass
class _Step:
    """What was drawn for a step, and the fakes that were made of it."""

    young: Tensor
    """Young faces (B, 3, S, S)."""
    old: Tensor
    """Old faces (B, 3, S, S)."""
    coins: Tensor
    """Random numbers (B, 2, 2) for the two replay buffers."""
    old_fake: Tensor = field(init=False)
    """The young faces made old; set by the generators' loss, as is the next."""
    young_fake: Tensor = field(init=False)


def cycle_exported(
    generators: dict[str, nn.Module], *, older: float, younger: float, zoom: float, **more: Any
) -> Exported:
    """Describe the generators ``older`` and ``younger``, whose whole edits lead to these ages, for the export.

    ``zoom`` is that of the faces that they were trained on; see `Manifest`.
    """
    return Exported(
        networks=generators,
        graphs=dict(generators),
        inputs=["face"],
        outputs=["image"],
        source_ages=(0, 116),
        target_ages=(0, 116),
        full_ages={"older": older, "younger": younger},
        zoom=zoom,
        **more,
    )


def _generators(options: CycleOptions) -> dict[str, nn.Module]:
    return {way: ResNetGenerator(options.width, options.blocks, options.norm) for way in ("older", "younger")}


def _critics(options: CycleOptions) -> dict[str, nn.Module]:
    return {
        name: PatchDiscriminator(options.critic_width, options.norm, spectral=options.spectral)
        for name in ("young_critic", "old_critic")
    }
