"""The one loop: a run that was interrupted, in whatever way, is the run that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from reage.cli.main import main
from reage.data.sampling import Shard
from reage.errors import ConfigError, DataError, ReageError, WriteError
from reage.evaluation.features import lite0_features
from reage.evaluation.metrics import frechet_distance
from reage.networks.age_net import AgeNet
from reage.training import checkpoint
from reage.training.checkpoint import checkpoints, read_about
from reage.training.config import TrainSettings, read_settings
from reage.training.describe import describe
from reage.training.editing import to_tensor
from reage.training.families.delta import DeltaFamily
from reage.training.trainer import Trainer
from reage.training.updater import Updater, update_average, usable_precision
from reage.training.validation import evaluating

from .tiny import SIZE, age_settings, at_step, cycle_settings, delta_settings, write_cache

FILES = ("checkpoints/step00000006.safetensors", "weights.safetensors")
EVERY_STEP = 1e-9  # minutes between checkpoints


def assert_same_run(one: Path, other: Path) -> None:
    """Networks, averages, memories and optimisers are equal to the bit."""
    last = max(path.name for path in (one / "checkpoints").iterdir())
    for name in (f"checkpoints/{last}", "weights.safetensors"):
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []


def position(run: Path) -> int:
    """The step of the last checkpoint."""
    return int(checkpoints(run)[-1].stem.removeprefix("step"))


def log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


# -- runs that are interrupted --


def test_a_resumed_run_is_the_uninterrupted_run(
    finished: Path, settings: TrainSettings, tmp_path: Path
) -> None:
    first = Trainer(settings, tmp_path / "run")
    at_step(first, 2, lambda: first.stop(signal.SIGTERM)).run()
    assert first.step == 3
    second = Trainer(settings, tmp_path / "run", resume=True)
    assert second.step == 3
    second.run()
    assert second.step == settings.steps
    assert_same_run(finished, tmp_path / "run")


def test_a_resumed_run_is_the_uninterrupted_run_in_bfloat16_too(
    cache: Path, age_run: Path, tmp_path: Path
) -> None:
    settings = delta_settings(cache, age_run, precision="bf16", steps=4, sample_every=2)
    Trainer(settings, tmp_path / "whole").run()
    first = Trainer(settings, tmp_path / "run")
    at_step(first, 1, lambda: first.stop(signal.SIGTERM)).run()
    Trainer(settings, tmp_path / "run", resume=True).run()
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_training_moved_every_network(finished: Path, settings: TrainSettings, tmp_path: Path) -> None:
    fresh = Trainer(settings, tmp_path / "run")
    fresh.save()
    before, after = (load_file(run / "weights.safetensors") for run in (tmp_path / "run", finished))
    moved = {key.split("/")[0] for key in before if not torch.equal(before[key], after[key])}
    assert moved == set(fresh.family.networks)


def test_another_seed_is_another_run(cache: Path, age_run: Path, tmp_path: Path) -> None:
    Trainer(age_settings(cache, seed=43), tmp_path / "run").run()
    ours, theirs = (load_file(run / FILES[1])["age/age.weight"] for run in (age_run, tmp_path / "run"))
    assert not torch.equal(ours, theirs)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_step_under_way(
    number: signal.Signals, cache: Path, age_run: Path, tmp_path: Path
) -> None:
    settings, before = age_settings(cache), signal.getsignal(number)
    trainer = Trainer(settings, tmp_path / "run")
    at_step(trainer, 2, lambda: os.kill(os.getpid(), number)).run()
    assert trainer.step == 3
    assert signal.getsignal(number) is before
    Trainer(settings, tmp_path / "run", resume=True).run()
    assert_same_run(age_run, tmp_path / "run")


def test_a_command_that_was_stopped_says_so_and_fails(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(age_settings(cache, steps=3).model_dump_json())  # JSON is YAML, too
    update = Updater.update

    def interrupted(self: Updater, step: int) -> Any:
        if step == 1 and not checkpoints(run):
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self, step)

    monkeypatch.setattr(Updater, "update", interrupted)
    stopped = CliRunner().invoke(main, ["train", str(recipe), "-o", str(run)])
    assert stopped.exit_code == 128 + signal.SIGTERM
    assert "step 2 of 3, stopped; continue with --resume" in stopped.output
    done = CliRunner().invoke(main, ["train", str(recipe), "-o", str(run), "--resume"])
    assert done.exit_code == 0, done.output
    assert "step 3 of 3\n" in done.output


DIES_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
import torch
from reage.training import checkpoint
from reage.training.config import TrainSettings
from reage.training.trainer import Trainer

torch.set_num_threads(1)
save_file = checkpoint.save_file

def save_half(tensors, path, metadata):
    save_file(tensors, path, metadata)
    if '"step": 4' in metadata["about"] and "checkpoints" in str(path):
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save_file = save_half
Trainer(TrainSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2])).run()
"""


