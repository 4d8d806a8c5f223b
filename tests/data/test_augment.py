"""Augmentation: no strength is no change, and content moves as it should."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from reage.data.augment import (
    blacken_corners,
    centre_crop,
    draw_affine,
    draw_blotches,
    draw_colour,
    draw_crop,
    draw_shift,
    shift_colour,
    translate,
    warp_affine,
)


def faces(batch: int = 3, size: int = 16) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(2)) * 1.8 - 0.9


def affine(x: Tensor, degrees: float = 0, scale: float = 0, shift: float = 0, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    drawn = draw_affine(len(x), rng, degrees=degrees, zoom=(1 - scale, 1 + scale), shift=shift)
    return warp_affine(x, torch.from_numpy(drawn))


def crop(x: Tensor, margin: float = 0, degrees: float = 0, seed: int = 0) -> Tensor:
    turn = (-degrees, degrees)
    drawn = draw_crop(len(x), np.random.default_rng(seed), turn=turn, zoom=1, margin=margin)
    return warp_affine(x, torch.from_numpy(drawn))


def colour(x: Tensor, strength: float = 0, seed: int = 0) -> Tensor:
    drawn = draw_colour(len(x), np.random.default_rng(seed), strength=strength)
    return shift_colour(x, torch.from_numpy(drawn))


def moved(x: Tensor, reach: int = 0, seed: int = 0) -> Tensor:
    return translate(x, draw_shift(np.random.default_rng(seed), reach=reach))


@pytest.mark.parametrize("change", [affine, crop, colour, moved])
def test_zero_strength_is_the_identity(change: Callable[[Tensor], Tensor]) -> None:
    torch.testing.assert_close(change(faces()), faces(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda x, seed: affine(x, degrees=12, scale=0.12, shift=0.06, seed=seed),
        lambda x, seed: crop(x, margin=0.2, degrees=5, seed=seed),
        lambda x, seed: colour(x, 0.3, seed),
        lambda x, seed: moved(x, 4, seed + 3),
    ],
)
def test_shape_and_range_are_kept_and_the_seed_decides(change: Callable[[Tensor, int], Tensor]) -> None:
    drawn = [change(faces(), seed) for seed in (1, 1, 2)]
    assert drawn[0].shape == faces().shape
    assert drawn[0].abs().max() <= 1
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], faces())


def test_a_translation_moves_the_whole_batch_by_whole_pixels() -> None:
    x = torch.zeros(2, 1, 17, 17)
    x[:, :, 8, 8] = 1
    found = set()
    for seed in range(200):
        shifted = moved(x, 2, seed)
        assert torch.equal(shifted[0], shifted[1])
        assert shifted.sum() == 2
        place = shifted[0, 0].argmax().item()
        found.add((int(place) // 17 - 8, int(place) % 17 - 8))
    assert found == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_a_translation_mirrors_the_edges() -> None:
    x = torch.arange(16.0).expand(1, 1, 16, 16)
    for seed in range(20):
        shifted = moved(x, 3, seed)
        assert shifted.min() >= 0
        assert shifted.max() <= 15
        assert (shifted[..., 1:] - shifted[..., :-1]).abs().max() == 1


def centre(x: Tensor) -> Tensor:
    """Centre of mass (B, 2) of (B, 1, S, S), from the middle, in pixels."""
    offsets = torch.arange(x.shape[-1]) - (x.shape[-1] - 1) / 2
    mass = x.sum((1, 2, 3))
    return (
        torch.stack([(x.sum((1, 2)) * offsets).sum(1), (x.sum((1, 3)) * offsets).sum(1)], 1) / mass[:, None]
    )


def test_an_affine_shift_moves_each_face_by_its_own_part_of_the_side() -> None:
    x = torch.zeros(64, 1, 40, 40)
    x[:, :, 18:22, 18:22] = 1
    shifted = centre(affine(x, shift=0.1))
    assert shifted.abs().max() <= 4.01
    assert shifted.abs().max() > 3
    assert shifted.std(0).min() > 1.5


def test_an_affine_turn_and_change_of_size_leave_the_middle_where_it_is() -> None:
    x = torch.zeros(32, 1, 40, 40)
    x[:, :, 14:26, 14:26] = 1
    for changed in (affine(x, degrees=20), affine(x, scale=0.2)):
        assert centre(changed).abs().max() < 0.1
        assert not torch.allclose(changed, x)
    areas = affine(x, scale=0.2).sum((1, 2, 3)) / 144
    assert areas.min() > 0.8**2 - 0.05
    assert areas.max() < 1.2**2 + 0.05
    assert areas.max() - areas.min() > 0.3


def test_a_random_crop_magnifies_and_never_leaves_the_picture() -> None:
    row = torch.arange(40.0).expand(64, 1, 40, 40)
    cut = crop(row, margin=0.25)
    steps = cut[..., 1:] - cut[..., :-1]
    torch.testing.assert_close(steps[..., 2:-2], torch.full_like(steps[..., 2:-2], 0.8), atol=1e-4, rtol=0)
    assert cut[..., 0].min() < 1
    assert cut[..., -1].max() > 38
    assert cut[..., 0].std() > 1


def test_a_crop_of_an_enlarged_face_keeps_to_its_middle() -> None:
    row = torch.arange(40.0).expand(64, 1, 40, 40)
    drawn = draw_crop(64, np.random.default_rng(0), turn=(0, 0), zoom=1.25, margin=0.2)
    cut = warp_affine(row, torch.from_numpy(drawn))
    assert cut.min() > 3.5  # the middle four fifths: from 3.5 to 35.5
    assert cut.max() < 35.5
    assert cut[..., 0].min() < 5
    assert cut[..., -1].max() > 34
    middle = warp_affine(row, torch.from_numpy(centre_crop(64, zoom=1.25, margin=0.2)))
    torch.testing.assert_close(middle[0, 0, 0, 1:] - middle[0, 0, 0, :-1], torch.full((39,), 1 / 1.5))


def test_a_turn_is_counterclockwise_and_leaves_black_corners_where_asked() -> None:
    x = torch.zeros(1, 1, 41, 41)
    x[0, 0, 20, 34] = 1  # at three o'clock
    crop = torch.from_numpy(draw_crop(1, np.random.default_rng(0), turn=(45, 45), zoom=1, margin=0))
    turned = blacken_corners(warp_affine(x, crop), crop)
    row, column = divmod(int(turned.argmax()), 41)
    assert (row, column) == (10, 30)  # halfway to twelve
    assert turned[0, 0, 0, 0] == turned[0, 0, -1, -1] == -1
    assert turned[0, 0, 0, 20] == 0
    share = float((turned == -1).float().mean())
    assert share == pytest.approx(3 - 2 * 2**0.5, abs=0.02)  # of a square turned by 45 degrees


def test_gradients_pass_through_each_change() -> None:
    x = faces().requires_grad_()
    (affine(x, 10, 0.1, 0.05).mean() + colour(x, 0.2).mean() + moved(x, 2).mean()).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_colour_changes_are_the_same_all_over_a_face() -> None:
    flat = torch.tensor([0.3, 0.0, -0.2])[None, :, None, None].expand(4, 3, 8, 8)
    changed = colour(flat, 0.3)
    torch.testing.assert_close(changed, changed[:, :, :1, :1].expand_as(changed))
    assert changed[:, 0, 0, 0].std() > 0.02


def test_blotches_are_broad_and_no_stronger_than_asked() -> None:
    blotches = draw_blotches(200, np.random.default_rng(0), size=64, strength=0.2)
    assert blotches.shape == (200, 1, 64, 64)
    strengths = blotches.std((1, 2, 3))
    assert strengths.max() <= 0.2 + 1e-6
    assert 0.08 < strengths.mean() < 0.12
    steps = np.abs(np.diff(blotches, axis=3)).mean((1, 2, 3))
    assert (steps < 0.75 * strengths).all()  # white noise would step by 1.13
    assert 0.3 < (blotches > 0).mean() / (blotches < 0).mean() < 3  # both darker and lighter
