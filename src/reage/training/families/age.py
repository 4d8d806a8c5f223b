"""``age``: the network that reads age and gender; teacher of the other families and trunk of their critic."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from reage.data.augment import random_affine, random_colour
from reage.data.cache import open_cache
from reage.data.sampling import FacePool, step_rng
from reage.errors import ConfigError
from reage.networks.age_net import AgeNet, expected_age
from reage.training.config import Settings, TrainSettings, validate
from reage.training.editing import to_tensor
from reage.training.families.base import Autocast, Exported, Family, Player, Sheet
from reage.training.losses import soft_age_cross_entropy


class AgeOptions(Settings):
    """Settings of the age network."""

    widths: tuple[int, int, int] = Field((64, 128, 256), description="Channels of its three stages.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout before the heads.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate (AdamW).")
    weight_decay: float = Field(0.02, ge=0, description="Weight decay (AdamW).")
    gender: float = Field(0.3, ge=0, description="Weight of the gender loss.")
    colour: float = Field(
        0.25, ge=0, le=1, description="Largest random change of brightness, contrast, saturation."
    )


class AgeFamily(Family):
    """Cross entropy with soft age labels; random affine and colour changes."""

    options_type = AgeOptions
    averaged = ("age",)

    def __init__(self, settings: TrainSettings, autocast: Autocast) -> None:
        super().__init__(settings, autocast)
        self.options = validate(AgeOptions, settings.options, "options")
        self.networks = {"age": AgeNet(self.options.widths, self.options.dropout)}
        data = settings.data
        cache = open_cache(data.cache, in_memory=True)
        self._train = FacePool(
            cache, ages=data.ages, min_sharpness=data.min_sharpness, evenness=data.evenness
        )
        self._val = FacePool(cache, split="val", ages=data.ages, min_sharpness=data.min_sharpness, evenness=0)
        options = self.options
        self.players = [
            Player("age", ["age"], self._loss, options.learning_rate, (0.9, 0.99), options.weight_decay)
        ]

    def draw(self, step: int, stream: int) -> None:
        faces = self._train.draw(self.settings.batch, step_rng(self.settings.seed, step, stream), masks=False)
        self._faces = to_tensor(torch.from_numpy(faces.images))
        self._ages, self._male = torch.from_numpy(faces.ages), torch.from_numpy(faces.male)

    def _loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        x = random_affine(self._faces, degrees=12, scale=0.12, shift=0.06)
        x = random_colour(x, self.options.colour).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            logits, male = self.networks["age"](x)
        age = soft_age_cross_entropy(logits, self._ages)
        gender = F.binary_cross_entropy_with_logits(male.float(), self._male)
        years = (expected_age(logits.detach()) - self._ages).abs().mean()
        return age + self.options.gender * gender, {"age": age, "gender": gender, "years": years}

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        chosen = np.linspace(0, len(self._val) - 1, min(len(self._val), 1200)).astype(int)
        errors, hits = [], []
        for part in np.array_split(chosen, max(1, len(chosen) // 64)):
            faces = self._val.take(part, masks=False)
            with self.autocast():
                logits, male = networks["age"](to_tensor(torch.from_numpy(faces.images)))
            errors.append((expected_age(logits) - torch.from_numpy(faces.ages)).abs())
            hits.append((male > 0) == torch.from_numpy(faces.male > 0.5))
        return {
            "val_years": float(torch.cat(errors).mean()),
            "val_gender": float(torch.cat(hits).float().mean()),
        }

    def sheet(self, networks: Mapping[str, nn.Module]) -> Sheet | None:
        return None

    @classmethod
    def exported(cls, settings: TrainSettings) -> Exported:
        raise ConfigError("the age network teaches; it makes no pictures and has no bundle")
