"""A step is the same step however its faces are divided: among accumulated batches, or among processes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from reage.training.checkpoint import checkpoints
from reage.training.config import TrainSettings, read_settings
from reage.training.trainer import Trainer

from .tiny import cycle_settings, delta_settings, latent_settings


def figures(run: Path) -> list[dict[str, float]]:
    """What the losses were, at each line of the log."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "/" in key} for line in lines if len(line) > 3]


@pytest.fixture(scope="module")
def beginning(cache: Path, age_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose generator of the delta family already edits.

    A new one makes no edits at all. What a critic first learns from pairs without a difference is rounding error, which
    is another one for every division of a batch, and which Adam enlarges.
    """
    folder = tmp_path_factory.mktemp("beginning") / "run"
    trainer = Trainer(delta_settings(cache, age_run), folder)
    torch.manual_seed(0)
    for parameter in trainer.updater.averages["generator"].parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    trainer.save()
    return folder


def settings_of(family: str, cache: Path, teacher: Path, **changes: Any) -> TrainSettings:
    if family == "cyclegan":  # the replay buffer is each process's own
        return cycle_settings(cache, options={"replay": 0, "spectral": False}, **changes)
    if family == "delta":
        return delta_settings(cache, teacher, **changes)
    return latent_settings(cache, **changes)


def assert_same_losses(one: Path, other: Path) -> None:
    ours, theirs = figures(one), figures(other)
    assert len(ours) == len(theirs) >= 2
    for mine, yours in zip(ours, theirs, strict=True):
        assert mine.keys() == yours.keys()
        for key in mine.keys() - {
            "critic/accuracy",
            "texture/accuracy",
        }:  # a share of signs, of differences that are nearly nothing
            assert mine[key] == pytest.approx(yours[key], rel=2e-2, abs=2e-3), key


@pytest.mark.parametrize("family", ["delta", "latent-cgan", "cyclegan"])
def test_two_accumulated_batches_are_one_of_twice_the_size(
    family: str, cache: Path, age_run: Path, beginning: Path, tmp_path: Path
) -> None:
    start = {"start_from": beginning} if family == "delta" else {}
    Trainer(settings_of(family, cache, age_run, batch=8, **start), tmp_path / "one").run()
    Trainer(settings_of(family, cache, age_run, batch=4, accumulate=2, **start), tmp_path / "two").run()
    assert_same_losses(tmp_path / "one", tmp_path / "two")


@pytest.fixture(scope="module")
def two(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in two processes, whose clocks do not always agree on whether to save."""
    run = tmp_path_factory.mktemp("two") / "run"
    launch_two(latent_settings(cache, checkpoint_minutes=0.002, keep_checkpoints=9), run)
    return run


def test_two_processes_are_one_with_twice_the_batch(cache: Path, two: Path, tmp_path: Path) -> None:
    one, start = (Trainer(latent_settings(cache, batch=8), tmp_path / run) for run in ("one", "start"))
    one.run()
    start.save()
    assert_same_losses(tmp_path / "one", two)
    ours, theirs, before = (
        load_file(run / "weights.safetensors") for run in (tmp_path / "one", two, tmp_path / "start")
    )

    def apart(these: dict[str, torch.Tensor], those: dict[str, torch.Tensor]) -> float:
        return float(
            torch.cat([(these[key].float() - those[key].float()).abs().flatten() for key in these]).mean()
        )

    assert apart(ours, theirs) < 0.1 * apart(ours, before)


def test_two_processes_save_at_the_same_steps_whatever_their_clocks_say(two: Path, tmp_path: Path) -> None:
    run = shutil.copytree(two, tmp_path / "two")
    assert checkpoints(run)[-1].name == "step00000006.safetensors"
    launch_two(read_settings(run), run, "epochs=3", "--resume")
    assert checkpoints(run)[-1].name == "step00000009.safetensors"


def launch_two(settings: TrainSettings, output: Path, *more: str) -> None:
    """Train in two processes of this machine, as a user would start them."""
    recipe = output.with_suffix(".yaml")
    recipe.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    # --multi_gpu is accelerate's name for starting several processes, with or without GPUs.
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [
        *launch,
        "--main_process_port",
        "0",
        "-m",
        "reage.training",
        str(recipe),
        *more,
        "-o",
        str(output),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("in 2 processes") == 1
