"""``reage batch`` with real Ray: as ``reage photo`` does it, whatever befalls the processes that do it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reage.cli.main import main
from reage.photo.files import read_provenance
from reage.scale.cluster import _connection

pytestmark = [  # of Ray and what it brings
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "FutureWarning", "ResourceWarning", "UserWarning")
] + [pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def reage(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def table(target: Path) -> dict[str, dict[str, Any]]:
    """The rows of results by output."""
    return {row["output"]: row for row in pyarrow.parquet.read_table(target / "results.parquet").to_pylist()}


@pytest.fixture
def archive(portraits: list[Path], tmp_path: Path) -> Path:
    """Two small portraits, one of them in a folder, and a file that is no picture."""
    folder = tmp_path / "archive"
    (folder / "more").mkdir(parents=True)
    for portrait, place in zip(portraits, ("a.jpg", "more/b.png"), strict=False):
        with Image.open(portrait) as image:
            image.resize((320, 320 * image.height // image.width)).save(folder / place)
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


@pytest.mark.usefixtures("cluster")
def test_a_batch_writes_what_photo_writes_and_does_it_once(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "aged"
    result = reage("batch", archive, "-o", target, "--to", 70, "--quality", 90)
    assert result.exit_code == 2, result.output
    assert f"{archive}/bad.jpg is not an image" in result.output
    assert "2 aged, 0 already done, 1 failed" in result.output

    reage(
        "photo",
        archive / "a.jpg",
        archive / "more/b.png",
        "--to",
        70,
        "--quality",
        90,
        "-o",
        tmp_path / "photo",
    )
    pictures = {"a-70.jpg": "a-70.jpg", "more/b-70.png": "b-70.png"}
    for output, name in pictures.items():
        assert (target / output).read_bytes() == (tmp_path / "photo" / name).read_bytes()
        assert read_provenance(target / output) is not None

    rows = table(target)
    assert set(rows) == {*pictures, "bad-70.jpg"}
    done, bad = rows["a-70.jpg"], rows["bad-70.jpg"]
    assert (done["status"], done["faces"], done["ages_asked"]) == ("done", 1, [70])
    assert done["ages_after"][0] > done["ages_before"][0]
    assert done["content_sha256"] == hashlib.sha256((archive / "a.jpg").read_bytes()).hexdigest()
    assert done["seconds"] > 0
    assert "delta" in done["bundle"]
    assert (bad["status"], bad["faces"]) == ("failed", 0)
    assert "is not an image" in bad["message"]
    assert not list(target.glob("results.parts*"))

    # Once more: what is done is known by its content, wherever the archive was moved to; what changed is done again.
    written = {output: (target / output).stat().st_mtime_ns for output in pictures}
    moved = archive.rename(archive.with_name("moved"))
    (moved / "bad.jpg").unlink()
    again = reage("batch", moved, "-o", target, "--to", 70, "--quality", 90)
    assert again.exit_code == 0, again.output
    assert "0 aged, 2 already done, 0 failed" in again.output
    shutil.copy(moved / "more/b.png", moved / "a.jpg")
    (target / "more/b-70.png").unlink()
    changed = reage("batch", moved, "-o", target, "--to", 70, "--quality", 90)
    assert "2 aged, 0 already done" in changed.output
    assert (target / "a-70.jpg").stat().st_mtime_ns > written["a-70.jpg"]
    assert (target / "more/b-70.png").exists()
    other = reage("batch", moved, "-o", target, "--to", 70, "--strength", 0.5)
    assert "2 aged, 0 already done" in other.output


@pytest.mark.usefixtures("cluster")
def test_a_batch_from_a_bucket_into_a_bucket(archive: Path, bucket: str, tmp_path: Path) -> None:
    import s3fs

    store = s3fs.S3FileSystem()
    store.put(str(archive), f"{bucket}/photos", recursive=True)
    lines = "path,to,strength\nphotos/a.jpg,30,0.8\nphotos/more/b.png,,\nphotos/absent.jpg,70,\n"
    store.pipe_file(f"{bucket}/people.csv", lines.encode())
    result = reage("batch", f"s3://{bucket}/people.csv", "-o", f"s3://{bucket}/aged", "--to", 75)
    assert result.exit_code == 2
    assert f"s3://{bucket}/photos/absent.jpg: there is no such file" in result.output
    assert "2 aged, 0 already done, 1 failed" in result.output

    assert reage("photo", archive / "a.jpg", "--to", 30, "--strength", 0.8, "-o", tmp_path).exit_code == 0
    assert reage("photo", archive / "more/b.png", "--to", 75, "-o", tmp_path).exit_code == 0
    assert store.cat(f"{bucket}/aged/photos/a-30.jpg") == (tmp_path / "a-30.jpg").read_bytes()
    assert store.cat(f"{bucket}/aged/photos/more/b-75.png") == (tmp_path / "b-75.png").read_bytes()
    names = sorted(name.removeprefix(f"{bucket}/aged/") for name in store.find(f"{bucket}/aged"))
    assert names == ["photos/a-30.jpg", "photos/more/b-75.png", "results.parquet"], "nothing else is left"


def workers() -> list[int]:
    """Processes of Ray that this one started and that hold a Reager."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"MapBatches(Worker)" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue

    def is_ours(process: int) -> bool:
        return process == os.getpid() or (process in parents and is_ours(parents[process]))

    return [process for process in found if is_ours(process)]


