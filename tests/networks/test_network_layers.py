"""Blocks and conditioning: what they must leave alone, and what they must remove."""

import pytest
import torch

from reage.networks.conditioning import MAX_AGE, AgeFeatures, AgePairEmbedding, FiLM
from reage.networks.layers import BinomialBlur, FiLMResBlock, GroupNorm


def test_the_blur_keeps_constants() -> None:
    flat = torch.tensor([0.25, -1.0])[None, :, None, None].expand(3, 2, 5, 7)
    assert torch.equal(BinomialBlur(2)(flat), flat)


def test_the_blur_kills_the_nyquist_checkerboard() -> None:
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    checkerboard = (1.0 - 2 * ((x + y) % 2)).expand(1, 2, 8, 8)
    assert BinomialBlur(2)(checkerboard)[:, :, 1:-1, 1:-1].abs().max() == 0


def test_the_blur_spreads_an_impulse_by_the_binomial_filter_channel_by_channel() -> None:
    x = torch.zeros(1, 2, 5, 5)
    x[0, 1, 2, 2] = 16.0
    found = BinomialBlur(2)(x)
    assert torch.equal(found[0, 1, 1:4, 1:4], torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]))
    assert found[0, 0].abs().max() == 0


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 1), (24, 3), (20, 2), (160, 20)])
def test_group_norm_divides_the_channels_into_groups_of_about_eight(channels: int, groups: int) -> None:
    assert GroupNorm(channels).num_groups == groups


def test_group_norm_keeps_the_type_it_is_given() -> None:
    x = torch.randn(2, 8, 4, 4)
    norm = GroupNorm(8)
    with torch.autocast("cpu", torch.bfloat16):
        low = norm(x.bfloat16())
        assert low.dtype == torch.bfloat16
        assert norm(x).dtype == torch.float32
    torch.testing.assert_close(low.float(), norm(x), atol=0.05, rtol=0)


def test_film_and_its_residual_block_start_as_the_identity() -> None:
    x, condition = torch.randn(2, 8, 6, 6), torch.randn(2, 5)
    assert torch.equal(FiLM(5, 8)(x, condition), x)
    assert torch.equal(FiLMResBlock(8, 8, 5)(x, condition), x)
    assert FiLMResBlock(8, 16, 5)(x, condition).shape == (2, 16, 6, 6)


def test_film_scales_and_shifts_each_channel_by_its_condition() -> None:
    film = FiLM(1, 2)
    with torch.no_grad():
        film.affine.weight.copy_(torch.tensor([[1.0], [0.0], [0.0], [3.0]]))  # gamma, gamma, beta, beta
    found = film(torch.ones(2, 2, 1, 1), torch.tensor([[0.0], [2.0]]))
    assert found[:, :, 0, 0].tolist() == [[1.0, 1.0], [3.0, 7.0]]


def test_age_features_are_gaussians_around_even_centres_and_the_age_itself() -> None:
    features = AgeFeatures(centres=5, width=8.0)
    centres = torch.linspace(0, MAX_AGE, 5)
    found = features(centres)
    assert found.shape == (5, features.size) == (5, 6)
    torch.testing.assert_close(found[:, :5].diagonal(), torch.ones(5))
    torch.testing.assert_close(found[:, 5], centres / 100)
    torch.testing.assert_close(features(centres[2:3] + 8)[0, 2], torch.tensor(-0.5).exp())


def test_neighbouring_ages_have_similar_features_and_distant_ones_do_not() -> None:
    basis = AgeFeatures()(torch.tensor([40.0, 42.0, 80.0]))[:, :-1]
    near, far = (torch.cosine_similarity(basis[0], basis[i], 0) for i in (1, 2))
    assert near > 0.95
    assert far < 0.1


def test_the_pair_embedding_hears_each_of_its_three_inputs() -> None:
    torch.manual_seed(0)
    embed = AgePairEmbedding(12)
    age, other, male = torch.tensor([30.0]), torch.tensor([60.0]), torch.tensor([1.0])
    base = embed(age, age, male)
    assert base.shape == (1, 12)
    for changed in (embed(other, age, male), embed(age, other, male), embed(age, age, 1 - male)):
        assert not torch.allclose(base, changed)
