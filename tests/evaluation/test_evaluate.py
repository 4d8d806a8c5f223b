"""`reage evaluate` and `reage compare` from end to end, on generated faces with made-up ages."""

from __future__ import annotations

import re
import shutil
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reage.bundle import open_bundle, write_bundle
from reage.cli.main import main
from reage.data.catalog import read_index, write_index
from reage.evaluation.bootstrap import Score
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.measurer import Measurer
from reage.evaluation.movement import ALL_GAPS, GAPS, find_moved
from reage.evaluation.plots import plot_trade
from reage.evaluation.report import to_json
from reage.evaluation.report_folder import read_report

SMALL = ("--faces", "6", "--ages", "30,60", "--references", "25", "--min-sharpness", "0")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def embedded_but(folder: Path, **changes: Any) -> Path:
    """The embedded bundle with another manifest, in ``folder``."""
    bundle = open_bundle()
    contents = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files}
    write_bundle(folder, replace(bundle.manifest, **changes), contents)
    return folder


@pytest.fixture(scope="module")
def report(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "embedded"
    done = run("evaluate", "--index", index, *SMALL, "-o", folder)
    assert done.exit_code == 0, done.output
    return folder


def test_a_report_has_every_measure_and_what_made_it(report: Path) -> None:
    found = read_report(report)
    assert found.model.title == open_bundle().manifest.title
    assert set(found.judges) == {*AGE_JUDGES, "face_identity.onnx"}
    assert all(len(sha256) == 64 for sha256 in found.judges.values())
    assert len(found.data.sample) == found.scores.everybody.faces == 6
    assert found.protocol.reference_split == "val"
    model, nothing = found.scores.everybody, found.nothing.everybody
    slope = model.age[AGE_JUDGES[0]].slope
    assert 0.3 < slope.value < 1.3
    assert slope.low <= slope.value <= slope.high
    assert nothing.age[AGE_JUDGES[0]].slope.value == 0
    assert nothing.identity.accepted.value == 1
    assert model.preservation.same_age_l1.value < 0.5
    assert model.preservation.outside.value < 8  # hair lies outside the outline of a face
    assert found.real_pairs is not None
    assert sum(row.identity.accepted.count for row in found.real_pairs) == 6  # six people are there twice
    moved = [find_moved(found.years_moved, AGE_JUDGES[0], "older", gap=gap) for gap in (ALL_GAPS, *GAPS)]
    assert moved[0].count == sum(score.count for score in moved[1:]) > 0
    assert 0.1 < moved[0].value < 1.5
    assert found.cost.parameters > 2_000_000
    assert found.cost.multiply_adds > 1_000_000_000


def test_a_run_is_judged_as_its_bundle_would_be(report: Path, index: Path, tmp_path: Path) -> None:
    run_folder, cache = Path(__file__).parents[2] / "weights" / "delta", report / "measurements"
    done = run("evaluate", run_folder, "--index", index, *SMALL, "--cache", cache, "-o", tmp_path / "report")
    assert done.exit_code == 0, done.output
    judged = read_report(tmp_path / "report")
    assert judged.model.family == "delta"
    assert judged.cost.megabytes


def test_made_up_labels_and_few_faces_are_told(report: Path) -> None:
    warnings = " ".join(read_report(report).warnings)
    assert "are the ages right?" in warnings
    assert "few real faces" in warnings


def test_a_report_has_text_plots_and_marked_sheets(report: Path) -> None:
    text = (report / "report.md").read_text()
    titles = (
        "Summary",
        "Years moved per year asked",
        "Age, by target",
        "Identity",
        "Realism",
        "Preservation",
    )
    for title in (*titles, "Groups", "Cost"):
        assert f"## {title}" in text
    for line in text.splitlines():
        if line.startswith("!["):
            picture = report / line.split("(")[1].rstrip(")")
            assert width(picture) > 300
    assert b"reage" in (report / "sheets" / "random.jpg").read_bytes()
    assert len(list((report / "sheets").iterdir())) == 6


def width(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.width


def same_figures(one: Path, other: Path) -> bool:
    """Whether the reports in two folders are equal but for times and memory."""
    first, second = read_report(one), read_report(other)
    return to_json(replace(first, cost=second.cost)) == to_json(second)


def test_the_same_command_gives_the_same_figures(report: Path, index: Path, tmp_path: Path) -> None:
    assert run("evaluate", "--index", index, *SMALL, "-o", tmp_path / "again").exit_code == 0
    assert same_figures(tmp_path / "again", report)


def test_what_was_measured_is_not_measured_again(
    report: Path, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(Measurer, "real", refuse)
    monkeypatch.setattr(Measurer, "edited", refuse)
    broken = sorted((report / "measurements").iterdir())
    done = run(
        "evaluate", "--index", index, *SMALL, "--cache", report / "measurements", "-o", tmp_path / "shared"
    )
    assert done.exit_code == 0, done.output
    assert same_figures(tmp_path / "shared", report)
    copy = tmp_path / "measurements"
    copy.mkdir()
    for file in broken:
        (copy / file.name).write_bytes(file.read_bytes()[:100])  # cut off: measured again, not believed
    done = run("evaluate", "--index", index, *SMALL, "--cache", copy, "-o", tmp_path / "cut")
    assert isinstance(done.exception, AssertionError)


def test_a_model_that_edits_otherwise_is_measured_anew_and_one_of_another_name_is_not(
    report: Path, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(Measurer, "edited", refuse)
    arguments = ("--index", index, *SMALL, "--cache", report / "measurements")
    renamed = embedded_but(tmp_path / "renamed", name="renamed", data="other words")
    assert run("evaluate", renamed, *arguments, "-o", tmp_path / "one").exit_code == 0
    further = embedded_but(tmp_path / "further", reach="face")
    done = run("evaluate", further, *arguments, "-o", tmp_path / "other")
    assert isinstance(done.exception, AssertionError)


def test_a_finished_report_is_not_replaced_unasked(report: Path, index: Path) -> None:
    done = run("evaluate", "--index", index, *SMALL, "-o", report)
    assert done.exit_code == 2
    assert "--overwrite" in done.output


def test_a_judge_that_taught_is_refused_unless_forced(index: Path, report: Path, tmp_path: Path) -> None:
    bundle = embedded_but(tmp_path / "bundle", teachers=["face_age.onnx"], name="taught")
    done = run("evaluate", bundle, "--index", index, *SMALL, "-o", tmp_path / "refused")
    assert done.exit_code == 2
    assert "face_age.onnx would judge" in done.output
    cache = ("--cache", report / "measurements")
    done = run("evaluate", bundle, "--index", index, *SMALL, *cache, "--force", "-o", tmp_path / "forced")
    assert done.exit_code == 0, done.output
    assert "judges that taught this model: face_age.onnx" in (tmp_path / "forced" / "report.md").read_text()
    side = run("compare", report, tmp_path / "forced", "-o", tmp_path / "compared")
    assert side.exit_code == 0, side.output
    for name in ("do nothing", open_bundle().manifest.title, "taught", "real faces"):
        assert name in side.output
    assert side.output.count("few real faces") == 1
    assert side.output.count("judges that taught this model") == 1
    assert side.output == (tmp_path / "compared" / "compare.md").read_text()
    assert width(tmp_path / "compared" / "trade.png") > 300
    page = tmp_path / "page.html"
    assert run("compare", report, tmp_path / "forced", "-o", page).exit_code == 0
    check_page(page.read_text(), [report, tmp_path / "forced"])


def check_page(text: str, reports: list[Path]) -> None:
    """One page has every figure and picture of the reports in it, marks included, and loads nothing."""
    for folder in reports:
        for sheet in (folder / "sheets").iterdir():
            assert text.count(b64encode(sheet.read_bytes()).decode()) == 1
    assert set(re.findall(r'(?:src|href)="([^"]{5})', text)) == {"data:"}
    assert not re.search(r"https?://|url\(|@import", re.sub(r'src="[^"]*"', "", text))
    assert text.count("<option>") == 2 * len(reports)
    for report in map(read_report, reports):
        row = re.search(rf"<td>{re.escape(report.model.title)}</td><td>([\d.]+) \(", text)
        assert row
        first = report.scores.everybody.age[AGE_JUDGES[0]].error
        assert row[1] == f"{first.value:.1f}"


def test_a_page_of_one_report_has_no_slider(report: Path, tmp_path: Path) -> None:
    assert run("compare", report, "-o", tmp_path / "page.html").exit_code == 0
    assert "<option>" not in (tmp_path / "page.html").read_text()
    broken = shutil.copytree(report, tmp_path / "broken")
    (broken / "sheets" / "random.jpg").unlink()
    done = run("compare", broken, "-o", tmp_path / "other.html")
    assert done.exit_code == 2
    assert "random.jpg cannot be read" in done.output
    assert not (tmp_path / "other.html").exists()


def test_reports_of_other_faces_are_not_compared(report: Path, tmp_path: Path) -> None:
    found = read_report(report)
    (tmp_path / "other").mkdir()
    other = to_json(replace(found, protocol=replace(found.protocol, seed=1)))
    (tmp_path / "other" / "report.json").write_text(other)
    done = run("compare", report, tmp_path / "other")
    assert done.exit_code == 2
    assert "cannot be compared" in done.output
    assert "seed" in done.output
    done = run("compare", report, tmp_path)
    assert done.exit_code == 2
    assert "no report" in done.output
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "report.json").write_text('{"format": 1}')
    done = run("compare", report, tmp_path / "old")
    assert done.exit_code == 2
    assert "format 1, but this version of reage reads" in done.output
    (tmp_path / "file").touch()
    done = run("compare", report, "-o", tmp_path / "file")
    assert done.exit_code == 2
    assert done.output.startswith("reage: ")
    assert "file" in done.output


def test_mistakes_end_in_one_line(index: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (("--index", tmp_path / "none.parquet"), "there is no index"),
        (("--index", index, "--references", "20", "--min-sharpness", "1e9"), "usable faces"),
        (("--index", index, *SMALL[:2], "--ages", "60,30"), "in ascending order"),
        (("--index", index, *SMALL, "--features", "inception"), "Inception-v3 need"),
        (("--index", index, *SMALL[:2], "--ages", "0:inf:10"), "first:last:step"),
        (("--index", index, *SMALL[:2], "--ages", "20:80:1e-9"), "1 to 200"),
        (("--index", index, *SMALL, "--seed", "-1"), "--seed"),
    ):
        done = run("evaluate", *arguments, "-o", tmp_path / "report")
        assert done.exit_code == 2
        assert said in done.output
        assert "Traceback" not in done.output
    assert not (tmp_path / "report" / "report.json").exists()
    (tmp_path / "file").touch()
    done = run("evaluate", "--index", index, *SMALL, "-o", tmp_path / "file")
    assert done.exit_code == 2
    assert "cannot be written" in done.output


def test_images_that_are_gone_are_no_faces_that_were_not_found(index: Path, tmp_path: Path) -> None:
    table = read_index(index)
    table.attrs["root"] = str(tmp_path / "elsewhere")
    write_index(table, tmp_path / "moved.parquet")
    done = run("evaluate", "--index", tmp_path / "moved.parquet", *SMALL, "-o", tmp_path / "report")
    assert done.exit_code == 2
    assert "elsewhere" in done.output
    assert "does not exist" in done.output
    assert not list((tmp_path / "report").rglob("*.npz"))


def test_the_split_to_choose_weights_on_gives_a_score_and_warns_whatever_labels_there_are(
    index: Path, tmp_path: Path
) -> None:
    table = read_index(index)
    table["gender"], table["race"] = None, pd.array([None] * len(table), "Int8")
    table["split"] = table["split"].replace("test", "train")  # test faces take no part in a choice
    write_index(table, tmp_path / "index.parquet")
    done = run(
        "evaluate", "--index", tmp_path / "index.parquet", *SMALL, "--split", "val", "-o", tmp_path / "report"
    )
    assert done.exit_code == 0, done.output
    assert (
        "selection score (lower is better, doing nothing has 2): unknown" in done.output
    )  # so few faces have no KID
    assert "## Choosing weights" in (tmp_path / "report" / "report.md").read_text()
    assert "selection score" in run("compare", tmp_path / "report").output
    found = read_report(tmp_path / "report")
    assert all(name.startswith("aged") for name in found.groups)
    assert any("not unseen" in warning for warning in found.warnings)


def test_a_plot_of_models_that_keep_nobody(report: Path, tmp_path: Path) -> None:
    found = read_report(report)
    everybody = found.scores.everybody
    identity = replace(everybody.identity, accepted=Score(0.0, 0.0, 0.01, 6))
    lost = replace(found.scores, everybody=replace(everybody, identity=identity))
    plot_trade([replace(found, scores=lost)], tmp_path / "trade.png")
    assert width(tmp_path / "trade.png") > 300
