"""What a run says and refuses before its first step: faces that take part, figures, names in Weights & Biases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from click.testing import CliRunner
from safetensors.torch import load_file

from reage.cli.main import main
from reage.errors import ConfigError, DataError
from reage.training.config import TrainSettings
from reage.training.trainer import Trainer

from .tiny import age_settings, at_step, cycle_settings, latent_settings, write_cache


def change_rows(folder: Path, **columns: Any) -> Path:
    rows = pd.read_parquet(folder / "rows.parquet")
    for name, values in columns.items():
        rows[name] = values
    rows.to_parquet(folder / "rows.parquet")
    return folder


# -- faces --


@pytest.fixture(scope="module")
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven faces: of the six to train on, three are young, of which one is blurred, and two old."""
    folder = write_cache(tmp_path_factory.mktemp("small") / "cache", train=6, val=3)
    ages, splits = (
        [20, 22, 24, 35, 50, 60] + [20, 50, 30] + [20] * 8,
        ["train"] * 6 + ["val"] * 3 + ["test"] * 8,
    )
    return change_rows(folder, age=[float(age) for age in ages], split=splits, sharpness=[9.0] + [200.0] * 16)


@pytest.mark.parametrize("how", ["run", "dry run"])
def test_it_says_how_many_faces_take_part_and_why_the_others_do_not(
    how: str, small_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"young": [18, 28], "old": [40, 116]}
    settings = cycle_settings(small_cache, options=options, steps=1, batch=2)
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"min_sharpness": 60})})
    if how == "run":
        Trainer(settings, tmp_path / "run").run()
        told = capsys.readouterr().err
    else:
        (tmp_path / "recipe.yaml").write_text(settings.model_dump_json())  # JSON is YAML
        told = CliRunner().invoke(main, ["train", str(tmp_path / "recipe.yaml"), "--dry-run"]).output
    lines = told.splitlines()
    assert "train, young: 2 take part; left out: 3 not of 18 to 28 years, 1 not as sharp as 60" in lines
    assert "train, old: 2 take part; left out: 4 not of 40 to 116 years" in lines
    assert "val, young: 1 take part; left out: 2 not of 18 to 28 years" in lines
    assert "test, young: 8 take part" in lines
    assert any(line.startswith("test, old: none (of the faces in the cache") for line in lines)


def test_it_says_so_where_faces_are_left_out_for_equal_numbers(cache: Path, tmp_path: Path) -> None:
    family = Trainer(cycle_settings(cache, options={"young": [16, 60]}), tmp_path / "run").family
    young, old = (line for line in family.census() if line.startswith("train"))
    count = int(old.split()[2])
    assert young.startswith(f"train, young: {count} take part")
    assert f"at random, to have {count}" in young


@pytest.mark.parametrize("make", [latent_settings, cycle_settings])
def test_a_data_set_without_genders_trains_what_needs_none(make: Any, tmp_path: Path) -> None:
    folder = change_rows(write_cache(tmp_path / "cache"), gender=None)
    trainer = Trainer(make(folder, steps=1), tmp_path / "run")
    trainer.run()
    assert (tmp_path / "run" / "samples" / "epoch0001.png").exists()
    with pytest.raises(DataError, match="none is labelled as M or F"):
        Trainer(age_settings(folder), tmp_path / "age")


# -- figures --


def test_a_best_figure_that_there_will_not_be_is_refused_before_any_work(cache: Path, tmp_path: Path) -> None:
    expected = r"unknown figure 'fid'; choose one of change, cycle, identity, loss_DX, .*, loss_id$"
    settings = cycle_settings(cache, best_by="fid")
    with pytest.raises(ConfigError, match=expected):
        Trainer(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "recipe.yaml").write_text(settings.model_dump_json())
    ran = CliRunner().invoke(main, ["train", str(tmp_path / "recipe.yaml"), "--dry-run"])
    assert ran.exit_code == 2
    assert "unknown figure 'fid'; choose one of change, cycle, identity, loss_DX" in ran.output
    more: dict[str, dict[str, Any]] = {"kid_older": {"kid_faces": 6}, "fid_val": {"fid": "lite0"}}
    for name in ("identity", "kid_older", "fid_val"):
        Trainer(cycle_settings(cache, best_by=name, **more.get(name, {})), tmp_path / "run")


# -- precision --


def test_two_trainers_of_different_precision_share_a_process(cache: Path, tmp_path: Path) -> None:
    whole = cycle_settings(cache, precision="fp32", steps=2)
    mixed = cycle_settings(cache, precision="bf16", steps=2)
    for name, settings in (("fp32", whole), ("bf16", mixed)):
        Trainer(settings, tmp_path / name).run()
    outer, inner = Trainer(whole, tmp_path / "outer"), Trainer(mixed, tmp_path / "inner")
    at_step(outer, 1, inner.run).run()  # one trains between two steps of the other
    for alone, between in (("fp32", "outer"), ("bf16", "inner")):
        ours, theirs = (load_file(tmp_path / run / "weights.safetensors") for run in (alone, between))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    full, half = (load_file(tmp_path / run / "weights.safetensors") for run in ("fp32", "bf16"))
    assert any(not torch.equal(full[key], half[key]) for key in full)


# -- names in Weights & Biases --


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["option", "setting", "environment", ".env"], "option"),
        (["setting", "environment", ".env"], "setting"),
        (["environment", ".env"], "environment"),
        ([".env"], ".env"),
        ([], None),
    ],
)
def test_project_and_name_are_those_of_the_first_who_says(
    sources: list[str], expected: str | None, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.chdir(tmp_path)
    told: dict[str, Any] = {}
    monkeypatch.setattr(
        Accelerator, "init_trackers", lambda self, project, **more: told.update(project=project, **more)
    )
    given: dict[str, Any] = {}
    for key in ("PROJECT", "NAME"):
        monkeypatch.setenv(f"WANDB_{key}", "environment")  # so that the test leaves the environment as it was
        if "environment" not in sources:
            monkeypatch.delenv(f"WANDB_{key}")
        if "setting" in sources:
            given[f"wandb_{key.lower()}"] = "setting"
    if ".env" in sources:
        (tmp_path / ".env").write_text("WANDB_PROJECT=.env\nWANDB_NAME=.env\n")
    settings: TrainSettings = age_settings(cache, trackers=["wandb"], steps=1, **given)
    (tmp_path / "recipe.yaml").write_text(settings.model_dump_json())
    options = ["--wandb-project", "option", "--wandb-name", "option"] if "option" in sources else []
    ran = CliRunner().invoke(main, ["train", "recipe.yaml", "-o", "runs/mine", *options])
    assert ran.exit_code == 0, ran.output
    assert told["project"] == (expected or "reage")
    assert told["init_kwargs"]["wandb"]["name"] == (expected or "mine")
