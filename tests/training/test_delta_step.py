"""What a step of the flagship draws, and what its critics are shown: edits, past edits, and sources with blotches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reage.data.cache import open_cache
from reage.data.sampling import FacePool, Shard
from reage.training.families.delta import DeltaFamily
from reage.training.families.delta_options import DeltaOptions
from reage.training.families.delta_step import Shown, Step, draw_step, far_ages

from .tiny import delta_settings, write_cache


def shown(count: int = 3, size: int = 8) -> Shown:
    torch.manual_seed(0)
    pictures = [torch.rand(count, channels, size, size) - 0.5 for channels in (3, 3, 1, 3, 1)]
    pictures[2] = torch.ones_like(pictures[2])
    labels = [torch.rand(count) for _ in range(4)]
    return Shown(*pictures, *labels)


def test_what_is_packed_for_a_replay_buffer_is_unpacked_the_same() -> None:
    before = shown()
    pictures, labels = before.packed()
    assert pictures.shape[1:] == (Shown.CHANNELS, 8, 8)
    assert labels.shape[1:] == (Shown.LABELS,)
    after = Shown.unpacked(pictures, labels)
    assert all(torch.equal(value, getattr(after, name)) for name, value in vars(before).items())


def test_a_source_with_blotches_stands_in_for_an_edit() -> None:
    before = shown()
    blotches = torch.zeros(3, 1, 8, 8)
    blotches[1, :, 2:4, 2:4] = 0.25
    after = before.with_blotches(blotches)
    for kept in (0, 2):
        assert all(
            torch.equal(value[kept], getattr(after, name)[kept]) for name, value in vars(before).items()
        )
    torch.testing.assert_close(after.fake[1] - before.face[1], blotches[1].expand(3, 8, 8))
    assert torch.equal(after.peer[1], before.face[1])
    assert after.target[1] == before.age[1]


def test_wrong_ages_are_far_and_spread_over_all_that_is_left() -> None:
    ages = np.repeat(np.array([18, 45, 80], np.float32), 500)
    far = far_ages(ages, (16, 85), np.random.default_rng(1), gap=15).reshape(3, 500)
    assert (np.abs(far - ages.reshape(3, 500)) >= 15).all()
    assert far.min() >= 16
    assert far.max() <= 85
    assert far[0].min() < 36
    assert 0.26 < (far[1] < 45).mean() < 0.46  # 14 years lie below, 25 above


def test_a_step_is_the_same_however_it_is_divided(tmp_path: Path) -> None:
    pool = FacePool(open_cache(write_cache(tmp_path / "cache")))
    options = DeltaOptions(covered=0.5)
    cpu = torch.device("cpu")

    def drawn(index: int, count: int) -> Step:
        return draw_step(pool, options, 8, np.random.default_rng(3), Shard(index, count), cpu)

    whole, halves = drawn(0, 1), [drawn(i, 2) for i in range(2)]
    for name in ("target", "wrong", "covering", "blotches"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(half, name) for half in halves]))
    assert torch.equal(whole.source.face, torch.cat([half.source.face for half in halves]))
    covered = whole.covering.amax((1, 2, 3)) > 0
    assert 0 < covered.sum() < 8


def test_the_age_losses_of_edits_to_younger_ages_have_a_factor(cache: Path, age_run: Path) -> None:
    figures = {}
    for younger in (0, 1, 3):
        torch.manual_seed(0)
        family = DeltaFamily(delta_settings(cache, age_run, options={"younger": younger}))
        drawn = family.draw(0, Shard())
        assert 0 < (drawn.target < drawn.source.age).sum() < len(drawn.target)
        _, parts = family._generator_loss(drawn, 0)
        figures[younger] = {name: parts[name].item() for name in ("age", "reader", "realism")}
    for name in ("age", "reader"):
        nothing, once, thrice = (figures[younger][name] for younger in (0, 1, 3))
        assert thrice - nothing == pytest.approx(3 * (once - nothing), rel=1e-4)
        assert 0 < nothing < once
    assert figures[0]["realism"] == pytest.approx(figures[3]["realism"])
