"""The lines of a run on the console."""

import re
from pathlib import Path

import pytest

from reage.training.trainer import Trainer

from .tiny import age_settings, at_step, cycle_settings, latent_settings

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


def test_a_cyclegan_run_names_its_losses_as_the_aging_gan_project_did(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"adversarial": 2.0, "cycle": 4.0, "identity": 0.5, "r1": 0}
    Trainer(cycle_settings(cache, options=options, steps=2), tmp_path / "run").run()
    (line,) = [line for line in lines(capsys) if line.startswith("Epoch")]
    names = ["loss_DX", "loss_DY", "loss_gen_total", "loss_g_adv", "loss_f_adv", "loss_cyc", "loss_id"]
    assert re.findall(r"(\w+):", line) == names
    found = dict(zip(names, map(float, re.findall(NUMBER, line)), strict=True))
    assert found["loss_gen_total"] == pytest.approx(sum(found[name] for name in names[3:]), abs=3e-4)
    assert found["loss_cyc"] > found["loss_id"] > 0  # with their weights, 8 times as much


def test_what_was_measured_of_each_epoch_and_of_the_test_is_told_too(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = Trainer(age_settings(cache, steps=6, sample_every=3), tmp_path / "run")
    trainer.run()
    assert trainer.best is not None
    told = [line for line in capsys.readouterr().err.splitlines() if re.match("Validation|Test", line)]
    assert [line.split(" | ")[0].split(",")[0] for line in told] == [
        "Validation of epoch 1", "Validation of epoch 2", f"Test of epoch {trainer.best['epoch']}",
    ]  # fmt: skip
    assert [", the best so far" in line for line in told] == [True, trainer.best["epoch"] == 2, False]
    assert all(re.search(rf"years_error: {NUMBER}", line) for line in told)
