"""Each loss on an answer worked out by hand."""

import math

import pytest
import torch

from reage.networks.age_net import BINS
from reage.training import losses


def test_an_undecided_critic_costs_log_two_either_way() -> None:
    for real in (True, False):
        assert losses.logistic_loss(torch.zeros(3, 4), real=real).item() == pytest.approx(math.log(2))


def test_a_sure_critic_costs_nothing_where_right_and_its_logit_where_wrong() -> None:
    sure = torch.full((2, 3), 50.0)
    for logits, real in ((sure, True), (-sure, False)):
        assert losses.logistic_loss(logits, real=real).item() == pytest.approx(0)
        assert losses.logistic_loss(-logits, real=real).item() == pytest.approx(50)


def test_the_generator_pays_where_the_critic_sees_the_fake_and_keeps_its_gradient() -> None:
    logits = torch.tensor([-30.0, 30.0], requires_grad=True)
    loss = losses.nonsaturating_loss(logits)
    assert loss.item() == pytest.approx(15)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([-0.5, 0], abs=1e-6)


def test_only_places_on_the_faces_count() -> None:
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, :, :4] = 1  # the upper half of one face, the lower right quarter of the other
    mask[1, :, 4:, 4:] = 1
    fine = torch.arange(32.0).reshape(2, 1, 4, 4)
    coarse = 100 + torch.arange(8.0).reshape(2, 1, 2, 2)
    less = [fine - torch.log(torch.expm1(fine + 1)), coarse]  # softplus of the difference: fine + 1, log 2
    places = torch.tensor([*range(8), 26.0, 27, 30, 31]) + 1
    found = losses.relativistic_loss(less, [fine, coarse], mask).item()
    assert found == pytest.approx((places.mean().item() + math.log(2)) / 2, rel=1e-4)


def test_the_relativistic_loss_sees_differences_alone_and_falls_where_the_first_is_more_real() -> None:
    logits, mask = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.ones(4, 1, 8, 8)
    assert losses.relativistic_loss([logits], [logits], mask).item() == pytest.approx(math.log(2))
    above, below = (
        losses.relativistic_loss([logits + shift], [logits], mask).item() for shift in (3.0, -3.0)
    )
    assert above == pytest.approx(math.log1p(math.exp(-3)))
    assert below == pytest.approx(math.log1p(math.exp(3)))


def test_a_critic_that_cannot_tell_is_right_at_half_of_the_places() -> None:
    draw = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(8, 1, 16, 16, generator=draw) for _ in range(2))
    mask = torch.ones(8, 1, 32, 32)
    assert losses.pairwise_accuracy([real], [fake], mask).item() == pytest.approx(0.5, abs=0.03)
    assert losses.pairwise_accuracy([real + 9], [fake], mask).item() == 1
    assert losses.pairwise_accuracy([real - 9], [fake], mask).item() == 0


def test_least_squares_is_the_mean_squared_distance_from_the_target() -> None:
    assert losses.least_squares_loss(torch.tensor([[1.0, 3.0]]), 1).item() == 2
    assert losses.least_squares_loss(torch.tensor([[1.0, 3.0]]), 0).item() == 5


def test_feature_matching_weighs_each_map_alike() -> None:
    small, large = torch.zeros(2, 3, 2, 2), torch.zeros(2, 5, 8, 8)
    assert losses.feature_matching_loss([small + 1, large + 3], [small, large]).item() == 2


def test_the_cosine_distance_is_that_of_directions_whatever_the_lengths() -> None:
    x = torch.tensor([[1.0, 2.0, 2.0]])
    assert losses.cosine_distance(x, 3 * x).item() == pytest.approx(0, abs=1e-6)
    assert losses.cosine_distance(x, -x).item() == pytest.approx(2)
    assert losses.cosine_distance(x, torch.tensor([[2.0, 1.0, -2.0]])).item() == pytest.approx(1)


@pytest.mark.parametrize("batch", [1, 3])
def test_r1_of_a_linear_critic_is_the_square_of_its_weights(batch: int) -> None:
    weights = torch.randn(3, 4, 5, requires_grad=True)
    real = torch.randn(batch, 3, 4, 5, requires_grad=True)
    penalty = losses.r1_penalty((real * weights).sum((1, 2, 3)) + 7, real)
    torch.testing.assert_close(penalty, weights.square().sum())
    penalty.backward()
    torch.testing.assert_close(weights.grad, 2 * weights.detach())


