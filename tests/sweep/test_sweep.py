"""Sweeps: what they search, what they leave, and that one which is killed in the midst of a trial goes on there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reage.cli.main import main
from reage.errors import ConfigError
from reage.training.config import TrainSettings, load_recipe
from training.tiny import age_settings, write_cache

pytest.importorskip("optuna")

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from reage.sweep.space import Searched, learning_rates, require_searchable
from reage.sweep.sweep import Plan

RATE = "options.learning_rate=1e-3:1e-2:log"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    """Of a run of two epochs of one step."""
    return age_settings(write_cache(tmp_path_factory.mktemp("data") / "cache"), steps=2, sample_every=1)


def write_recipe(settings: TrainSettings, path: Path, **changes: Any) -> Path:
    path.write_text(settings.model_copy(update=changes).model_dump_json())  # JSON is YAML
    return path


def command(recipe: Path, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["sweep", str(recipe), "-o", str(folder), *more])


def study_of(folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    return optuna.create_study(study_name="sweep", storage=storage, load_if_exists=True, direction="minimize")


def steps_of(trial: Path) -> list[tuple[int, float]]:
    """Step and time of each validation."""
    lines = [json.loads(line) for line in (trial / "run" / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["time"]) for line in lines if "validation" in line]


# -- what is searched --


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("options.learning_rate=1e-4:1e-2:log", Searched("options.learning_rate", (), 1e-4, 1e-2, True)),
        ("options.dropout=0.0:0.5", Searched("options.dropout", (), 0.0, 0.5)),
        ("batch=8:64", Searched("batch", (), 8, 64)),
        ("precision=fp32,bf16", Searched("precision", ("fp32", "bf16"))),
        ("batch=8,16", Searched("batch", (8, 16))),
    ],
)
def test_what_to_search_is_read(text: str, expected: Searched) -> None:
    found = Searched.parse(text)
    assert found == expected
    assert isinstance(found.low, type(expected.low))
    assert Searched.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("batch", "is not a search"),
        ("batch=8", "only one value"),
        ("batch=64:8", "the lower number first"),
        ("batch=8:x", "not a range"),
        ("batch=8:16:linear", "not a range"),
        ("options.dropout=0:1:log", "must start above 0"),
        ("batch=8,[", "is not YAML"),
    ],
)
def test_what_cannot_be_searched_is_told(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Searched.parse(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("options.learning_rat=1e-3:1e-2", "did you mean 'learning_rate'"),
        ("bach=8,16", "did you mean 'batch'"),
        ("options.dropout=0.1:1.5", "less than 1"),
        ("precision=fp32,fp64", "precision"),
    ],
)
def test_settings_that_are_not_and_values_they_may_not_have_are_told_before_any_trial(
    text: str, complaint: str, settings: TrainSettings
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        require_searchable(settings, [Searched.parse(text)])


def test_learning_rates_are_searched_where_nothing_is_named(settings: TrainSettings) -> None:
    given = settings.model_copy(update={"options": {**settings.options, "learning_rate": 2e-3}})
    assert learning_rates(given) == [Searched("options.learning_rate", (), 5e-4, 8e-3, True)]
    assert Plan.make(given, []).searched == tuple(learning_rates(given))


def test_a_sweep_does_not_end_the_machine(settings: TrainSettings) -> None:
    with pytest.raises(ConfigError, match="after the first trial"):
        Plan.make(settings.model_copy(update={"terminate_instance": True}), [])


# -- what it does --


def test_a_sweep_leaves_the_best_recipe_and_a_plot_and_goes_on_to_more_trials(
    settings: TrainSettings, tmp_path: Path
) -> None:
    recipe, folder = write_recipe(settings, tmp_path / "recipe.yaml"), tmp_path / "sweep"
    search = ("--search", RATE, "--search", "options.dropout=0.0,0.3")
    ran = command(recipe, folder, "--trials", "2", *search)
    assert ran.exit_code == 0, ran.output
    told = ran.output.splitlines()
    assert [line.split(":")[0] for line in told[:2]] == ["trial-0000, 1 of 2", "trial-0001, 2 of 2"]
    assert told[2] == f"{folder / 'best.yaml'}: written"
    assert ": years_error " in told[0]
    least = min(study_of(folder).trials, key=lambda trial: trial.value or 1e9)
    best = load_recipe(folder / "best.yaml")
    assert best.options["learning_rate"] == pytest.approx(least.params["options.learning_rate"])
    assert 1e-3 <= best.options["learning_rate"] <= 1e-2
    assert best.options["dropout"] == least.params["options.dropout"]
    assert best.model_copy(update={"options": {}}) == settings.model_copy(update={"options": {}})
    figures = [line["validation"]["years_error"] for line in log(folder / least.user_attrs["folder"])]
    assert least.value == min(figures)
    with Image.open(folder / "sweep.png") as plot:
        assert plot.format == "PNG"
    assert "resume it" in command(recipe, folder, *search).output
    assert "other settings" in command(recipe, folder, "--resume", "--search", RATE).output
    assert "no sweep to resume" in command(recipe, tmp_path / "none", "--resume").output
    ran = command(recipe, folder, "--trials", "3", "--resume", *search)
    assert ran.output.startswith("trial-0002, 3 of 3: ")


def log(trial: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (trial / "run" / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "validation" in line]


def test_a_sweep_that_is_killed_in_mid_trial_goes_on_in_that_trial(
    settings: TrainSettings, tmp_path: Path
) -> None:
    recipe = write_recipe(settings, tmp_path / "recipe.yaml", epochs=12)
    folder, trial = tmp_path / "sweep", tmp_path / "sweep" / "trial-0000"
    arguments = ["sweep", str(recipe), "-o", str(folder), "--trials", "1", "--search", RATE]
    sweep = subprocess.Popen([sys.executable, "-m", "reage", *arguments])
    while not list(trial.glob("run/checkpoints/*.safetensors")):
        assert sweep.poll() is None
        time.sleep(0.05)
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    before = steps_of(trial)
    ran = CliRunner().invoke(
        main, [*arguments, "--resume"]
    )  # once the trial has noticed, and stopped in order
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith("trial-0000, 1 of 1: ")
    assert "stopped; continue with --resume" in (trial / "output.txt").read_text()
    after = steps_of(trial)
    assert [step for step, _ in after] == list(range(1, 13))
    assert after[: len(before)] == before  # these epochs were not trained again
    records = [(each.state.name, each.params) for each in study_of(folder).trials]
    assert [state for state, _ in records] == ["FAIL", "COMPLETE"]
    assert records[0][1] == records[1][1]


def test_a_trial_that_lags_behind_is_ended_early(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reage.sweep.sweep._POLL", 0.05)  # in a second, it could train all of its epochs
    recipe, folder = write_recipe(settings, tmp_path / "recipe.yaml", epochs=60), tmp_path / "sweep"
    (folder).mkdir()
    plan = Plan.make(load_recipe(recipe), [Searched.parse(RATE)])
    (folder / "sweep.json").write_text(plan.to_json())
    study = study_of(folder)
    for number in range(5):  # as if five far better ones had been
        study.add_trial(
            optuna.trial.create_trial(
                params={"options.learning_rate": 2e-3},
                distributions={
                    "options.learning_rate": optuna.distributions.FloatDistribution(1e-3, 1e-2, log=True)
                },
                intermediate_values=dict.fromkeys(range(1, 61), 0.1),
                value=0.1,
                user_attrs={"folder": f"trial-{number:04d}", "figure": "years_error"},
            )
        )
    ran = command(recipe, folder, "--trials", "6", "--resume", "--search", RATE)
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith("trial-0005, 6 of 6: pruned after epoch ")
    assert len(steps_of(folder / "trial-0005")) < 60


def test_a_trial_that_cannot_begin_ends_the_sweep_in_one_line(
    settings: TrainSettings, tmp_path: Path
) -> None:
    data = settings.data.model_copy(update={"cache": tmp_path / "nowhere"})
    recipe = write_recipe(settings, tmp_path / "recipe.yaml", data=data)
    ran = command(recipe, tmp_path / "sweep", "--trials", "2")
    assert ran.exit_code == 2
    assert len(ran.output.splitlines()) == 1
    assert "trial-0000 ended before its first step: reage: " in ran.output
    assert "nowhere" in ran.output
