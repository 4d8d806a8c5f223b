"""The ResNet generator: a picture in, a picture of the same size out."""

import torch

from reage.networks.cyclegan import ResNetGenerator


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
