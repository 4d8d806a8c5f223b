"""``age``: the network that estimates age and gender, which teaches ``delta`` and is the trunk of its critic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from reage.arrays import UInt8
from reage.assets import portraits
from reage.data.augment import draw_affine, draw_blotches, draw_colour, shift_colour, warp_affine
from reage.data.cache import Aligner, open_cache
from reage.data.sampling import FacePool, Shard, step_rng
from reage.errors import ConfigError
from reage.networks.age_net import AgeNet, expected_age
from reage.training.config import Settings, TrainSettings, Width, validate
from reage.training.editing import to_tensor, to_uint8
from reage.training.families.base import CHUNK, CPU, Batch, Compute, Exported, Family, Networks, Sheet
from reage.training.losses import soft_age_cross_entropy
from reage.training.robust import ascent_step, projected_ascent
from reage.training.updater import Objective

SHEET_AGES = (20.0, 50.0, 75.0)
"""Ages that the faces of its sample sheet are pushed towards."""
SHEET_RADII = (8.0, 16.0)
"""L2 norms of these perturbations for faces of 96 px; at other sizes in proportion to the side."""
SHEET_STEPS = 30


class AgeOptions(Settings):
    """Settings of the age network."""

    widths: tuple[Width, Width, Width] = Field((64, 128, 256), description="Channels of its three stages.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Probability of dropout before the heads.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate (AdamW).")
    weight_decay: float = Field(0.02, ge=0, description="Weight decay (AdamW).")
    gender: float = Field(0.3, ge=0, description="Weight of the gender loss.")
    robust: Literal["none", "free"] = Field(
        "none",
        description="free: train against adversarial perturbations of the faces (free adversarial training).",
    )
    radius: float = Field(
        2.0,
        gt=0,
        description="Largest L2 norm of such a perturbation, over a whole face in [-1, 1]; used where robust is free.",
    )
    replays: int = Field(
        4,
        ge=2,
        description="Updates on the same faces in a step, each against a worse perturbation, where robust is free.",
    )
    colour: float = Field(
        0.25, ge=0, le=1, description="Largest random change of contrast, brightness and saturation."
    )
    blotches: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Largest root mean square of random blotches that are added to faces, so that they mean no age.",
    )


class AgeFamily(Family):
    """Minimises the cross entropy of soft age labels and of gender, on faces with random affine and colour changes.

    Where it is robust, a step updates the network several times on the same faces, each time with a perturbation that
    the step before has made worse.
    """

    averaged = ("age",)
    best_by = "years_error"
    options_type = AgeOptions
    options: AgeOptions

    def __init__(self, settings: TrainSettings, compute: Compute = CPU) -> None:
        super().__init__(settings, compute)
        self.options = options = validate(AgeOptions, settings.options, "options")
        self.networks = {"age": AgeNet(options.widths, options.dropout)}
        self.cache = open_cache(settings.data.cache, in_memory=True)
        self._train = self._pool("train", settings.data.evenness)
        self._pool("val", 0)  # raises here, not at the end of the first epoch
        self.objectives = [
            Objective(
                "age", ["age"], self._loss, options.learning_rate, (0.9, 0.99), options.weight_decay,
                updates=options.replays if self.robust else 1,
            )
        ]  # fmt: skip

    @property
    def robust(self) -> bool:
        """Whether it is trained against adversarial perturbations."""
        return self.options.robust != "none"

    def _pool(self, split: str, evenness: float) -> FacePool:
        data = self.settings.data
        return FacePool(
            self.cache,
            split=split,
            ages=data.ages,
            min_sharpness=data.min_sharpness,
            evenness=evenness,
            gender=True,
        )

    def domains(self) -> dict[str, Callable[[str], FacePool]]:
        return {"faces": partial(self._pool, evenness=0)}

    def draw(self, step: int, shard: Shard) -> _Step:
        rng, count = step_rng(self.settings.seed, step), self.settings.batch * shard.count
        faces = self._train.draw(count, rng, shard=shard, masks=False)
        affine = shard.slice(draw_affine(count, rng, degrees=12, zoom=(0.88, 1.12), shift=0.06))
        colours = shard.slice(draw_colour(count, rng, strength=self.options.colour))
        batch = Batch(faces, self.device)
        if self.options.blotches:
            blotches = draw_blotches(count, rng, size=self.cache.size, strength=self.options.blotches)
            batch.face = batch.face + torch.from_numpy(shard.slice(blotches)).to(self.device)
        return _Step(batch, torch.from_numpy(affine), torch.from_numpy(colours))

    def _loss(self, drawn: _Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = drawn.batch
        x = drawn.perturbed(self.options.radius) if self.robust else drawn.face
        with self.autocast():
            logits, male = self.networks["age"](x.contiguous(memory_format=torch.channels_last))
        age = soft_age_cross_entropy(logits, batch.age)
        gender = F.binary_cross_entropy_with_logits(male.float(), batch.male)
        years = (expected_age(logits.detach()) - batch.age).abs().mean()
        return age + self.options.gender * gender, {"age": age, "gender": gender, "years": years}

    def validate(self, networks: Networks, split: str) -> dict[str, float]:
        """Mean error of the age in years, share of genders estimated right and, if robust, the error under attack."""
        pool = self._pool(split, 0)
        figures = self._errors(networks["age"], pool, pool.evenly_spaced(1200))
        if self.robust:
            attacked = self._errors(networks["age"], pool, pool.evenly_spaced(300), attack_steps=5)
            figures["years_error_attacked"] = attacked["years_error"]
        return figures

    def _errors(
        self, net: nn.Module, pool: FacePool, chosen: npt.NDArray[np.intp], *, attack_steps: int = 0
    ) -> dict[str, float]:
        """The figures of `validate` on the faces with the indices ``chosen``, attacked by as many steps of ascent."""
        errors, hits = [], []
        for part in np.array_split(chosen, max(1, len(chosen) // CHUNK)):
            batch = Batch(pool.take(part, masks=False), self.device)
            face = batch.face
            if attack_steps:

                def error(x: Tensor, age: Tensor = batch.age) -> Tensor:
                    return (expected_age(net(x)[0]) - age).abs()

                face = face + projected_ascent(error, face, radius=self.options.radius, steps=attack_steps)
            with torch.no_grad(), self.autocast():
                logits, male = net(face.clamp(-1, 1))
            errors.append((expected_age(logits) - batch.age).abs())
            hits.append((male > 0) == (batch.male > 0.5))
        return {
            "years_error": float(torch.cat(errors).mean()),
            "gender_right": float(torch.cat(hits).float().mean()),
        }

    def sheet(self, networks: Networks) -> Sheet | None:
        """What the network has learned to see: bundled portraits, perturbed so that it estimates other ages.

        The columns are labelled with the age and the L2 norm of the perturbation at 96 px.
        """
        faces = _portraits(self.size)[: self.settings.sample_faces]
        if not faces:
            return None
        face = to_tensor(torch.from_numpy(np.stack(faces)).to(self.device))
        cells, columns = [to_uint8(face)], ["input"]
        for radius in SHEET_RADII:
            for age in SHEET_AGES:
                target = torch.full((len(face),), age, device=face.device)

                def fit(x: Tensor, target: Tensor = target) -> Tensor:
                    return -soft_age_cross_entropy(networks["age"](x)[0], target)

                change = projected_ascent(fit, face, radius=radius * self.size / 96, steps=SHEET_STEPS)
                cells.append(to_uint8(face + change))
                columns.append(f"{age:.0f}, {radius:g}")
        return Sheet(torch.stack(cells, 1).cpu().numpy(), [f"{i}" for i in range(len(faces))], columns)

    def examples(self) -> dict[str, tuple[Any, ...]]:
        return {"age": (torch.zeros(1, 3, self.size, self.size),)}

    @classmethod
    def exported(cls, settings: TrainSettings, size: int) -> Exported:
        raise ConfigError(
            "the age family has no bundle: it estimates ages for the training of other families"
        )


@dataclass
class _Step:
    """What was drawn for a step: faces, affine matrices (B, 2, 3) and changes of colour (B, 3) to augment them by."""

    batch: Batch
    affine: Tensor
    colours: Tensor
    face: Tensor = field(init=False)
    """The augmented faces (B, 3, S, S)."""
    perturbation: Tensor | None = None
    """Their last perturbation; after the backward pass it also has the gradient of the loss."""

    def __post_init__(self) -> None:
        self.face = shift_colour(warp_affine(self.batch.face, self.affine), self.colours)

    def perturbed(self, radius: float) -> Tensor:
        """The faces with a perturbation, which is zero at first and grows worse with every call.

        Shafahi et al., "Adversarial Training for Free!", 2019: the backward pass that trains the network also gives the
        gradient by which the perturbation ascends. Unlike there, every step starts again from zero: so the network also
        sees faces as they are, and a step depends on no step before it.
        """
        if self.perturbation is None:
            perturbation = torch.zeros_like(self.face)
        else:
            assert self.perturbation.grad is not None
            perturbation = ascent_step(
                self.perturbation.detach(), self.perturbation.grad, length=radius, radius=radius
            )
        self.perturbation = perturbation.requires_grad_()
        return (self.face + self.perturbation).clamp(-1, 1)


@lru_cache(maxsize=1)
def _portraits(size: int) -> list[UInt8]:
    """The bundled portraits, aligned: each (size, size, 3)."""
    align, faces = Aligner(size), []
    for path in portraits():
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        aligned = None if picture is None else align(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if aligned is not None:
            faces.append(aligned[0])
    return faces
