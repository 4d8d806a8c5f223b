"""The four networks of the age-conditioned GAN: what each version contains, and what comes out."""

import pytest
import torch
from torch import nn

from reage.networks.conditioning import FiLM
from reage.networks.latent_cgan import AgeingModel, build_networks
from reage.networks.latent_shape import DiscriminatorOutput, LatentShape
from reage.networks.layers import GatedReLU, SelfAttention

VERSIONS = {
    "1.0": (LatentShape(conditional=False), set()),
    "1.1": (LatentShape(), set()),
    "2.1": (LatentShape(gated_generator=True), {"generator"}),
    "2.2": (
        LatentShape(gated_generator=True, gated_others=True),
        {"encoder", "age_embedding", "generator", "discriminator"},
    ),
}


def small(**changes: object) -> LatentShape:
    return LatentShape(**{"size": 32, "width": 8, "latent": 12, "age": 6, **changes})  # type: ignore[arg-type]


def having(networks: dict[str, nn.Module], kind: type[nn.Module]) -> set[str]:
    return {name for name, net in networks.items() if any(isinstance(m, kind) for m in net.modules())}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_gated_blocks_where_it_should_and_nowhere_else(version: str) -> None:
    shape, gated = VERSIONS[version]
    networks = build_networks(shape)
    assert having(networks, GatedReLU) == gated
    assert ("age_embedding" in networks) == shape.conditional
    assert having(networks, SelfAttention) == having(networks, FiLM) == set()


@pytest.mark.parametrize("original", [True, False])
def test_the_founding_sizes_are_those_of_the_founding_project(original: bool) -> None:
    networks = build_networks(LatentShape(original=original))
    face = torch.zeros(2, 3, 64, 64)
    latent, _ = networks["encoder"](face)
    embedded = networks["age_embedding"](torch.tensor([20.0, 70.0]))
    assert latent.shape == (2, 256)
    assert embedded.shape == (2, 64)
    assert networks["generator"](latent, embedded, [None] * 3).shape == face.shape


def test_the_original_networks_have_as_many_weights_as_those_of_the_founding_project() -> None:
    """Counted by hand from its layers; Keras counts the running statistics of batch norm, too."""
    counts = {
        name: sum(p.numel() for p in net.parameters())
        for name, net in build_networks(LatentShape(original=True)).items()
    }
    assert counts == {
        "encoder": (3 * 8 + 8 * 16 + 16 * 32) * 9 + 56 + 2 * 48 + 33 * 256,
        "age_embedding": 2 * 64 + 65 * 64,
        "generator": 321 * 1024 + (64 * 64 + 64 * 32 + 32 * 16 + 16 * 16) * 16 + 128 + (16 * 9 + 1) * 3,
        "discriminator": (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512) * 9
        + 1472
        + 2 * 1408
        + 2 * 513,
    }
    assert counts == {
        "encoder": 14_576, "age_embedding": 4_288, "generator": 439_859, "discriminator": 3_914_626,
    }  # fmt: skip


def test_the_original_networks_see_pixels_from_zero_and_read_ages_in_range() -> None:
    torch.manual_seed(0)
    networks = build_networks(LatentShape(original=True, size=32))
    black = torch.full((1, 3, 32, 32), -1.0)
    assert networks["encoder"](black)[0].abs().max() == 0  # nothing but biases of zero
    ages = networks["discriminator"](20 * torch.randn(4, 3, 32, 32)).age
    assert (ages >= 0).all()
    assert (ages <= 116).all()
    with torch.no_grad():
        networks["generator"].to_rgb.bias.fill_(-9.0)  # type: ignore[operator, union-attr]
    assert AgeingModel(networks)(black, torch.tensor([40.0])).min() == -1


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize("gated", [False, True])
def test_faces_come_out_of_each_form_as_they_went_in(size: int, original: bool, gated: bool) -> None:
    networks = build_networks(small(size=size, original=original, gated_generator=gated, gated_others=gated))
    painted = AgeingModel(networks)(torch.rand(2, 3, size, size) * 2 - 1, torch.tensor([3.0, 116.0]))
    assert painted.shape == (2, 3, size, size)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("everything", [False, True])
