"""Checkpoints: whole or not at all, and exactly what was put in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

from reage.errors import ConfigError, WriteError
from reage.training import checkpoint
from reage.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights


def network(width: int = 4, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.Conv2d(width, 1, 1))
    return net.to(memory_format=torch.channels_last)


def optimiser(net: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(net.parameters(), 1e-2, betas=(0.0, 0.99))


def learn(net: nn.Module, adam: torch.optim.Optimizer, seed: int) -> None:
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    adam.zero_grad()
    net(x).square().mean().backward()
    adam.step()


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    net = network()
    save_weights(tmp_path / "w.safetensors", {"net": net}, {"step": 1})
    return tmp_path / "w.safetensors"


def test_a_run_goes_on_from_a_checkpoint_as_if_never_interrupted(tmp_path: Path) -> None:
    nets = {"one": network(seed=0), "two": network(seed=1)}
    adams = {name: optimiser(net) for name, net in nets.items()}
    for step in range(3):
        for name, net in nets.items():
            learn(net, adams[name], step)
    save_checkpoint(tmp_path / "c.safetensors", nets, adams, {"step": 3, "family": "age"})

    others = {"one": network(seed=2), "two": network(seed=3)}
    their_adams = {name: optimiser(net) for name, net in others.items()}
    about = load_checkpoint(tmp_path / "c.safetensors", others, their_adams)

    assert about == {"step": 3, "family": "age"}
    for name, net in nets.items():
        assert equal(net.state_dict(), others[name].state_dict())
        mine, theirs = (a[name].state_dict()["state"] for a in (adams, their_adams))
        assert mine.keys() == theirs.keys()
        assert all(equal(mine[index], theirs[index]) for index in mine)
        for ours, adam in ((net, adams[name]), (others[name], their_adams[name])):
            learn(ours, adam, 9)
        assert equal(net.state_dict(), others[name].state_dict())


def test_weights_can_be_read_from_a_checkpoint_too(tmp_path: Path) -> None:
    net, other = network(seed=0), network(seed=1)
    adam = optimiser(net)
    learn(net, adam, 0)
    save_checkpoint(tmp_path / "c.safetensors", {"net": net}, {"it": adam}, {"step": 1})
    assert load_weights(tmp_path / "c.safetensors", {"net": other}) == {"step": 1}
    assert equal(net.state_dict(), other.state_dict())


def test_an_optimiser_that_never_moved_is_restored_too(tmp_path: Path) -> None:
    net = network()
    save_checkpoint(tmp_path / "c.safetensors", {"net": net}, {"it": optimiser(net)}, {})
    adam = optimiser(net)
    load_checkpoint(tmp_path / "c.safetensors", {"net": net}, {"it": adam})
    learn(net, adam, 0)


def test_a_file_is_named_by_network_and_parameter_and_tells_its_step(saved: Path) -> None:
    with safe_open(saved, "pt") as file:
        assert sorted(file.keys())[:2] == ["net/0.bias", "net/0.weight"]
        assert file.metadata() == {"about": '{"step": 1}'}


def test_saving_replaces_the_file_and_leaves_no_other(saved: Path) -> None:
    save_weights(saved, {"net": network(seed=5)}, {"step": 2})
    assert load_weights(saved, {"net": network()})["step"] == 2
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full_disk(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(WriteError, match=r"cannot be written: .*No space"):
        save_weights(saved, {"net": network(seed=5)}, {"step": 2})
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize(
    ("networks", "named"),
    [({"net": network(6)}, "net"), ({"other": network()}, "other"), ({"net": nn.Linear(2, 2)}, "net")],
    ids=["another width", "another name", "another kind"],
)
def test_weights_of_another_network_are_refused_in_one_line(saved: Path, networks: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=f"weights of '{named}' do not fit") as caught:
        load_weights(saved, networks)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"not safetensors", bytes(100), None], ids=["empty", "text", "zeros", "cut"]
)
def test_garbage_is_refused(saved: Path, content: bytes | None) -> None:
    saved.write_bytes(saved.read_bytes()[:-20] if content is None else content)
    with pytest.raises(ConfigError, match="not a readable checkpoint") as caught:
        load_weights(saved, {"net": network()})
    assert str(saved) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.safetensors"):
        load_weights(tmp_path / "none.safetensors", {"net": network()})