def test_a_run_killed_in_the_middle_of_a_save_resumes_to_the_same_weights(
    cache: Path, age_run: Path, tmp_path: Path
) -> None:
    settings = age_settings(cache, checkpoint_minutes=EVERY_STEP)
    command = [sys.executable, "-c", DIES_WHILE_SAVING, settings.model_dump_json(), str(tmp_path / "run")]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    survivor = Trainer(settings, tmp_path / "run", resume=True)
    assert survivor.step == 3
    survivor.run()
    assert_same_run(age_run, tmp_path / "run")


KILLED_IN_AN_EPOCH = """
import os, signal, sys
from pathlib import Path
import torch
from reage.training.config import TrainSettings
from reage.training.trainer import Trainer

torch.set_num_threads(1)
trainer = Trainer(TrainSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
draw = trainer.family.draw

def draw_or_die(step, shard):
    if step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(step, shard)

trainer.family.draw = draw_or_die
trainer.run()
"""


def test_a_run_killed_in_mid_epoch_loses_only_the_steps_since_its_last_checkpoint(
    delta_run: Path, tmp_path: Path
) -> None:
    settings = read_settings(delta_run)
    command = [sys.executable, "-c", KILLED_IN_AN_EPOCH, settings.model_dump_json(), str(tmp_path / "run")]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    survivor = Trainer(settings, tmp_path / "run", resume=True)
    assert survivor.step == 3  # the end of the first epoch
    survivor.run()
    assert_same_run(delta_run, tmp_path / "run")
    assert not list((tmp_path / "run").rglob(".reage-*"))