@pytest.mark.usefixtures("cluster")
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_worker_that_is_killed_loses_no_photo(archive: Path, tmp_path: Path) -> None:
    for number in range(40):
        shutil.copy(archive / "a.jpg", archive / f"copy{number}.jpg")
    target, killed = tmp_path / "aged", []

    def kill_one() -> None:
        while not killed and not (target / "results.parquet").exists():
            running = workers()
            if len(running) == 2 and list(target.glob("*-70.jpg")):
                os.kill(running[0], signal.SIGKILL)
                killed.append(running[0])
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    result = reage("batch", archive, "-o", target, "--to", 70, "--workers", 2)
    killer.join()
    assert killed
    assert "42 aged, 0 already done, 1 failed" in result.output
    done = [row for row in table(target).values() if row["status"] == "done"]
    assert len(done) == 42
    assert len({(target / row["output"]).read_bytes() for row in done if "b-70" not in row["output"]}) == 1


@pytest.mark.usefixtures("cluster")
def test_a_photo_that_ends_its_process_takes_no_other_with_it(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive / "a.jpg", archive / "deadly.jpg")
    # With one worker, Ray gives it the photos behind the deadly one before that ends it.
    result = reage("batch", f"deadly://{archive}", "-o", tmp_path / "aged", "--to", 70, "--workers", 1)
    assert result.exit_code == 2
    assert "2 aged, 0 already done, 2 failed" in result.output
    assert "deadly.jpg: the process that worked on it alone ended, several times" in result.output


@pytest.fixture
def killed(archive: Path, tmp_path: Path) -> Path:
    """The target of a batch in a program of its own, which was killed once it had told of some photos."""
    (archive / "bad.jpg").unlink()
    for number in range(40):
        shutil.copy(archive / "a.jpg", archive / f"copy{number}.jpg")
    target = tmp_path / "aged"
    command = [sys.executable, "-m", "reage", "batch", archive, "-o", target, "--to", "70", "--workers", "1"]
    said = (tmp_path / "said").open("wb")
    program = subprocess.Popen([str(word) for word in command], stdout=said, stderr=said)
    try:
        while program.poll() is None:
            parts = target.glob("results.parts/[0-9]*.parquet")
            if any(pyarrow.parquet.read_metadata(part).num_rows for part in parts):
                break
            time.sleep(0.1)
    finally:
        program.kill()
        program.wait()
        said.close()
    return target


@pytest.mark.usefixtures("environment")
def test_a_batch_that_is_killed_goes_on_where_it_was(archive: Path, killed: Path, tmp_path: Path) -> None:
    said = (tmp_path / "said").read_text()
    assert not re.search(r"\(raylet\)|\.cc:|\.py:", said), (
        f"Ray's own lines, which belong into its logs: {said}"
    )
    parts = [pyarrow.parquet.read_table(part) for part in killed.glob("results.parts/*.parquet")]
    told = [name for part in parts for name in part["output"].to_pylist()] or list(table(killed))
    before = {name: (killed / name).stat().st_mtime_ns for name in told}
    result = reage("batch", archive, "-o", killed, "--to", 70)
    assert result.exit_code == 0, result.output
    assert f"{42 - len(told)} aged, {len(told)} already done, 0 failed" in result.output
    assert {name: (killed / name).stat().st_mtime_ns for name in told} == before
    assert len(table(killed)) == 42


def test_ray_s_answer_to_sigterm_does_not_replace_that_of_reage() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ray = SimpleNamespace(
        init=lambda **_: signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number)),
        shutdown=lambda: None,
    )
    try:
        with _connection(ray, None, 1):
            assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGTERM, before)


def one_line(result: Result) -> str:
    """The error of a run, which has one line and exit code 2."""
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr


def test_a_dry_run_says_how_long_and_writes_nothing(archive: Path, tmp_path: Path) -> None:
    result = reage("batch", archive, "-o", tmp_path / "aged", "--to", 70, "--workers", 3, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "photos: 3" in result.output
    assert "s a photo" in result.output
    assert "with 3 workers" in result.output
    assert "MB a worker" in result.output
    assert f"fails: {archive}/bad.jpg is not an image" in result.output
    assert not (tmp_path / "aged").exists()


def test_files_of_others_are_not_written_over(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    assert "not from a batch" in one_line(reage("batch", archive, "-o", tmp_path / "full", "--to", 70))
    assert "not from a batch" in one_line(reage("batch", archive, "-o", archive, "--to", 70))


@pytest.mark.usefixtures("environment")
def test_stores_that_do_not_answer(archive: Path, tmp_path: Path, closed_port: int) -> None:
    absent = reage("batch", "s3://absent-bucket/photos", "-o", tmp_path / "aged", "--to", 70)
    assert "s3://absent-bucket/photos: there is no such file" in one_line(absent)
    unknown = reage("batch", "nonsense://a/b", "-o", tmp_path / "aged", "--to", 70)
    assert "nonsense://a/b" in one_line(unknown)
    web = reage("batch", f"http://127.0.0.1:{closed_port}/people.csv", "-o", tmp_path / "aged", "--to", 70)
    assert f"http://127.0.0.1:{closed_port}/people.csv" in one_line(web)


def test_a_cluster_that_does_not_answer(archive: Path, tmp_path: Path, closed_port: int) -> None:
    where = f"127.0.0.1:{closed_port}"
    result = reage("batch", archive, "-o", tmp_path / "aged", "--to", 70, "--address", where)
    assert result.stderr.startswith("reage: "), "nothing stands above the error, not even an empty line"
    assert f"no Ray cluster answers at {where}" in one_line(result)
    assert not (tmp_path / "aged").exists()


def test_without_ray_the_command_names_its_extra(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest)
    )
    result = reage("batch", archive, "-o", archive / "aged", "--to", 70)
    assert "this command needs ray: pip install 'reage[scale]'" in one_line(result)