def test_faces_of_each_size_come_out_as_they_went_in(size: int, everything: bool) -> None:
    names = ("gated_generator", "gated_others", "skips", "attention", "film", "age_distribution")
    networks = build_networks(small(size=size, **dict.fromkeys(names, everything)))
    face, age = torch.rand(3, 3, size, size) * 2 - 1, torch.tensor([3.0, 40.0, 116.0])
    painted = AgeingModel(networks)(face, age)
    assert painted.shape == face.shape
    assert painted.abs().max() <= 1
    output: DiscriminatorOutput = networks["discriminator"](face)
    assert output.real.shape == (3,)
    assert output.age is not None
    assert output.age.shape == (3,)
    assert (output.age_logits is not None) == everything


def test_the_age_changes_the_picture_and_a_classic_gan_has_none() -> None:
    torch.manual_seed(0)
    face, ages = torch.rand(1, 3, 32, 32) * 2 - 1, (torch.tensor([20.0]), torch.tensor([80.0]))
    conditional = AgeingModel(build_networks(small()))
    young, old = (conditional(face, age) for age in ages)
    assert (young - old).abs().max() > 1e-4
    classic = build_networks(small(conditional=False))
    young, old = (AgeingModel(classic)(face, age) for age in ages)
    assert torch.equal(young, old)
    assert classic["discriminator"](face).age is None


def test_with_a_prior_latents_have_its_range_and_their_discriminator_can_tell_them_from_it() -> None:
    torch.manual_seed(0)
    networks = build_networks(small(prior=True))
    latent, _ = networks["encoder"](torch.randn(8, 3, 32, 32) * 50)
    assert latent.abs().max() <= 1
    assert "latent_discriminator" not in build_networks(small())
    judge = networks["latent_discriminator"]
    adam = torch.optim.Adam(judge.parameters(), 3e-3)
    for _ in range(150):
        uniform, narrow = torch.rand(64, 12) * 2 - 1, torch.randn(64, 12).mul(0.3).clamp(-1, 1)
        told = judge(uniform), judge(narrow)
        loss = nn.functional.softplus(-told[0]).mean() + nn.functional.softplus(told[1]).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert (told[0] > 0).float().mean() > 0.8
    assert (told[1] < 0).float().mean() > 0.8


@pytest.mark.parametrize("flat", [False, True])
def test_the_gated_block_follows_its_equation(flat: bool) -> None:
    torch.manual_seed(0)
    block = GatedReLU(4, flat=flat)
    h = torch.randn(2, 4) if flat else torch.randn(2, 4, 5, 5)
    update, forget, admit = block.weigh(h).chunk(3, 1)
    torch.testing.assert_close(block(h), forget.sigmoid() * h + admit.sigmoid() * update.relu())
    with torch.no_grad():
        block.weigh.weight.zero_()  # type: ignore[union-attr, operator]
    torch.testing.assert_close(block(h), torch.sigmoid(torch.tensor(2.0)) * h)


def test_attention_is_the_identity_at_first_and_then_sees_every_place() -> None:
    torch.manual_seed(0)
    attend, h = SelfAttention(16), torch.randn(1, 16, 4, 4)
    assert torch.equal(attend(h), h)
    nn.init.ones_(attend.gamma)
    changed = h.clone()
    changed[..., 3, 3] += 5
    assert (attend(h) - attend(changed))[..., 0, 0].abs().max() > 1e-4


@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_gradient_reaches_every_weight(version: str, original: bool) -> None:
    torch.manual_seed(0)
    shape, _ = VERSIONS[version]
    options = {"size": 32, "width": 8, "skips": True, "film": True, "original": original}
    networks = build_networks(LatentShape(**{**shape.__dict__, **options}))
    face = torch.rand(2, 3, 32, 32) * 2 - 1
    output: DiscriminatorOutput = networks["discriminator"](
        AgeingModel(networks)(face, torch.tensor([20.0, 60.0]))
    )
    (output.real.sum() + (0 if output.age is None else output.age.sum())).backward()
    untouched = [
        f"{name}.{key}"
        for name, net in networks.items()
        for key, p in net.named_parameters()
        if p.grad is None or not p.grad.any()
    ]
    assert untouched == []
