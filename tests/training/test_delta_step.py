"""What the critics of the flagship are shown: edits, past edits, and sources with blotches."""

from __future__ import annotations

import torch

from reage.training.families.delta_step import Shown


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
