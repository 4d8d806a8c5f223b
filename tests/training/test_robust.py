"""Adversarial perturbations: within their radius, and the worst that can be found there; and training against them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from reage.training.families.age import AgeFamily
from reage.training.robust import ascent_step, projected_ascent
from reage.training.updater import Updater

from .tiny import age_settings, write_cache


def faces(batch: int = 3, size: int = 8, largest: float = 0.5) -> Tensor:
    return (torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1) * largest


def norms(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1)


def test_a_step_within_the_ball_goes_its_length_along_the_gradient() -> None:
    start, gradient = faces() * 0.01, faces().flip(0)
    moved = ascent_step(start, gradient, length=0.5, radius=9.0) - start
    assert norms(moved).tolist() == pytest.approx([0.5] * 3, rel=1e-5)
    assert torch.cosine_similarity(moved.flatten(1), gradient.flatten(1)).tolist() == pytest.approx([1] * 3)


def test_steps_never_leave_the_ball_and_each_face_has_its_own() -> None:
    draw = torch.Generator().manual_seed(0)
    perturbation = torch.zeros(4, 3, 8, 8)
    for _ in range(20):
        gradient = (
            torch.randn(4, 3, 8, 8, generator=draw) * torch.tensor([1e-6, 1, 1e6, 0])[:, None, None, None]
        )
        perturbation = ascent_step(perturbation, gradient, length=1.5, radius=2.0)
        assert norms(perturbation).max() <= 2.0 * (1 + 1e-6)
    assert norms(perturbation)[:3].min() > 0.5  # however small or large the gradient is
    assert not perturbation[3].any()  # a face without a gradient stays as it is


def test_for_a_linear_loss_the_worst_perturbation_lies_along_its_weights() -> None:
    weights = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(2))
    found = projected_ascent(lambda x: (x * weights).sum((1, 2, 3)), faces(), radius=0.4, steps=4)
    torch.testing.assert_close(found, (0.4 * weights / weights.norm()).expand_as(found))


def test_the_perturbation_raises_the_loss_of_each_face_more_than_chance_does() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 1))

    def loss(x: Tensor) -> Tensor:
        return network(x)[:, 0].square()

    face = faces()
    found = projected_ascent(loss, face, radius=1.0, steps=10)
    chance = torch.randn(50, *face.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        attacked = loss(face + found)
        assert (attacked > loss(face)).all()
        for noise in chance:
            assert (attacked > loss(face + noise / norms(noise)[:, None, None, None])).all()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_faces_stay_in_their_range_while_the_loss_looks_at_them() -> None:
    seen = []

    def loss(x: Tensor) -> Tensor:
        seen.append(x.detach().abs().max().item())
        return x.sum((1, 2, 3))

    projected_ascent(loss, faces(largest=1.0), radius=5.0, steps=3)
    assert max(seen) <= 1


def test_a_network_trained_against_perturbations_errs_less_under_attack(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", train=160, val=24)
    plain, robust = (trained(cache, way) for way in ("none", "free"))
    judge = AgeFamily(age_settings(cache, options={"robust": "free", "radius": 1.5}))
    figures = [judge.validate({"age": network}, "val") for network in (plain, robust)]
    for found in figures:
        assert found["years_error"] < 12  # whoever always says the median age errs by 16.5 years
        assert found["years_error_attacked"] > found["years_error"] + 1
    assert figures[1]["years_error_attacked"] < 0.85 * figures[0]["years_error_attacked"]


def trained(cache: Path, robust: str) -> nn.Module:
    """An age network after 80 steps, averaged."""
    options = {"robust": robust, "radius": 1.0, "learning_rate": 1e-2, "dropout": 0, "colour": 0}
    settings = age_settings(cache, options=options, steps=80, batch=16, warmup=5, ema=0.9)
    torch.manual_seed(0)
    family = AgeFamily(settings)
    updater = Updater(settings, family, Accelerator(cpu=True))
    for step in range(80):
        updater.update(step)
    return updater.averages["age"].eval()


def test_a_step_updates_the_network_as_often_as_it_replays_the_faces(cache: Path) -> None:
    settings = age_settings(cache, options={"robust": "free", "replays": 3})
    (objective,) = AgeFamily(settings).objectives
    assert objective.updates == 3
    (plain,) = AgeFamily(age_settings(cache)).objectives
    assert plain.updates == 1
