"""Runs averaged into one that can be exported and trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reage.errors import ConfigError, ExistsError
from reage.networks.delta_unet import DeltaUNet
from reage.training.averaging import average_runs
from reage.training.checkpoint import read_about
from reage.training.config import read_settings
from reage.training.trained import open_trained


@pytest.fixture
def shifted(delta_run: Path, tmp_path: Path) -> Path:
    """A run like the other, all of whose weights are larger by 1."""
    folder = tmp_path / "shifted"
    shutil.copytree(delta_run, folder)
    weights = folder / "weights.safetensors"
    about = {"about": '{"step": 1, "size": 32}'}
    save_file(
        {k: v + 1 if v.is_floating_point() else v for k, v in load_file(weights).items()}, weights, about
    )
    return folder


def test_generators_are_averaged_and_critics_are_of_the_first_run(
    delta_run: Path, shifted: Path, tmp_path: Path
) -> None:
    average_runs([delta_run, shifted], [3, 1], tmp_path / "mean")
    before, after = (load_file(run / "weights.safetensors") for run in (delta_run, tmp_path / "mean"))
    assert before.keys() == after.keys()
    for key, value in before.items():
        shift = 0.25 if key.startswith("generator/") and value.is_floating_point() else 0.0
        torch.testing.assert_close(after[key], value + shift if shift else value)
    about = read_about(tmp_path / "mean" / "weights.safetensors")
    assert [(mixed["run"], mixed["part"]) for mixed in about["average_of"]] == [
        ("delta", 0.75),
        ("shifted", 0.25),
    ]
    generator = open_trained(tmp_path / "mean").exported.networks["generator"]  # as an export opens it
    for key, value in generator.state_dict().items():
        torch.testing.assert_close(value, after[f"generator/{key}"])


def test_settings_may_be_changed_and_are_checked(delta_run: Path, tmp_path: Path) -> None:
    average_runs([delta_run, delta_run], [1, 1], tmp_path / "mean", ["options.emphasis=0.2"])
    assert read_settings(tmp_path / "mean").options["emphasis"] == 0.2
    generator = open_trained(tmp_path / "mean").exported.networks["generator"]
    assert isinstance(generator, DeltaUNet)
    assert generator.emphasis == 0.2
    for wrong, said in (
        ("options.emphasis=2", "emphasis"),
        ("options.nothing=1", "nothing"),
        ("x", "key=value"),
    ):
        with pytest.raises(ConfigError, match=said):
            average_runs([delta_run, delta_run], [1, 1], tmp_path / "wrong", [wrong])
    assert not (tmp_path / "wrong").exists()


def test_runs_that_do_not_match_are_refused(delta_run: Path, age_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "mean"
    with pytest.raises(ConfigError, match="at least two runs"):
        average_runs([delta_run], [1], out)
    with pytest.raises(ConfigError, match="positive numbers"):
        average_runs([delta_run, delta_run], [1, -1], out)
    with pytest.raises(ConfigError, match="generator"):
        average_runs([delta_run, age_run], [1, 1], out)
    with pytest.raises(ConfigError, match="not a run folder"):
        average_runs([tmp_path, delta_run], [1, 1], out)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(ExistsError):
        average_runs([delta_run, delta_run], [1, 1], out)
