"""The ResNet generator: a picture in, a picture of the same size out."""

import pytest
import torch
from torch import nn

from reage.networks.cyclegan import Norm, PatchDiscriminator, ReplayBuffer, ResNetGenerator


def test_a_picture_of_the_same_size_and_range_comes_out() -> None:
    torch.manual_seed(0)
    network = ResNetGenerator(width=8, blocks=2).requires_grad_(False)
    for size in (32, 44):
        x = torch.rand(2, 3, size, size) * 2 - 1
        out = network(x)
        assert out.shape == x.shape
        assert out.abs().max() <= 1
        torch.testing.assert_close(network(x[1:]), out[1:], atol=1e-5, rtol=0)


def test_the_gradient_reaches_every_weight() -> None:
    torch.manual_seed(0)
    network = ResNetGenerator(width=8, blocks=1)
    (network(torch.rand(1, 3, 16, 16) * 2 - 1) * torch.randn(1, 3, 16, 16)).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_critic_judges_patches(norm: Norm, spectral: bool) -> None:
    torch.manual_seed(0)
    critic = PatchDiscriminator(4, norm, spectral=spectral).eval().requires_grad_(False)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    logits = critic(x)
    assert logits.shape == (2, 1, 6, 6)
    far = x.clone()
    far[:, :, :4, :4] = 0
    if (
        norm == "batch" and not spectral
    ):  # norms of the instance see the whole face, and pass a little of it on
        moved = (critic(far) - logits).abs().flatten(2)
        assert moved[..., 0].mean() > 5 * moved[..., -1].mean()


def test_the_batch_norm_generator_has_running_statistics_and_the_other_has_none() -> None:
    kinds = {norm: {type(m) for m in ResNetGenerator(4, 1, norm).modules()} for norm in ("instance", "batch")}
    assert nn.BatchNorm2d in kinds["batch"]
    assert nn.BatchNorm2d not in kinds["instance"]
    assert nn.InstanceNorm2d in kinds["instance"]


def test_the_replay_buffer_fills_then_swaps_half_and_loses_nothing() -> None:
    buffer = ReplayBuffer(3, 3, 4, 4)
    fakes = torch.arange(1.0, 9.0)[:, None, None, None].expand(8, 3, 4, 4)
    coins = torch.tensor([[0.9, 0.0]] * 3 + [[0.2, 0.5], [0.8, 0.0], [0.2, 0.99], [0.2, 0.5], [0.6, 0.1]])
    shown = buffer.exchange(fakes, coins)[:, 0, 0, 0].tolist()
    assert shown == [1, 2, 3, 2, 5, 3, 4, 8]  # 4 swaps with 2, 6 with 3, 7 with the 4 put there
    assert buffer.stored[:, 0, 0, 0].tolist() == [1, 7, 6]
    again = ReplayBuffer(3, 3, 4, 4)
    again.load_state_dict(buffer.state_dict())
    assert int(again.filled) == 3
