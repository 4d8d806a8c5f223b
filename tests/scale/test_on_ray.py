"""``reage data cache --ray`` and ``reage evaluate --ray`` with real Ray: the same bytes as without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from reage import Reager
from reage.cli.main import main
from reage.data.catalog import read_index, write_index
from reage.evaluation.measurer import one_by_one
from reage.scale.measuring import measure_on_ray

pytestmark = [  # of Ray and what it brings
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "FutureWarning", "ResourceWarning", "UserWarning")
] + [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("cluster"),
]


def reage(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_cache_is_the_same_to_the_byte_and_bad_files_are_told(index: Path, tmp_path: Path) -> None:
    table = read_index(index)
    root = Path(table.attrs["root"])
    bad = root / "damaged.jpg"
    bad.write_bytes(b"no picture")
    table.loc[3, "path"], table.loc[5, "path"] = "damaged.jpg", "missing.jpg"
    damaged = index.with_name("damaged.parquet")
    write_index(table, damaged)
    said = []
    for name, options in (("alone", []), ("ray", ["--ray", "--workers", 2])):
        result = reage("data", "cache", damaged, "-o", tmp_path / name, "--size", 48, *options)
        assert result.exit_code == 0, result.output
        said.append(result.stdout.replace(str(tmp_path / name), ""))
    assert "2 could not be read" in said[0]
    assert said[0] == said[1]
    assert contents(tmp_path / "alone") == contents(tmp_path / "ray")


def test_faces_are_measured_the_same_to_the_byte(index: Path, reager: Reager) -> None:
    table = read_index(index)
    root, lists = Path(table.attrs["root"]), [table[:2], table[2:3]]
    alone = one_by_one(root, reager, "lite0")
    on_ray = measure_on_ray(root, reager, "lite0", workers=1)
    for targets in (None, [70.0]):
        one, other = dict(alone(lists, targets)), dict(on_ray(lists, targets))
        assert set(one) == set(other) == {0, 1}
        for number in one:
            assert set(one[number]) == set(other[number])
            for name, array in one[number].items():
                assert array.dtype == other[number][name].dtype
                assert array.tobytes() == other[number][name].tobytes(), name


def test_a_missing_photo_ends_an_evaluation_as_it_does_without_ray(index: Path, tmp_path: Path) -> None:
    table: pd.DataFrame = read_index(index)
    table["path"] = table["path"].where(table["split"] == "test", "absent.jpg")
    write_index(table, index.with_name("absent.parquet"))
    said = set()
    for options in ([], ["--ray"]):
        result = reage(
            "evaluate", "--index", index.with_name("absent.parquet"), "--faces", 4, "--ages", "30,60",
            "--min-sharpness", 0, "-o", tmp_path / f"report{len(options)}", *options,
        )  # fmt: skip
        assert result.exit_code == 2
        said.add(result.stderr.strip().splitlines()[-1])
    assert len(said) == 1
    assert "absent.jpg" in said.pop()


def test_without_ray_the_option_names_its_extra(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest)
    )
    for command in (("data", "cache", index), ("evaluate", "--index", index)):
        result = reage(*command, "-o", tmp_path / "out", "--ray")
        assert result.exit_code == 2
        assert "this command needs ray: pip install 'reage[scale]'" in result.stderr
    assert "--workers needs --ray" in reage("evaluate", "--index", index, "--workers", 2).output
