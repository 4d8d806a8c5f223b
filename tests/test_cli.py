"""The command line as a user meets it: results, and clear ends."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reage.assets import asset
from reage.cli.main import main
from reage.cli.options import parse_ages, parse_regions
from reage.errors import AgeError, RegionError
from reage.face.apparent_age import AgeReader, ApparentAge
from reage.face.detection import FaceDetector
from reage.manifest import GOALS, MIN_GAP
from reage.photo.files import read_photo, read_provenance
from reage.reager import Sitting


def reage(*arguments: Any, color: bool = False) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], color=color)


def test_photo_writes_beside_the_input_and_never_silently_overwrites(photo: Path) -> None:
    result = reage("photo", photo, "--to", 70)
    assert result.exit_code == 0, result.output
    output = photo.with_name("me-70.jpg")
    assert str(output) in result.output
    assert read_provenance(output) is not None
    again = reage("photo", photo, "--to", 70)
    assert again.exit_code == 2
    assert "--overwrite" in again.output
    assert reage("photo", photo, "--to", 70, "--overwrite", "--quiet").exit_code == 0


def test_how_old_the_result_looks_is_read_only_to_be_told(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = []

    def read(self: AgeReader, *given: Any) -> ApparentAge:
        readings.append(given)
        return ApparentAge(40, 0)

    monkeypatch.setattr(AgeReader, "read", read)
    reage("photo", photo, "--to", 70, "--quiet")
    assert len(readings) == 1
    assert "apparent age 40 -> 40" in reage("photo", photo, "--to", 70, "--overwrite").output
    assert len(readings) == 3


def test_json_has_boxes_ages_and_seconds(photo: Path, tmp_path: Path) -> None:
    result = reage(
        "photo", photo, "--to", 70, "--from", 30, "-o", tmp_path / "out", "--json", "--gender", "male"
    )
    (entry,) = json.loads(result.stdout)
    assert Path(entry["output"]) == tmp_path / "out" / "me-70.jpg"
    (face,) = entry["faces"]
    assert face["source_age"] == 30
    assert face["target_age"] == 70
    assert face["male"] == 1
    x0, y0, x1, y1 = face["box"]
    assert 0 <= x0 < x1 <= 480
    assert y0 < y1
    assert {"apparent_before", "apparent_after"} <= set(face)
    assert {"read", "detect", "analyse", "network", "composite", "write", "total"} <= set(entry["seconds"])


def test_a_face_that_can_hardly_be_seen_is_told(photo: Path) -> None:
    clear = reage("photo", photo, "--to", 70)
    assert "may be misread" not in clear.output
    with Image.open(photo) as image:
        image.point(lambda level: level // 12).save(photo, quality=95)
    warned = reage("photo", photo, "--to", 70, "--overwrite")
    assert f"{photo}: the age of face 0 may be misread, since it is very dark" in warned.stderr
    assert "--from" in warned.stderr
    for command in (
        ("strip", photo, "--ages", "60", "--tile", 64),
        ("film", photo, "--seconds", 0.5, "--side", 64),
    ):
        assert reage(*command).stderr == warned.stderr
        assert reage(*command, "--from", 46, "--overwrite").stderr == ""
    known = reage("photo", photo, "--to", 70, "--from", 46, "--overwrite", "--json")
    assert known.stderr == ""
    (face,) = json.loads(known.stdout)[0]["faces"]
    assert face["doubts"] == ["dark"]
    assert 0 <= face["sureness"] < 0.5


def test_one_bad_file_does_not_stop_a_batch(photo: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    result = reage("photo", bad, photo, tmp_path / "absent.png", "--to", 30, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert (tmp_path / "out" / "me-30.jpg").exists()
    assert "bad.jpg" in result.output
    assert "absent.png" in result.output
    assert "2 of 3 photos failed" in result.output
    assert "Traceback" not in result.output


def test_what_cannot_be_written_does_not_stop_a_batch(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    replace, long = os.replace, Path("x" * 249 + ".jpg")  # a name with -70 in it would be too long
    for copy in (long, Path("full.jpg")):
        shutil.copy(photo, copy)

    def fail_once(source: Path, target: Path) -> None:
        if target.name == "full-70.jpg":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    result = reage("photo", ".", "/", long, "y" * 300, "full.jpg", "me.jpg", "--to", 70, "--json")
    assert result.exit_code == 2
    entries = json.loads(result.stdout)
    reasons = ["is a folder", "is a folder", "name too long", "name too long", "No space left on device"]
    for entry, reason in zip(entries, reasons, strict=False):
        assert reason in entry["error"]
        assert entry["output"] is None
    assert entries[-1]["error"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [long.name, "full.jpg", "me.jpg", "me-70.jpg"]
    )
    assert len(result.stderr.splitlines()) == 6


def test_a_file_that_breaks_while_it_is_read_does_not_stop_a_batch(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    broken = tmp_path / "broken.jpg"
    shutil.copy(photo, broken)
    really_open = builtins.open

    def opened(name: Any, *rest: Any, **options: Any) -> Any:
        return Broken() if str(name) == str(broken) else really_open(name, *rest, **options)

    monkeypatch.setattr(builtins, "open", opened)
    result = reage("photo", broken, photo, "--to", 70)
    assert result.exit_code == 2
    assert photo.with_name("me-70.jpg").exists()
    assert result.stderr.splitlines()[0] == f"reage: {broken} cannot be read: Input/output error"


def test_a_network_that_fails_on_one_photo_does_not_stop_a_batch(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = tmp_path / "strange.png"
    with Image.open(photo) as image:
        image.resize((400, 400 * image.height // image.width)).save(strange)
    really_detect = FaceDetector.detect

    def detect(self: FaceDetector, pixels: Any, **options: Any) -> Any:
        if pixels.shape[1] == 400:
            raise RuntimeError("Non-zero status code\n  returned while running Conv node.")
        return really_detect(self, pixels, **options)

    monkeypatch.setattr(FaceDetector, "detect", detect)
    result = reage("photo", strange, photo, "--to", 70, "--json")
    assert result.exit_code == 2
    failed, done = json.loads(result.stdout)
    assert failed["error"] == (
        f"{strange}: it cannot be aged: Non-zero status code returned while running Conv node."
    )
    assert Path(done["output"]).exists()
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_names_that_are_not_text_are_shown_all_the_same(photo: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(photo.parent) + b"/caf\xe9.jpg"))
    shutil.copy(photo, odd)
    result = reage("photo", odd, photo, "--to", 70)
    assert result.exit_code == 0, result.stderr
    assert "caf\\udce9-70.jpg: face 0" in result.stdout
    assert photo.with_name("me-70.jpg").exists()
    assert odd.with_name(f"{odd.stem}-70.jpg").exists()
    again = reage("photo", odd, "--to", 70)
    assert "caf\\udce9-70.jpg exists already" in again.stderr
    assert reage("strip", odd, "--tile", 64, "--ages", "20,30").exit_code == 0


def test_names_of_files_neither_begin_lines_nor_steer_the_terminal(photo: Path) -> None:
    odd = photo.with_name("a\nreage: b.jpg does not exist\x1b[2J.jpg")
    odd.write_text("no photo")
    for command in (["photo", "--to", 70], ["strip"], ["verify"]):
        told = reage(*command, odd, color=True).stderr
        assert told.count("\n") == 1
        assert "\x1b" not in told
        assert "a\ufffdreage: b.jpg does not exist\ufffd[2J.jpg is not an image" in told
    shutil.copy(photo, odd)
    assert reage("photo", odd, "--to", 70, color=True).stdout.count("\n") == 1
    assert reage("photo", "no", "nor this", "--to", 70).stderr.endswith("2 of 2 photos failed\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may enter any folder")
def test_a_folder_that_may_not_be_entered(photo: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    shutil.copy(photo, locked)
    locked.chmod(0)
    try:
        result = reage("photo", locked / "me.jpg", photo, "--to", 70)
        alone = [reage(command, locked / "me.jpg") for command in ("strip", "film")]
        alone.append(reage("video", locked / "me.mp4", "--to", 70))
    finally:
        locked.chmod(0o700)
    assert result.exit_code == 2
    assert photo.with_name("me-70.jpg").exists()
    for end in (result, *alone):
        assert "Permission denied" in end.stderr
        assert "Traceback" not in end.stderr


def test_a_path_without_a_name_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (
        ["photo", ".", "--to", 70],
        ["strip", "."],
        ["film", "."],
        ["video", ".", "--to", 70, "--quiet"],
    ):
        result = reage(*command)
        assert result.exit_code == 2
        assert result.stderr.startswith("reage: . is a folder, not a ")
        assert len(result.stderr.splitlines()) == 1


def test_two_spellings_of_a_folder_are_one(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = reage("photo", "me.bmp", tmp_path / "me.png", "--to", 70, "--overwrite")
    assert result.exit_code == 2
    assert "two inputs would both be written" in result.stderr


def test_ages_beyond_the_model_are_told_as_what_is_shown(photo: Path, tmp_path: Path) -> None:
    most = json.loads(reage("models", "show").output)["target_ages"][1]
    result = reage("photo", photo, "--to", 110)
    assert f"(asked for 110; the nearest this model supports is {most:g})" in result.output
    sheets = []
    for name, ages in (("asked", f"20,{most},100,110"), ("given", f"20,{most}")):
        sheet = tmp_path / f"{name}.png"
        assert reage("strip", photo, "--ages", ages, "--tile", 64, "-o", sheet).exit_code == 0
        sheets.append(read_photo(sheet).pixels)
        mark = read_provenance(sheet)
        assert mark is not None
        assert [face["target_age"] for face in mark["faces"]] == [20, most]
    assert np.array_equal(*sheets)


def test_years_from_the_age_in_the_photo(photo: Path) -> None:
    for years, name, asked in (("+20", "me-plus20.jpg", 60), ("-10", "me-minus10.jpg", 30)):
        (entry,) = json.loads(reage("photo", photo, "--by", years, "--from", 40, "--json").stdout)
        assert Path(entry["output"]).name == name
        assert entry["faces"][0]["asked_age"] == asked
    for targets in ([], ["--to", 70, "--by", 5], ["--by", 5, "--direction", "young2old"]):
        result = reage("photo", photo, *targets)
        assert result.exit_code == 2
        assert "give one of --to AGE, --by YEARS or --direction" in result.output


def test_the_help_says_what_a_direction_is() -> None:
    text = " ".join(reage("photo", "--help").output.split())
    assert f"young2old is age {GOALS['older']:g} and old2young age {GOALS['younger']:g}" in text
    assert f"the change is at least {MIN_GAP:g} years" in text


def test_clear_ends(photo: Path, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (300, 300), (90, 120, 150)).save(blank)
    Image.new("RGB", (300, 300)).save(tmp_path / "me.png")
    (tmp_path / "it-layers").touch()
    truncated = tmp_path / "cut.jpg"
    truncated.write_bytes(photo.read_bytes()[:9000])
    file = tmp_path / "file"
    file.touch()
    altered = tmp_path / "bundle"
    shutil.copytree(asset("default_bundle"), altered)
    with (altered / "MODEL_CARD.md").open("a") as card:
        card.write("altered")
    ends = {
        "no face found": ["photo", blank, "--to", 50],
        "truncated": ["photo", truncated, "--to", 50],
        "outside 0 to 116": ["photo", photo, "--to", 130],
        "--max-pixels": ["photo", photo, "--to", 50, "--max-pixels", 1000],
        "cannot be written": ["photo", photo, "--to", 50, "-o", file / "out.jpg"],
        "altered": ["photo", photo, "--to", 50, "--model", altered],
        "no face 5": ["photo", photo, "--to", 50, "--faces", "5"],
        "not a model bundle": ["models", "verify", tmp_path],
        "first:last:step": ["strip", photo, "--ages", "young"],
        "several photos need a folder": ["photo", photo, photo, "--to", 50, "-o", file],
        "did you mean 'forehead'": ["photo", photo, "--to", 50, "--regions", "forhead=1"],
        "outside 0 to 1.5": ["strip", photo, "--regions", "eyes=2"],
        "give name=factor": ["photo", photo, "--to", 50, "--regions", "eyes"],
        "is a file, where": ["photo", photo, "--to", 50, "--layers", "-o", tmp_path / "it.png"],
        "would both be written": ["photo", photo, tmp_path / "me.png", "--to", 50, "--layers"],
        f"to {tmp_path / 'a-50.png'};": ["photo", tmp_path / "a.heic", tmp_path / "a.png", "--to", 50],
        "is a folder; give": ["strip", photo, "-o", tmp_path],
    }
    for message, arguments in ends.items():
        result = reage(*arguments)
        assert result.exit_code == 2, (message, result.output)
        assert message in result.output
        assert len(result.output.strip().splitlines()) == 1, result.output
        assert result.output.startswith("reage: ")


def test_what_the_format_cannot_hold_is_told_before_the_work(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any) -> None:
        raise AssertionError("worked")

    clear = tmp_path / "clear.png"
    with Image.open(photo) as image:
        image.putalpha(100)
        image.save(clear)
    monkeypatch.setattr(Sitting, "apply", work)
    for message, output in (("transparent parts", "out.jpg"), ("cannot write .gif", "out.gif")):
        result = reage("photo", clear, "--to", 70, "-o", tmp_path / output)
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_sigterm_leaves_nothing_half_written(photo: Path) -> None:
    slow_disk = (
        "import os, sys, time; from reage.cli.main import main\n"
        "os.fsync = lambda file: (print('writing', flush=True), time.sleep(600))\n"
        "main(sys.argv[1:], prog_name='reage')"
    )
    command = [sys.executable, "-c", slow_disk, "photo", str(photo), "--to", "70"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "writing\n"
        assert len(list(photo.parent.glob("*.part")) + list(photo.parent.glob(".*.part"))) >= 1
        program.send_signal(signal.SIGTERM)
        assert program.wait() == 128 + signal.SIGTERM
        assert program.stderr.read() == ""
    assert [path.name for path in photo.parent.iterdir()] == [photo.name]


def test_layers_and_the_recipe_in_the_docs_give_the_output(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = photo.with_name("me-75.png")
    result = reage("photo", photo, "--to", 75, "--regions", "mouth=0.5", "-o", output, "--layers", "--json")
    (entry,) = json.loads(result.stdout)
    assert Path(entry["layers"]) == photo.with_name("me-75-layers")
    assert "layers" in entry["seconds"]
    recipe = (Path(__file__).parent.parent / "docs" / "layers.md").read_text()
    code = recipe.split("```python")[1].split("```")[0]
    monkeypatch.chdir(photo.parent)
    names: dict[str, Any] = {}
    exec(code, names)
    expected = read_photo(output).pixels[..., ::-1]
    assert (expected != names["photo"] * 255).any()
    for way in ("by_layer", "by_terms"):
        assert np.abs(np.rint(names[way] * 255) - expected).max() <= 1
    again = reage("photo", photo, "--to", 75, "-o", photo.with_name("me-75.jpg"), "--layers")
    assert again.exit_code == 2
    assert "me-75-layers exists already; pass --overwrite" in again.output
    assert not photo.with_name("me-75.jpg").exists()


def test_strip_is_one_sheet_with_a_mark(photo: Path, tmp_path: Path) -> None:
    result = reage("strip", photo, "--ages", "20:80:30", "--tile", 96, "--regions", "eyes=0.9")
    assert result.exit_code == 0, result.output
    sheet = photo.with_name("me-strip.jpg")
    pixels = read_photo(sheet).pixels
    assert pixels.shape[1] > 4 * 96
    mark = read_provenance(sheet)
    assert mark is not None
    assert [face["target_age"] for face in mark["faces"]] == [20, 50, 80]
    assert mark["edits"] == ["regions eyes 0.9"]
    tiles = [pixels[40:-8, 8 + i * 98 : 90 + i * 98].astype(int) for i in range(4)]
    assert all(np.abs(tile - tiles[0]).mean() > 0.5 for tile in tiles[1:])


def test_models_list_show_and_verify() -> None:
    assert "delta" in reage("models", "list").output
    assert json.loads(reage("models", "show").output)["family"] == "delta"
    assert "not evidence" in reage("models", "show", "--card").output
    assert "verified" in reage("models", "verify").output


def test_ages() -> None:
    assert parse_ages("20:80:20") == [20, 40, 60, 80]
    assert parse_ages("80:20:-30") == [80, 50, 20]
    assert parse_ages("30,45.5") == [30, 45.5]
    for wrong in ("", "20:80", "20:80:0", "80:20:10", "a,b", "0:116:0.1"):
        with pytest.raises(AgeError):
            parse_ages(wrong)


def test_regions() -> None:
    assert parse_regions("forehead=1.0, eyes=.5") == {"forehead": 1, "eyes": 0.5}
    for wrong in ("", "eyes", "eyes=", "eyes=a", "eyes=1,eyes=0", "eyes=1,"):
        with pytest.raises(RegionError, match="give name=factor"):
            parse_regions(wrong)


def test_the_program_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reage", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("reage, version ")
