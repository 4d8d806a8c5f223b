"""Edits on tensors: exact conversions, and the same picture as the compositor of photographs makes."""

import cv2
import numpy as np
import torch

from reage.edit.compositing import DETAIL_SIGMA, Edit, composite, cut_face
from reage.edit.masks import face_mask
from reage.face.alignment import rescale_points, utkface_template
from reage.training.editing import apply_edit, gaussian_blur, to_tensor, to_uint8


def face(batch: int = 2, size: int = 24) -> torch.Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(5)) * 1.6 - 0.8


def test_all_256_levels_survive_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(2, 1, 1, 3)
    tensor = to_tensor(levels)
    assert tensor.shape == (2, 3, 16, 16)
    assert (tensor.min().item(), tensor.max().item()) == (-1, 1)
    assert torch.equal(to_uint8(tensor), levels)


def test_conversion_keeps_channels_and_places_apart() -> None:
    image = torch.zeros(1, 4, 6, 3, dtype=torch.uint8)
    image[0, 1, 5, 2] = 255
    tensor = to_tensor(image)
    assert tensor[0, 2, 1, 5] == 1
    assert (tensor == 1).sum() == 1
    assert torch.equal(to_uint8(tensor), image)


def test_out_of_range_values_are_clamped_not_wrapped() -> None:
    assert to_uint8(torch.tensor([-3.0, 0, 3.0]).reshape(1, 1, 1, 3)).flatten().tolist() == [0, 128, 255]


def test_the_blur_keeps_constants_and_means() -> None:
    flat = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(gaussian_blur(flat, 1.5), flat)
    impulse = torch.zeros(1, 1, 21, 21)
    impulse[0, 0, 10, 10] = 1
    spread = gaussian_blur(impulse, 1.5)[0, 0]
    torch.testing.assert_close(spread.sum(), torch.tensor(1.0))
    offsets = torch.arange(21.0) - 10
    assert abs((spread.sum(0) * offsets**2).sum().item() - 1.5**2) < 0.06  # variance, three sigmas of it


def test_no_edit_leaves_the_face_as_it_is() -> None:
    x = face()
    nothing = torch.zeros_like(x)
    for mask in (torch.zeros_like(x[:, :1]), torch.ones_like(x[:, :1])):
        assert torch.equal(apply_edit(x, nothing, nothing[:, :1], mask, 1.5), x)


def test_outside_the_mask_nothing_changes() -> None:
    x = face()
    mask = torch.zeros_like(x[:, :1])
    mask[..., :12] = 1
    edited = apply_edit(x, torch.full_like(x, 0.2), torch.full_like(mask, 0.5), mask, 1.5)
    assert torch.equal(edited[..., 12:], x[..., 12:])
    assert (edited[..., :12] - x[..., :12]).abs().min() > 0


def test_a_gain_of_minus_one_gives_the_blurred_face() -> None:
    x = face()
    ones = torch.ones_like(x[:, :1])
    torch.testing.assert_close(apply_edit(x, torch.zeros_like(x), -ones, ones, 1.5), gaussian_blur(x, 1.5))


def test_the_edit_of_training_is_the_edit_of_the_compositor() -> None:
    size = 64
    rng = np.random.default_rng(4)

    def smooth(channels: int, low: float, high: float) -> np.ndarray:
        coarse = rng.uniform(low, high, (6, 6, channels)).astype(np.float32)
        return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).reshape(size, size, channels)

    texture = rng.normal(0, 12, (size, size, 1))
    photo = (smooth(3, 70, 180) + texture).clip(0, 255).astype(np.uint8)
    mask = face_mask(rescale_points(utkface_template().mesh, 200, size), size)
    edit = Edit(smooth(3, -0.4, 0.4), smooth(1, -0.9, 0.9)[..., 0])

    out = photo.copy()
    identity = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    composite(photo, out, cut_face(photo, identity, mask), edit)

    tensors = [
        torch.from_numpy(a)[None] for a in (edit.delta.transpose(2, 0, 1), edit.gain[None], mask[None])
    ]
    ours = to_uint8(apply_edit(to_tensor(torch.from_numpy(photo)[None]), *tensors, DETAIL_SIGMA * size))[
        0
    ].numpy()
    assert np.abs(out.astype(int) - photo).max() > 20
    apart = np.abs(ours.astype(int) - out)
    assert apart.max() <= 1  # where one rounds up and the other down
    assert np.mean(apart == 0) > 0.99
