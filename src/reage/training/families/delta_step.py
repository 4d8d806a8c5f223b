"""What a training step of ``delta`` draws, and what its critics are then shown."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from reage.arrays import Float32
from reage.data.augment import draw_affine, draw_blotches, draw_shift, translate
from reage.data.sampling import FacePool, Shard
from reage.training.families.base import Batch
from reage.training.families.delta_options import DeltaOptions

BLOTCHES = 0.15
"""Largest root mean square of the random blotches that the critics are shown, in units of an image in [-1, 1]."""
NEAR = 25
"""Near targets lie within so many years of the source's age."""

JITTER = 7
"""Largest shift of what VGG16 sees, in pixels: half of the spacing of its coarsest map."""


@dataclass
class Shown:
    """What the critics learn from: edits, their sources and their peers."""

    CHANNELS: ClassVar[int] = 11
    LABELS: ClassVar[int] = 4

    face: Tensor
    """Sources (B, 3, S, S)."""
    fake: Tensor
    """Their edits (B, 3, S, S), detached."""
    mask: Tensor
    """Masks of both (B, 1, S, S)."""
    peer: Tensor
    """Other real people of the target age and of the same gender (B, 3, S, S)."""
    peer_mask: Tensor
    age: Tensor
    """Ages of the sources (B,), in years."""
    male: Tensor
    target: Tensor
    """Ages that they were edited to (B,), in years."""
    wrong: Tensor
    """Ages (B,) that the sources clearly do not have, in years."""

    @classmethod
    def of(cls, drawn: Step, fake: Tensor) -> Shown:
        source, peer = drawn.source, drawn.peer
        pictures = source.face, fake, source.mask, peer.face, peer.mask
        return cls(*pictures, source.age, source.male, drawn.target, drawn.wrong)

    def packed(self) -> tuple[Tensor, Tensor]:
        """The same as two tensors for replay buffers: pictures (B, `CHANNELS`, S, S) and labels (B, `LABELS`)."""
        pictures = torch.cat([self.face, self.fake, self.mask, self.peer, self.peer_mask], 1)
        return pictures, torch.stack([self.age, self.male, self.target, self.wrong], 1)

    @classmethod
    def unpacked(cls, pictures: Tensor, labels: Tensor) -> Shown:
        return cls(*torch.split(pictures, [3, 3, 1, 3, 1], 1), *labels.unbind(1))

    def with_blotches(self, blotches: Tensor) -> Shown:
        """The same, but where there are ``blotches`` (B, 1, S, S), the edit is the source with these added.

        Its peer is then the source itself, and its target age the source's.
        """
        chosen = (blotches != 0).any(3, keepdim=True).any(2, keepdim=True)
        blotched = (self.face + self.mask * blotches).clamp(-1, 1)
        flat = chosen.flatten()
        return replace(
            self,
            fake=torch.where(chosen, blotched, self.fake),
            peer=torch.where(chosen, self.face, self.peer),
            peer_mask=torch.where(chosen, self.mask, self.peer_mask),
            target=torch.where(flat, self.age, self.target),
        )


@dataclass
class Step:
    """What was drawn for a step, and the edits that were made of it."""

    source: Batch
    peer: Batch
    """Other real people of the target ages."""
    shifts: tuple[tuple[int, int], tuple[int, int]]
    """Shifts of what the critics see: while the generator learns, and while they learn themselves."""
    jitter: tuple[int, int]
    """Shift of what VGG16 sees."""
    covering: Tensor
    """Opacity (B, 1, S, S) of what was drawn before the sources; zero for most."""
    inner: Tensor
    """Masks (B, 1, S, S) of the face without hair."""
    race: Tensor
    """Race codes of the sources (B,), or -1."""
    target: Tensor
    """Ages to edit to (B,), in years."""
    wrong: Tensor
    """Ages (B,) that the sources clearly do not have, in years."""
    affine: Tensor
    """Affine matrices (B, 2, 3), by which edits are augmented for the teachers."""
    blotches: Tensor
    """Blotches (B, 1, S, S) for the critics; zero for most faces."""
    coins: Tensor
    """Random numbers (B, 2) for the replay buffers."""
    shown: Shown = field(init=False)
    """What the critics learn from in this step; set by the generator's loss."""


def shifted(shift: tuple[int, int], *pictures: Tensor) -> tuple[Tensor, ...]:
    """``pictures`` (B, C, S, S), all shifted alike, so that places can still be compared."""
    moved = translate(torch.cat(pictures, 1), shift)
    return torch.split(moved, [each.shape[1] for each in pictures], 1)


def draw_step(
    pool: FacePool,
    options: DeltaOptions,
    count: int,
    rng: np.random.Generator,
    shard: Shard,
    device: torch.device,
) -> Step:
    """Draw a step of ``count`` faces of ``pool``, with targets, peers, coverings and all that augments them.

    Returns this ``shard`` of them, on ``device``. Everything is drawn for the whole step, which is therefore the same
    however it is divided.
    """
    chosen, mirrored = pool.choose(count, rng)
    ages = pool.ages[chosen]
    near = np.clip(ages + rng.uniform(-NEAR, NEAR, count), *options.targets).astype(np.float32)
    targets = np.where(rng.random(count) < options.near, near, far_ages(ages, options.targets, rng, gap=4))
    wrong = far_ages(ages, options.targets, rng, gap=15)
    affine = draw_affine(count, rng, degrees=10, zoom=(0.9, 1.1), shift=0.05)
    reach = int(pool.cache.size * options.translate)
    peers = shard.slice(pool.like(targets, pool.male[chosen], rng))
    coins = shard.slice(rng.random((count, 2)))
    blotches = draw_blotches(count, rng, size=pool.cache.size, strength=BLOTCHES)
    blotches[rng.random(count) >= options.blotched] = 0
    seeds = np.where(rng.random(count) < options.covered, rng.integers(0, 2**31, count), -1)
    chosen, mirrored = shard.slice(chosen), shard.slice(mirrored)
    source = Batch(pool.take(chosen, mirrored), device)
    peer = Batch(pool.take(peers), device)
    inner = pool.masks(chosen, mirrored, reach="face")[:, None]
    race = pool.race[chosen]
    things = torch.from_numpy(pool.coverings(chosen, mirrored, shard.slice(seeds))).to(device)
    colour, covering = things[:, :3], things[:, 3:]
    source.face = source.face + covering * (colour - source.face)
    shifts = draw_shift(rng, reach=reach), draw_shift(rng, reach=reach)
    jitter = draw_shift(rng, reach=JITTER)
    drawn = (inner, race, *(shard.slice(each) for each in (targets, wrong, affine, blotches)), coins)
    return Step(
        source, peer, shifts, jitter, covering, *(torch.from_numpy(part).to(device) for part in drawn)
    )


def far_ages(ages: Float32, targets: tuple[float, float], rng: np.random.Generator, *, gap: float) -> Float32:
    """Ages drawn evenly between ``targets``, at least ``gap`` years from ``ages``: (B,) -> (B,), in years."""
    low, high = targets
    below = np.clip(np.minimum(ages - gap, high) - low, 0, None)  # years to draw from, below each age
    above = np.clip(high - np.maximum(ages + gap, low), 0, None)
    drawn = rng.random(len(ages)) * (below + above)
    far = np.where(drawn < below, low + drawn, np.maximum(ages + gap, low) + drawn - below)
    return np.asarray(far, np.float32)
