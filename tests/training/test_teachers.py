"""Teachers: what is asked of an edit is what they read of real people of that age."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reage.data.cache import open_cache
from reage.data.sampling import FacePool
from reage.errors import ConfigError
from reage.networks.age_net import BINS
from reage.training.teachers import Teacher, read_age_net
from reage.training.trainer import Trainer

from .tiny import age_settings, write_cache


class Timid(nn.Module):
    """Knows the age of each face of a cache, and says half of its distance from 50: sure, but drawn to the middle."""

    def __init__(self, pool: FacePool) -> None:
        super().__init__()
        self.ages = {
            image.tobytes(): age
            for image, age in zip(pool.take(np.arange(len(pool))).images, pool.ages, strict=True)
        }

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        images = (x + 1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        said = torch.tensor([50 + 0.5 * (self.ages[image.tobytes()] - 50) for image in images])
        return -((torch.arange(BINS) - said[:, None]) ** 2), torch.zeros(len(x))


@pytest.fixture
def pool(tmp_path: Path) -> FacePool:
    return FacePool(open_cache(write_cache(tmp_path / "cache", train=200)))


def test_an_edit_is_asked_to_be_read_as_real_people_of_that_age_are(pool: FacePool) -> None:
    teacher = Teacher(Timid(pool), pool, torch.device("cpu"))  # type: ignore[arg-type]
    ages = torch.tensor([30.0, 50.0, 70.0])
    read = 50 + 0.5 * (ages - 50)
    logits = -((torch.arange(BINS) - read[:, None]) ** 2)
    assert teacher.distance(logits, ages).max() < 0.15  # read as people of those ages are: nothing to ask for
    assert teacher.distance(logits[:2], ages[:2] + 20).min() > 0.8
    assert torch.allclose(teacher.curve.age_of(read), ages, atol=3)


def test_who_looks_older_than_others_of_that_age_may_go_on_to(pool: FacePool) -> None:
    teacher = Teacher(Timid(pool), pool, torch.device("cpu"))  # type: ignore[arg-type]
    ages = torch.tensor([30.0, 50.0, 70.0])
    logits = -((torch.arange(BINS) - (54 + 0.5 * (ages - 50))[:, None]) ** 2)  # 4 years more than others
    surplus = teacher.surplus(logits, ages)
    assert (surplus - 4).abs().max() < 1.5
    assert teacher.distance(logits, ages, surplus).max() < 0.01
    assert teacher.distance(logits, ages).min() > 0.25


def test_the_network_of_a_run_is_frozen_and_its_own(tmp_path: Path) -> None:
    run = tmp_path / "age"
    Trainer(age_settings(write_cache(tmp_path / "cache"), epochs=1, steps_per_epoch=1), run).run()
    net = read_age_net(run)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    with pytest.raises(ConfigError, match="not a run folder"):
        read_age_net(tmp_path / "nowhere")
