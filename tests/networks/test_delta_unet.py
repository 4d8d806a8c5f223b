"""The flagship generator: shapes, the identities it promises, and that all of it can learn."""

import pytest
import torch
from torch import Tensor

from reage.networks.delta_unet import MAX_CHROMA, MAX_GAIN, MAX_LUMA, DeltaUNet

BT601 = torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]


def unet(*, awake: bool = True, lines: bool = False) -> DeltaUNet:
    """A narrow network; ``awake`` gives random values to all that is zero at the start."""
    torch.manual_seed(0)
    network = DeltaUNet((8, 16, 24), condition=16, lines=lines)
    if awake:
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.2)
    return network


def inputs(batch: int, size: int = 32, seed: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    face = torch.rand(batch, 3, size, size, generator=draw) * 2 - 1
    source, target = (torch.rand(batch, generator=draw) * 60 + 16 for _ in range(2))
    return face, source, target, torch.rand(batch, generator=draw).round()


@pytest.mark.parametrize("size", [64, 96])
def test_an_edit_has_the_size_of_the_face(size: int) -> None:
    delta, gain = unet()(*inputs(2, size))
    assert delta.shape == (2, 3, size, size)
    assert gain.shape == (2, 1, size, size)
    assert delta.dtype == gain.dtype == torch.float32


def test_training_starts_from_the_identity() -> None:
    delta, gain = unet(awake=False)(*inputs(2))
    assert not delta.any()
    assert not gain.any()


def test_the_same_age_in_and_out_is_exactly_the_identity_whatever_the_weights() -> None:
    face, source, _, male = inputs(3)
    delta, gain = unet()(face, source, source.clone(), male)
    assert not delta.any()
    assert not gain.any()


def test_the_edit_grows_smoothly_from_the_same_age() -> None:
    face, source, _, male = inputs(1)
    network = unet().requires_grad_(False)
    sizes = [float(network(face, source, source + gap, male)[0].abs().mean()) for gap in (0.1, 1.0, 10.0)]
    assert 0 < sizes[0] < 0.02 * sizes[2]
    assert sizes[0] < sizes[1] < sizes[2]


def test_spots_are_filtered_out_of_edits_to_older_ages_alone() -> None:
    face, source, _, male = inputs(1)
    plain, filtered = unet().requires_grad_(False), unet(lines=True).requires_grad_(False)
    for years, same in ((-20, True), (20, False)):
        changes = [
            (network(face, source, source + years, male)[0] * BT601).sum(1) for network in (plain, filtered)
        ]
        assert torch.equal(*changes) == same
    assert changes[1].square().sum() < changes[0].square().sum()


def test_far_edits_are_emphasised_and_near_ones_are_not() -> None:
    face, source, _, male = inputs(1)
    network = unet().requires_grad_(False)
    for gap, factor in ((10.0, 1.0), (-32.5, 1.1), (50.0, 1.2), (-60.0, 1.2)):
        network.emphasis = 0.0
        plain = network(face, source, source + gap, male)
        network.emphasis = 0.2
        for before, after in zip(plain, network(face, source, source + gap, male), strict=True):
            torch.testing.assert_close(after, factor * before)


def test_edits_stay_within_their_bounds_even_with_absurd_weights() -> None:
    network = unet()
    with torch.no_grad():
        network.head.weight.mul_(1e3)
        network.chroma[-1].weight.mul_(1e3)
    delta, gain = network(*inputs(2))
    assert delta.abs().max() <= MAX_LUMA + 1.772 * MAX_CHROMA
    assert 0 < gain.abs().max() <= MAX_GAIN


def test_one_head_moves_luma_alone_and_the_other_chroma_alone() -> None:
    face, source, target, male = inputs(2)
    network = unet()
    with torch.no_grad():
        network.chroma[-1].weight.zero_()
        network.chroma[-1].bias.zero_()
    grey = network(face, source, target, male)[0]
    assert grey.abs().max() > 0.01
    torch.testing.assert_close(grey, grey[:, :1].expand_as(grey))

    network = unet()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.zero_()
    tint = network(face, source, target, male)[0]
    assert tint.abs().max() > 0.01
    assert (tint * BT601).sum(1).abs().max() < 1e-6


def test_the_gradient_reaches_every_parameter() -> None:
    network = unet()
    delta, gain = network(*inputs(2))
    (delta.square().mean() + gain.square().mean()).backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_a_face_is_edited_alike_alone_and_in_company() -> None:
    network, everything = unet(), inputs(4)
    together = network(*everything)
    alone = network(*(x[2:3] for x in everything))
    for one, many in zip(alone, together, strict=True):
        torch.testing.assert_close(one, many[2:3], atol=1e-5, rtol=0)


def test_age_and_gender_steer_the_edit() -> None:
    face, source, target, male = inputs(2)
    network = unet()
    base = network(face, source, target, male)[0]
    for other in (network(face, source, target + 20, male), network(face, source, target, 1 - male)):
        assert (other[0] - base).abs().max() > 1e-4