def test_r1_of_a_constant_slope_of_zero_is_zero() -> None:
    real = torch.randn(2, 3, 4, 4, requires_grad=True)
    assert losses.r1_penalty((real * 0).sum((1, 2, 3)), real).item() == 0


def gaussian_logits(age: float, width: float = 2.5) -> torch.Tensor:
    return (-0.5 * ((torch.arange(BINS) - age) / width) ** 2)[None]


def test_the_age_loss_is_least_at_the_right_age() -> None:
    costs = [
        losses.soft_age_cross_entropy(gaussian_logits(age), torch.tensor([40.0])).item()
        for age in range(BINS)
    ]
    assert costs.index(min(costs)) == 40
    assert costs[:41] == sorted(costs[:41], reverse=True)
    assert costs[40:] == sorted(costs[40:])
    entropy = math.log(2.5 * math.sqrt(2 * math.pi * math.e))  # of the label, below which nothing can go
    assert min(costs) == pytest.approx(entropy, abs=1e-4)


def test_the_age_loss_of_a_network_that_knows_nothing_is_log_101() -> None:
    cost = losses.soft_age_cross_entropy(torch.zeros(2, BINS), torch.tensor([0.0, 116.0]))
    assert cost.item() == pytest.approx(math.log(BINS), rel=1e-5)


def test_the_age_distance_is_in_scales_of_ten_years_for_each_face() -> None:
    logits = torch.full((2, BINS), -1e4)
    logits[0, 30], logits[1, 70] = 0, 0
    assert losses.age_distance(logits, torch.tensor([45.0, 65.0])).tolist() == pytest.approx([1.5, 0.5])


def test_the_total_variation_of_a_ramp_is_its_slope() -> None:
    ramp = 0.25 * torch.arange(6.0).expand(2, 3, 4, 6)
    assert losses.total_variation(ramp).item() == pytest.approx(0.25)
    both = ramp + 0.5 * torch.arange(4.0)[:, None]
    assert losses.total_variation(both).item() == pytest.approx(0.75)
    assert losses.total_variation(torch.ones(1, 1, 4, 4)).item() == 0


@pytest.mark.parametrize(
    "loss",
    [
        losses.nonsaturating_loss,
        lambda x: losses.logistic_loss(x, real=False),
        lambda x: losses.soft_age_cross_entropy(x, torch.tensor([20.0])),
        lambda x: losses.age_distance(x, torch.tensor([20.0])).sum(),
    ],
)
def test_losses_are_float32_whatever_the_networks_ran_in(loss: object) -> None:
    assert loss(torch.zeros(1, BINS, dtype=torch.bfloat16)).dtype == torch.float32  # type: ignore[operator]


def test_spots_are_found_and_folds_are_none() -> None:
    y, x = torch.meshgrid(torch.arange(64.0) - 32, torch.arange(64.0) - 32, indexing="ij")
    for sign in (-1, 1):
        spot = sign * 0.4 * torch.exp(-(x**2 + y**2) / (2 * 3**2))[None, None]
        found = losses.spots(spot, 3)
        assert found[0, 0, 32, 32].item() == pytest.approx(0.1, rel=0.1)
        assert found.argmax() == 32 * 64 + 32
    for fold in (x, y, (x + y) / 2**0.5):
        assert (
            losses.spots(-0.4 * torch.exp(-(fold**2) / (2 * 3**2))[None, None], 3)[..., 8:-8, 8:-8].max()
            < 0.005
        )
    two = losses.spots(torch.cat([spot, torch.zeros_like(spot)], 1), 3)
    assert torch.allclose(two[:, :1], found, atol=1e-6)
    assert not two[:, 1:].any()
    flat = torch.zeros(1, 1, 64, 64, requires_grad=True)
    losses.spots(flat, 3).square().sum().backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


def test_opponent_colours_part_brightness_from_colour() -> None:
    brighter, redder = torch.full((1, 3, 1, 1), 0.3), torch.tensor([0.2, -0.2, 0.0]).view(1, 3, 1, 1)
    assert torch.allclose(losses.opponent_colours(brighter).flatten(), torch.tensor([0.3, 0, 0]), atol=1e-7)
    assert torch.allclose(losses.opponent_colours(redder).flatten(), torch.tensor([0, 0.4, 0.0]), atol=1e-7)
