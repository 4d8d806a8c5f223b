"""The lines of a run on the console."""

import re
from pathlib import Path

import pytest

from reage.training.trainer import Trainer

from .tiny import age_settings, at_step, latent_settings

NUMBER = r"-?\d+\.\d{4}"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = [line.rstrip() for line in capsys.readouterr().err.splitlines()]
    return [line for line in said if line.startswith(("Starting", "Going on", "Epoch", "Training"))]


def test_a_latent_run_says_what_its_founding_project_said(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(latent_settings(cache, steps=6, sample_every=3, log_every=2), tmp_path / "run").run()
    said = lines(capsys)
    losses = [line for line in said if line.startswith("Epoch")]
    assert [line for line in said if line not in losses] == [
        "Starting epoch 1/2", "Starting epoch 2/2", "Training finished.",
    ]  # fmt: skip
    pairs = rf"{NUMBER} / {NUMBER}"
    expected = rf"D_loss: {NUMBER} G_loss: {NUMBER} Adv\(D/G\): {pairs} Age\(D/G\): {pairs} Rec: {NUMBER}"
    for line, (epoch, step) in zip(losses, [(1, 2), (2, 4), (2, 6)], strict=True):
        assert re.fullmatch(rf"Epoch {epoch} Step {step} \| {expected}", line)


def test_without_ages_their_losses_are_not_named(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(latent_settings(cache, options={"conditional": False}, steps=2), tmp_path / "run").run()
    (line,) = [line for line in lines(capsys) if line.startswith("Epoch")]
    assert "Adv(D/G)" in line
    assert "Age" not in line


def test_a_stopped_run_is_not_called_finished_and_says_where_it_goes_on(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = age_settings(cache, steps=6, sample_every=3, log_every=2)
    stopped = Trainer(settings, tmp_path / "run")
    at_step(stopped, 3, lambda: stopped.stop(15)).run()
    said = lines(capsys)
    assert said[0] == "Starting epoch 1/2"
    assert re.fullmatch(rf"Epoch 1 Step 2 \| age_loss: {NUMBER}", said[1])
    assert said[-1].startswith("Epoch 2 Step 4")
    Trainer(settings, tmp_path / "run", resume=True).run()
    said = lines(capsys)
    assert said[0] == "Going on in epoch 2/2"
    assert said[-1] == "Training finished."
