"""The age network and the critic that grows from its trunk."""

import pytest
import torch
from torch import nn

from reage.networks.age_net import BINS, AgeNet, expected_age
from reage.networks.critics import AgeTrunkCritic, PatchCritic

WIDTHS = (8, 16, 24)


def faces(batch: int, size: int = 32) -> torch.Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1


def critic() -> AgeTrunkCritic:
    """A critic whose opinion depends on the condition, as it does once trained."""
    torch.manual_seed(0)
    network = AgeTrunkCritic(WIDTHS)
    for head in network.heads:
        nn.init.normal_(head.project.weight)
    return network


@pytest.mark.parametrize("age", [0, 37, 100])
def test_a_certain_network_says_the_age_it_is_certain_of(age: int) -> None:
    logits = torch.zeros(1, BINS)
    logits[0, age] = 1e4
    assert expected_age(logits).item() == age


def test_an_uncertain_network_says_the_mean() -> None:
    logits = torch.full((2, BINS), -1e4)
    logits[0, [20, 40]] = 0
    logits[1] = 0
    torch.testing.assert_close(expected_age(logits), torch.tensor([30.0, 50.0]))
    assert expected_age(logits.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("size", [32, 48])
def test_the_age_network_answers_for_each_face_by_itself(size: int) -> None:
    torch.manual_seed(0)
    network, x = AgeNet(WIDTHS).eval(), faces(3, size)
    age, male = network(x)
    assert age.shape == (3, BINS)
    assert male.shape == (3,)
    for i in range(3):
        ours, theirs = network(x[i : i + 1])
        torch.testing.assert_close(ours, age[i : i + 1])
        torch.testing.assert_close(theirs, male[i : i + 1])
    assert (age[0] - age[1]).abs().max() > 1e-4


def test_the_trunk_has_maps_at_a_quarter_an_eighth_and_a_sixteenth_of_the_side() -> None:
    maps = AgeNet(WIDTHS).trunk(faces(1))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 8, 8), (16, 4, 4), (24, 2, 2)]


def test_the_critic_takes_the_trunk_of_an_age_network() -> None:
    teacher, network = AgeNet(WIDTHS).eval(), critic()
    network.trunk.load_state_dict(teacher.trunk.state_dict())
    network.train()
    for ours, theirs in zip(network.trunk(faces(2)), teacher.trunk(faces(2)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_training_the_critic_leaves_its_batch_norm_statistics_frozen() -> None:
    network = critic()
    network.train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    places, pooled = network(faces(4))
    fits = network.judge(pooled, torch.full((4,), 30.0), torch.ones(4))
    (fits.sum() + sum(p.sum() for p in places)).backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert network.heads[0].training
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_the_critic_judges_places_with_every_head_and_notices_where_a_face_was_painted_on() -> None:
    network, x = critic(), faces(3, 64)
    network.eval()
    painted = x.clone()
    painted[:, :, :6, :6] = 1
    (before, _), (after, _) = network(x), network(painted)
    assert [tuple(p.shape) for p in before] == [(3, 1, 16, 16), (3, 1, 8, 8), (3, 1, 4, 4)]
    for ours, theirs in zip(before, after, strict=True):
        change = (ours - theirs).abs().mean((0, 1))
        assert change[0, 0] > 3 * change[-1, -1]
    assert not (before[0] - after[0])[:, :, 8:].any()  # far from it, the finest head sees the same as before


def test_the_opinion_on_a_face_does_not_depend_on_its_company() -> None:
    network, x = critic().train(), faces(4)
    age, male = torch.tensor([20.0, 40, 60, 80]), torch.tensor([0.0, 1, 0, 1])
    (many, pooled), (one, alone) = network(x), network(x[:1])
    for ours, theirs in zip(one, many, strict=True):
        torch.testing.assert_close(ours, theirs[:1])
    together = network.judge(pooled, age, male)
    torch.testing.assert_close(together[:, :1], network.judge(alone, age[:1], male[:1]))


def test_pooled_features_are_reusable_with_other_conditions() -> None:
    network, x = critic(), faces(3)
    age, male = torch.tensor([20.0, 40, 60]), torch.tensor([0.0, 1, 0])
    pooled = network(x)[1]
    before = [p.clone() for p in pooled]
    right = network.judge(pooled, age, male)
    assert right.shape == (3, 3)  # (heads, B)
    for other in ((age, 1 - male), (age + 30, male)):
        wrong = network.judge(pooled, *other)
        torch.testing.assert_close(wrong, network.judge(network(x)[1], *other))
        assert (right - wrong).abs().min() > 1e-4
    torch.testing.assert_close(network.judge(pooled, age, male), right)
    assert all(torch.equal(p, q) for p, q in zip(pooled, before, strict=True))


def test_a_new_critic_has_no_opinion_on_the_condition() -> None:
    network = AgeTrunkCritic(WIDTHS)
    age, male = torch.tensor([20.0, 40]), torch.tensor([0.0, 1])
    pooled = network(faces(2))[1]
    torch.testing.assert_close(network.judge(pooled, age, male), network.judge(pooled, age + 30, 1 - male))


def test_the_critic_of_patches_sees_small_patches_only() -> None:
    critic, face = PatchCritic(8), torch.rand(1, 3, 64, 64)
    changed = face.clone()
    changed[:, :, :8, :8] += 1
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, 32:, 32:] = 1
    torch.testing.assert_close(critic(changed, mask), critic(face, mask))
    assert (critic(changed, 1 - mask) - critic(face, 1 - mask)).abs().max() > 1e-4


def test_the_critic_of_patches_judges_ages_once_it_has_an_opinion_on_them() -> None:
    torch.manual_seed(0)
    critic, young = PatchCritic(8), torch.tensor([20.0, 30.0])
    pooled, male = critic(torch.rand(2, 3, 64, 64), torch.ones(2, 1, 64, 64)), torch.tensor([1.0, 0.0])
    assert pooled.shape == (2, 32)
    assert critic.realness(pooled).shape == (2,)
    torch.testing.assert_close(critic.judge(pooled, young, male), critic.judge(pooled, young + 40, 1 - male))
    torch.nn.init.normal_(critic.project.weight)
    assert (critic.judge(pooled, young, male) - critic.judge(pooled, young + 40, male)).abs().min() > 1e-4
