"""``age``: the network that reads age and gender; teacher of the other families and trunk of their critic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from reage.data.augment import draw_affine, draw_colour, shift_colour, warp_affine
from reage.data.cache import open_cache
from reage.data.sampling import FacePool, Share, step_rng
from reage.errors import ConfigError
from reage.networks.age_net import AgeNet, expected_age
from reage.training.config import Settings, TrainSettings, Width, validate
from reage.training.families.base import CHUNK, Batch, Device, Exported, Family, Networks, Player
from reage.training.losses import soft_age_cross_entropy


class AgeOptions(Settings):
    """Settings of the age network."""

    widths: tuple[Width, Width, Width] = Field((64, 128, 256), description="Channels of its three stages.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout before the heads.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate (AdamW).")
    weight_decay: float = Field(0.02, ge=0, description="Weight decay (AdamW).")
    gender: float = Field(0.3, ge=0, description="Weight of the gender loss.")
    colour: float = Field(
        0.25, ge=0, le=1, description="Largest random change of brightness, contrast, saturation."
    )


class AgeFamily(Family):
    """Cross entropy with soft age labels; random affine and colour changes."""

    averaged = ("age",)
    best_by = "years_error"
    options_type = AgeOptions
    options: AgeOptions

    def __init__(self, settings: TrainSettings, place: Device) -> None:
        super().__init__(settings, place)
        self.options = options = validate(AgeOptions, settings.options, "options")
        self.networks = {"age": AgeNet(options.widths, options.dropout)}
        self.cache = open_cache(settings.data.cache, in_memory=True)
        self._train = self._pool("train", settings.data.evenness)
        self._pool("val", 0)  # raises here, not at the end of the first epoch
        self.players = [
            Player("age", ["age"], self._loss, options.learning_rate, (0.9, 0.99), options.weight_decay)
        ]

    def _pool(self, split: str, evenness: float) -> FacePool:
        data = self.settings.data
        return FacePool(
            self.cache, split=split, ages=data.ages, min_sharpness=data.min_sharpness, evenness=evenness
        )

    def draw(self, step: int, share: Share) -> _Step:
        rng, count, device = step_rng(self.settings.seed, step), self.settings.batch, self.place.device
        faces = self._train.draw(count * share.of, rng, share=share, masks=False)
        turns = draw_affine(count * share.of, rng, degrees=12, zoom=(0.88, 1.12), shift=0.06)
        colours = draw_colour(count * share.of, rng, strength=self.options.colour)
        turns, colours = share.cut(turns), share.cut(colours)
        return _Step(Batch(faces, device), torch.from_numpy(turns), torch.from_numpy(colours))

    def _loss(self, drawn: _Step, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = drawn.batch
        x = shift_colour(warp_affine(batch.face, drawn.turns), drawn.colours)
        with self.place.autocast():
            logits, male = self.networks["age"](x.contiguous(memory_format=torch.channels_last))
        age = soft_age_cross_entropy(logits, batch.age)
        gender = F.binary_cross_entropy_with_logits(male.float(), batch.male)
        years = (expected_age(logits.detach()) - batch.age).abs().mean()
        return age + self.options.gender * gender, {"age": age, "gender": gender, "years": years}

    @torch.no_grad()
    def validate(self, networks: Networks, split: str) -> dict[str, float]:
        pool = self._pool(split, 0)
        chosen, errors, hits = pool.spread(1200), [], []
        for part in np.array_split(chosen, max(1, len(chosen) // CHUNK)):
            batch = Batch(pool.take(part, masks=False), self.place.device)
            with self.place.autocast():
                logits, male = networks["age"](batch.face)
            errors.append((expected_age(logits) - batch.age).abs())
            hits.append((male > 0) == (batch.male > 0.5))
        return {
            "years_error": float(torch.cat(errors).mean()),
            "gender_right": float(torch.cat(hits).float().mean()),
        }

    def examples(self) -> dict[str, tuple[Any, ...]]:
        return {"age": (torch.zeros(1, 3, self.size, self.size),)}

    @classmethod
    def exported(cls, settings: TrainSettings, size: int) -> Exported:
        raise ConfigError("the age network teaches; it makes no pictures and has no bundle")


@dataclass
class _Step:
    """Faces, and the turns (B, 2, 3) and changes of colour (B, 3) with which they are shown."""

    batch: Batch
    turns: Tensor
    colours: Tensor