def test_a_full_disk_ends_the_run_in_one_line_and_the_last_checkpoint_is_good(
    cache: Path, age_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, save_file = age_settings(cache), checkpoint.save_file

    def full(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        if '"step": 6' in metadata["about"]:
            Path(path).write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        save_file(tensors, path, metadata)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(WriteError, match=r"cannot be written: .*No space left on device") as caught:
        Trainer(settings, tmp_path / "run").run()
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    survivor = Trainer(settings, tmp_path / "run", resume=True)
    assert survivor.step == 3
    survivor.run()
    assert_same_run(age_run, tmp_path / "run")


def test_only_the_last_checkpoints_are_kept(cache: Path, tmp_path: Path) -> None:
    settings = age_settings(cache, checkpoint_minutes=EVERY_STEP, keep_checkpoints=3)
    Trainer(settings, tmp_path / "run").run()
    assert [int(path.stem[4:]) for path in checkpoints(tmp_path / "run")] == [4, 5, 6]


def test_the_best_epoch_is_that_of_the_least_figure(cache: Path, tmp_path: Path) -> None:
    settings = age_settings(cache, steps=4, sample_every=1, options={"learning_rate": 1e-5})
    trainer = Trainer(settings, tmp_path / "run")
    errors = iter([9.0, 4.0, 6.0, 4.0])
    trainer.family.validate = lambda nets, split: {  # type: ignore[method-assign]
        "years_error": 1.5 if split == "test" else next(errors)
    }
    at_step(trainer, 2, lambda: trainer.stop(signal.SIGTERM)).run()
    assert trainer.best == {"figure": "years_error", "value": 4.0, "epoch": 2}
    resumed = Trainer(settings, tmp_path / "run", resume=True)
    assert resumed.best == trainer.best
    resumed.family.validate = trainer.family.validate  # type: ignore[method-assign]
    resumed.run()
    assert read_about(tmp_path / "run" / "best.safetensors")["epoch"] == 2
    test = json.loads((tmp_path / "run" / "metrics" / "test_metrics.json").read_text())
    assert test == {"split": "test", "epoch": 2, "step": 2, "years_error": 1.5}


def test_figures_on_the_test_split_are_taken_again_where_a_longer_run_found_better_weights(
    cache: Path, tmp_path: Path
) -> None:
    target, errors = tmp_path / "run" / "metrics" / "test_metrics.json", iter([9.0, 8.0, 7.0])

    def run(epochs: int, tested: float) -> dict[str, Any]:
        settings = age_settings(cache, steps=epochs, sample_every=1)
        trainer = Trainer(settings, tmp_path / "run", resume=target.exists())
        trainer.family.validate = lambda nets, split: {  # type: ignore[method-assign]
            "years_error": tested if split == "test" else next(errors)
        }
        trainer.run()
        metrics: dict[str, Any] = json.loads(target.read_text())
        return metrics

    assert run(2, 1.5)["years_error"] == 1.5
    assert run(2, 2.5)["years_error"] == 1.5  # nothing new
    longer = run(3, 3.5)
    assert (longer["epoch"], longer["years_error"]) == (3, 3.5)


def test_an_empty_validation_split_is_told_at_the_start_and_an_empty_test_split_at_the_end(
    cache: Path, tmp_path: Path
) -> None:
    for split in ("val", "test"):
        folder = tmp_path / split
        shutil.copytree(cache, folder)
        rows = pd.read_parquet(folder / "rows.parquet")
        rows.loc[rows["split"] == split, "split"] = "train"
        rows.to_parquet(folder / "rows.parquet")
    with pytest.raises(DataError, match="none is in the split val"):
        Trainer(age_settings(tmp_path / "val"), tmp_path / "run")
    with pytest.raises(DataError, match="none is in the split val"):
        Trainer(cycle_settings(tmp_path / "val"), tmp_path / "run")
    Trainer(age_settings(tmp_path / "test", steps=1), tmp_path / "run").run()
    metrics = json.loads((tmp_path / "run" / "metrics" / "test_metrics.json").read_text())
    assert "none is in the split test" in metrics["missing"]


def test_a_figure_that_there_is_not_cannot_be_the_best(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown figure 'fid'; choose one of gender_right, years_error"):
        Trainer(age_settings(cache, best_by="fid"), tmp_path / "run").run()


def test_the_kid_of_edited_faces_decides_which_epoch_is_best(cache: Path, tmp_path: Path) -> None:
    Trainer(cycle_settings(cache, kid_faces=6, steps=2), tmp_path / "run").run()
    seen = next(line["validation"] for line in log(tmp_path / "run") if "validation" in line)
    assert seen["kid"] == pytest.approx((seen["kid_older"] + seen["kid_younger"]) / 2, abs=1e-4)
    stored = load_checkpoint_about(tmp_path / "run")
    assert stored["best"]["figure"] == "kid"


def test_the_fid_is_of_the_whole_split_in_both_directions_and_decides_where_there_is_no_kid(
    cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trainer = Trainer(cycle_settings(cache, fid="lite0", steps=1), run)
    trainer.run()
    assert load_checkpoint_about(run)["best"]["figure"] == "fid"
    found = json.loads((run / "metrics" / "test_metrics.json").read_text())
    with evaluating({**trainer.family.networks, **trainer.updater.averages}) as networks:
        pairs = trainer.family.realism_pairs(networks, "test", 10**6)
    rows = pd.read_parquet(cache / "rows.parquet").query("split == 'test'")
    whole = min(rows["age"].between(16, 40).sum(), rows["age"].between(45, 90).sum())
    for direction, (edited, real) in pairs.items():
        assert len(edited) == len(real) == whole
        expected = frechet_distance(lite0_features(edited), lite0_features(real))
        assert found[f"fid_{direction}"] == pytest.approx(expected, rel=1e-3)
    assert found["fid"] == pytest.approx((found["fid_older"] + found["fid_younger"]) / 2, abs=1e-4)
    assert (
        found["fid_val"] == found["fid_older"]
    )  # by the name of the aging-gan project, which measures no other


def test_features_that_are_not_installed_are_told_before_the_first_step(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ReageError, match=r"pip install 'reage\[inception\]'"):
        Trainer(cycle_settings(cache, fid="inception"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", ["flag", "setting"])
def test_the_test_can_be_skipped(how: str, cache: Path, tmp_path: Path) -> None:
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(age_settings(cache, steps=1, test=how == "flag").model_dump_json())
    asked = ["--skip-test"] if how == "flag" else []
    assert CliRunner().invoke(main, ["train", str(recipe), "-o", str(run), *asked]).exit_code == 0
    assert (run / "weights.safetensors").exists()
    assert not (run / "metrics").exists()


def test_the_log_tells_the_learning_rates(cache: Path, tmp_path: Path) -> None:
    settings = cycle_settings(
        cache, steps=4, warmup=0, decay_from=0.5, decay_to=0, options={"critic_rate": 1e-4}
    )
    Trainer(settings, tmp_path / "run").run()
    lines = [line for line in log(tmp_path / "run") if "generators/loss" in line]
    assert [line["generators/learning_rate"] for line in lines] == pytest.approx([2e-4, 1e-4])
    assert [line["old_critic/learning_rate"] for line in lines] == pytest.approx([1e-4, 5e-5])


def load_checkpoint_about(run: Path) -> dict[str, Any]:
    return read_about(checkpoints(run)[-1])


def test_half_precision_without_a_gpu_is_full_precision() -> None:
    assert usable_precision("fp32") == "fp32"
    assert usable_precision("bf16") == "bf16"
    assert usable_precision("fp16") == ("fp16" if torch.cuda.is_available() else "fp32")


# -- runs that are refused --


def test_a_folder_whose_run_died_before_its_first_checkpoint_can_be_used_again(
    cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "settings.json").write_text("{}")
    Trainer(age_settings(cache, steps=1), tmp_path).run()
    assert position(tmp_path) == 1


def test_a_run_folder_is_not_overwritten(cache: Path, age_run: Path) -> None:
    before = {name: (age_run / name).read_bytes() for name in FILES}
    with pytest.raises(ConfigError, match="already contains a run: resume it"):
        Trainer(age_settings(cache), age_run)
    assert {name: (age_run / name).read_bytes() for name in FILES} == before


def test_nothing_can_be_resumed_where_there_is_no_checkpoint(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint"):
        Trainer(age_settings(cache), tmp_path, resume=True)


def test_a_run_that_has_gone_further_is_measured_but_does_not_go_on(
    cache: Path, age_run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(age_run, tmp_path / "run")
    trainer = Trainer(age_settings(cache, steps=1), folder, resume=True)
    with pytest.raises(ConfigError, match="already at step 6 of 1"):
        trainer.run()
    assert trainer.test() == json.loads((age_run / "metrics" / "test_metrics.json").read_text())


def test_weights_that_nobody_trained_are_not_measured(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no weights to test"):
        Trainer(age_settings(cache), tmp_path / "typo").test()
    assert not (tmp_path / "typo").exists()


def test_a_run_of_other_widths_is_not_resumed(cache: Path, age_run: Path) -> None:
    with pytest.raises(ConfigError, match="weights of 'age' do not fit"):
        Trainer(age_settings(cache, options={"widths": [16, 16, 24]}), age_run, resume=True)


def test_a_loss_that_is_not_a_number_ends_the_run_and_spares_the_checkpoint(
    cache: Path, tmp_path: Path
) -> None:
    run, healthy = tmp_path / "run", age_settings(cache, steps=9)
    first = Trainer(healthy, run)
    at_step(first, 2, lambda: first.stop(signal.SIGTERM)).run()
    wild = healthy.model_copy(update={"options": {**healthy.options, "learning_rate": 1e30}})
    with pytest.raises(ConfigError, match=r"loss of 'age' became (nan|inf) at step \d") as caught:
        Trainer(wild, run, resume=True).run()
    assert str(run) in str(caught.value)
    assert "\n" not in str(caught.value)
    resumed = Trainer(healthy, run, resume=True)
    assert resumed.step == 3
    resumed.run()
    Trainer(healthy, tmp_path / "calm").run()
    assert_same_run(run, tmp_path / "calm")


def test_a_gradient_that_is_not_a_number_never_reaches_the_weights(cache: Path, tmp_path: Path) -> None:
    settings = age_settings(cache, checkpoint_minutes=EVERY_STEP)
    trainer = Trainer(settings, tmp_path / "run")
    (objective,) = trainer.family.objectives
    healthy, weight = objective.loss, trainer.family.networks["age"].age.weight

    def kinked(batch: Any, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, figures = healthy(batch, step)
        return loss + (weight * 0).sum().sqrt() if step == 2 else loss, figures  # the slope of a root at zero

    objective.loss = kinked
    with pytest.raises(ConfigError, match=r"gradient of 'age' became nan at step 2.*resume"):
        trainer.run()
    saved = load_file(checkpoints(tmp_path / "run")[-1])
    assert all(value.isfinite().all() for value in saved.values())
    assert Trainer(settings, tmp_path / "run", resume=True).step == 2


def test_a_run_that_diverges_before_its_first_checkpoint_does_not_speak_of_one(
    cache: Path, tmp_path: Path
) -> None:
    settings = age_settings(cache, options={"learning_rate": 1e30}, warmup=0, steps=20)
    with pytest.raises(ConfigError, match="no checkpoint yet"):
        Trainer(settings, tmp_path / "run").run()


@pytest.mark.parametrize("missing", ["none", "folder"])
def test_a_teacher_that_is_not_there_is_a_mistake_of_the_settings(
    missing: str, cache: Path, tmp_path: Path
) -> None:
    if missing == "folder":
        (tmp_path / missing).mkdir()
    with pytest.raises(ConfigError, match=missing):
        Trainer(delta_settings(cache, tmp_path / missing), tmp_path / "run")


def test_a_run_that_does_not_read_ages_is_no_teacher(cache: Path, delta_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(delta_run)):
        Trainer(delta_settings(cache, delta_run), tmp_path / "run")


def test_faces_that_the_generator_cannot_halve_four_times_are_refused(age_run: Path, tmp_path: Path) -> None:
    odd = write_cache(tmp_path / "cache", train=4, val=2, size=40)
    with pytest.raises(ConfigError, match=r"40 px.*multiple of 16"):
        Trainer(delta_settings(odd, age_run), tmp_path / "run")


def test_a_run_to_start_from_that_is_not_there_is_a_mistake_of_the_settings(
    cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        Trainer(age_settings(cache, start_from=tmp_path / "nowhere"), tmp_path / "run")


# -- what a run leaves behind --


def test_a_run_can_start_from_the_weights_of_another(cache: Path, age_run: Path, tmp_path: Path) -> None:
    trainer = Trainer(age_settings(cache, start_from=age_run), tmp_path / "run")
    assert trainer.step == 0
    trainer.save()
    ours, theirs = (load_file(run / FILES[1]) for run in (tmp_path / "run", age_run))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_folder_holds_settings_log_and_weights_and_no_leftovers(
    finished: Path, settings: TrainSettings
) -> None:
    assert TrainSettings.model_validate_json((finished / "settings.json").read_text()) == settings
    entries = {entry.name for entry in finished.iterdir() if "_epoch" not in entry.name}
    assert entries - {"samples"} == {
        "settings.json", "log.jsonl", "weights.safetensors", "best.safetensors", "checkpoints", "metrics",
    }  # fmt: skip
    assert [path.name for path in checkpoints(finished)] == ["step00000003.safetensors", Path(FILES[0]).name]


def test_the_log_has_figures_and_validation_at_their_steps(age_run: Path, delta_run: Path) -> None:
    assert [(entry["step"], "validation" in entry) for entry in log(age_run)] == [
        (2, False), (3, True), (4, False), (6, False), (6, True), (6, False),
    ]  # fmt: skip
    figures, seen = log(age_run)[0], log(age_run)[-2]["validation"]
    assert log(age_run)[-1]["test"].keys() == seen.keys()
    assert figures["images_per_second"] > 0
    assert {"age/age", "age/gender", "age/years", "age/norm"} <= figures.keys()
    assert {"generator/age", "generator/norm", "critic/accuracy", "critic/norm"} <= log(delta_run)[0].keys()
    assert {"teacher_reads_25", "teacher_reads_75", "change_50"} <= log(delta_run)[-2]["validation"].keys()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_figures_of_the_log_are_those_of_the_weights_on_all_faces_of_the_split(
    split: str, age_run: Path, cache: Path
) -> None:
    weights = "weights" if split == "validation" else "best"  # the last epoch's, and the best one's
    network = AgeNet((8, 16, 24))
    checkpoint.load_weights(age_run / f"{weights}.safetensors", {"age": network})
    rows = pd.read_parquet(cache / "rows.parquet")
    chosen = (rows["split"] == {"validation": "val", "test": "test"}[split]).to_numpy()
    faces = to_tensor(torch.from_numpy(np.load(cache / "images.npy")[chosen]))
    with torch.no_grad():
        logits, male = network.eval()(faces)
    years = (logits.softmax(1) @ torch.arange(101.0)).numpy()
    found = [entry[split] for entry in log(age_run) if split in entry][-1]
    assert found["years_error"] == pytest.approx(np.abs(years - rows["age"][chosen]).mean(), rel=1e-4)
    right = (male > 0).numpy() == (rows["gender"][chosen] == "M")
    assert found["gender_right"] == pytest.approx(right.mean())


def test_a_robust_run_also_reports_its_error_under_attack(robust_run: Path) -> None:
    seen = [entry["validation"] for entry in log(robust_run) if "validation" in entry]
    assert len(seen) == 2
    for figures in seen:
        assert figures["years_error_attacked"] > figures["years_error"]


def test_the_sheet_shows_as_many_faces_as_asked_half_young_and_half_old(cache: Path, tmp_path: Path) -> None:
    settings = cycle_settings(cache, options={"young": [16, 40], "old": [45, 90]}, sample_faces=4)
    family = Trainer(settings, tmp_path / "run").family
    sheet = family.sheet(family.networks)
    assert sheet is not None
    ages = [int(row.split()[0]) for row in sheet.rows]
    assert len(sheet.cells) == 4
    assert [age <= 40 for age in ages] == [True, True, False, False]
    assert all(age >= 45 for age in ages[2:])
    family.settings = settings.model_copy(update={"sample_faces": 0})
    assert family.sheet(family.networks) is None


def test_each_epoch_leaves_a_sheet_of_a_row_a_face(finished: Path, settings: TrainSettings) -> None:
    sheets = sorted(path.name for path in finished.glob("samples/*"))
    if settings.sample_faces == 0:
        assert sheets == []
        return
    assert sheets == ["epoch0001.png", "epoch0002.png"]
    with Image.open(finished / "samples" / "epoch0002.png") as sheet:
        assert sheet.width > 3 * SIZE  # cyclegan: the input and two directions
        assert sheet.height > 5 * SIZE


def test_a_few_validation_faces_are_enough(age_run: Path, tmp_path: Path) -> None:
    small = write_cache(tmp_path / "cache", train=6, val=3)
    Trainer(delta_settings(small, age_run, steps=1), tmp_path / "run").run()
    assert (tmp_path / "run" / "samples" / "epoch0001.png").exists()


def test_looking_does_not_change_the_run(cache: Path, age_run: Path, tmp_path: Path) -> None:
    Trainer(age_settings(cache, sample_every=1, log_every=5), tmp_path / "run").run()
    assert_same_run(age_run, tmp_path / "run")


def test_describe_tells_settings_and_sizes(cache: Path) -> None:
    text = describe(age_settings(cache))
    assert '"family": "age"' in text
    assert '"dropout": 0.2' in text  # a default of the family, written out
    parameters = sum(p.numel() for p in AgeNet((8, 16, 24)).parameters())
    assert f"age: {parameters / 1e6:.3f} million parameters" in text
    assert "GMAC a face" in text
    assert "6 steps of 4 faces of 32 px" in text


# -- the schedule and the averages --


def test_the_learning_rate_rises_stays_and_falls_to_a_twentieth(cache: Path, tmp_path: Path) -> None:
    trainer = Trainer(age_settings(cache, steps=100, warmup=10, decay_from=0.6), tmp_path)
    found = [trainer.updater.learning_rate_factor(step) for step in (0, 4, 9, 10, 60, 80, 90, 99)]
    assert found == pytest.approx([0.1, 0.5, 1, 1, 1, 0.5, 0.25, 0.05])
    to_zero = Trainer(age_settings(cache, steps=100, warmup=0, decay_from=0.5, decay_to=0), tmp_path)
    found = [to_zero.updater.learning_rate_factor(step) for step in (0, 50, 75, 99)]
    assert found == pytest.approx([1, 1, 0.5, 0.02])


@pytest.mark.parametrize(
    "edge", [{"warmup": 0, "decay_from": 1.0}, {"warmup": 0, "decay_from": 0.0}, {"warmup": 500}]
)
def test_the_learning_rate_is_sound_at_the_edges_of_its_settings(
    edge: dict[str, float], cache: Path, tmp_path: Path
) -> None:
    trainer = Trainer(age_settings(cache, steps=20, **edge), tmp_path)
    assert all(0 < trainer.updater.learning_rate_factor(step) <= 1 for step in range(20))


def test_the_average_forgets_the_start_and_then_hardly_moves() -> None:
    def constant(value: float) -> nn.Module:
        net = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
        for parameter in net.parameters():
            nn.init.constant_(parameter, value)
        return net

    for step, decay, kept in [(0, 0.998, 0.1), (8, 0.998, 0.5), (10**6, 0.998, 0.998), (10**6, 0.0, 0.0)]:
        average, network = constant(1.0), constant(0.0)
        network[1].num_batches_tracked.fill_(7)  # type: ignore[index, union-attr]
        update_average(average, network, decay, step)
        assert [float(p.detach().flatten()[0]) for p in average.parameters()] == pytest.approx([kept] * 4)
        assert average[1].num_batches_tracked == 7  # type: ignore[index, union-attr]


# -- learning --


def test_eight_faces_can_be_learned_by_heart(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", train=8, val=2)
    options = {"dropout": 0, "learning_rate": 5e-3, "colour": 0}
    settings = age_settings(
        cache, options=options, steps=120, batch=8, warmup=5, log_every=10, sample_every=120, ema=0.9
    )
    Trainer(settings, tmp_path / "run").run()
    first, *_, last, _, _ = log(tmp_path / "run")  # the last entries are of validation and test
    floor = np.log(2.5 * np.sqrt(2 * np.pi * np.e))  # entropy of the soft labels
    assert last["age/age"] - floor < 0.25 * (first["age/age"] - floor)
    assert last["age/years"] < 4


def test_the_generator_learns_to_move_the_age_that_the_teacher_reads(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", train=40, val=8)
    teaching = age_settings(
        cache,
        options={"learning_rate": 5e-3, "dropout": 0},
        steps=100,
        batch=16,
        ema=0.9,
        log_every=50,
        sample_every=100,
    )
    Trainer(teaching, tmp_path / "age").run()
    options = {
        "age": 1.0,
        "change": 0.1,
        "generator_rate": 2e-3,
        "realism": 0,
        "texture": 0,
        "texture_match": 0,
        "match": 0,
        "reader": 0,
        "gain": 0,
    }
    settings = delta_settings(
        cache, tmp_path / "age", options=options, steps=60, batch=8, ema=0.9, log_every=50, sample_every=60
    )
    trainer = Trainer(settings, tmp_path / "delta")
    before = trainer.family.validate(trainer.family.networks, "val")
    trainer.run()
    after = log(tmp_path / "delta")[-2]["validation"]
    assert before["teacher_reads_75"] == before["teacher_reads_25"]
    assert after["teacher_reads_75"] - after["teacher_reads_25"] > 5


@pytest.mark.parametrize("targets", [(16, 85), (30, 60)])
@pytest.mark.parametrize("near", [0.0, 1.0])
def test_target_ages_lie_in_their_range_and_wrong_ages_are_clearly_wrong(
    near: float, targets: tuple[float, float], cache: Path, age_run: Path
) -> None:
    low, high = targets
    settings = delta_settings(cache, age_run, options={"targets": targets, "near": near}, batch=64)
    family = DeltaFamily(settings)
    drawn = [family.draw(step, Shard()) for step in range(8)]
    ages = torch.cat([each.source.age for each in drawn])
    asked, wrong = torch.cat([each.target for each in drawn]), torch.cat([each.wrong for each in drawn])
    for found in (asked, wrong):
        assert found.min() >= low
        assert found.max() <= high
    assert (wrong - ages).abs().min() >= 15 - 1e-4
    if near:
        limited = (asked - ages).abs()[
            (asked > low) & (asked < high)
        ]  # the others were drawn beyond the range
        assert 20 < limited.max() <= 25 + 1e-4
    else:
        assert (asked - ages).abs().min() >= 4 - 1e-4
        assert asked.max() - asked.min() > 0.9 * (high - low)
