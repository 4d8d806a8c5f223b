"""Experiment trackers get the figures that the log gets."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from reage.errors import ConfigError
from reage.training import journal
from reage.training.trainer import Trainer

from .tiny import age_settings, at_step, cycle_settings


def test_tensorboard_gets_figures_and_sample_sheets(cache: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Trainer(cycle_settings(cache, trackers=["tensorboard"]), tmp_path / "run").run()
    events = EventAccumulator(str(tmp_path / "run" / "reage"))
    events.Reload()
    scalars = {event.step: event.value for event in events.Scalars("old_critic/loss")}
    assert list(scalars) == [2, 4, 6]
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert scalars[2] == pytest.approx(lines[0]["old_critic/loss"], abs=1e-5)
    assert [event.step for event in events.Scalars("validation/cycle")] == [3, 6]
    assert len(events.Images("samples")) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_weights_and_biases_works_offline(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("WANDB_MODE=offline\nWANDB_SILENT=true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_SILENT", "true")  # restored after the test, as what .env sets is not
    monkeypatch.setattr(journal, "load_dotenv", _loading(monkeypatch, tmp_path / ".env"))
    Trainer(age_settings(cache, trackers=["wandb"]), tmp_path / "run").run()
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    stored = next(folder.glob("*.wandb"))
    deadline = time.monotonic() + 120  # a process of its own writes the file, when it finds the time
    while b"years_error" not in stored.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert b"years_error" in stored.read_bytes()


def test_trackio_keeps_the_figures_on_this_machine(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    program = (
        "import sys; from pathlib import Path; from reage.training.config import TrainSettings;"
        "from reage.training.trainer import Trainer;"
        "Trainer(TrainSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2])).run()"
    )
    settings = age_settings(cache, trackers=["trackio"]).model_dump_json()
    done = subprocess.run(
        [sys.executable, "-c", program, settings, str(tmp_path / "run")],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (database,) = (tmp_path / "trackio").rglob("reage.db")
    with closing(sqlite3.connect(database)) as connection:
        stored = [json.loads(row[0]) for row in connection.execute("select metrics from metrics")]
    assert any("age/loss" in row for row in stored)
    assert any("validation/years_error" in row for row in stored)


def _loading(monkeypatch: pytest.MonkeyPatch, expected: Path) -> object:
    def load(path: str) -> None:
        assert Path(path) == expected
        for line in Path(path).read_text().splitlines():
            monkeypatch.setenv(*line.split("="))

    return load


def test_a_tracker_that_is_not_installed_is_named(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"'trackio' is not installed: pip install 'reage\[track\]'"):
        Trainer(age_settings(cache, trackers=["trackio"]), tmp_path / "run")


def test_a_resumed_run_tells_of_each_step_once(cache: Path, tmp_path: Path) -> None:
    settings = age_settings(cache, log_every=1, checkpoint_minutes=1e9, sample_every=2)
    first = Trainer(settings, tmp_path / "run")
    with pytest.raises(KeyError):
        at_step(first, 3, lambda: {}["gone"]).run()  # dies after step 3; the last checkpoint is of step 2
    Trainer(settings, tmp_path / "run", resume=True).run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "age/loss" in line] == [1, 2, 3, 4, 5, 6]
