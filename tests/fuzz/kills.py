"""Ends commands at random moments, by SIGKILL, by SIGTERM and by a full disk, and looks at what they leave.

    python tests/fuzz/kills.py                       # 20 moments of each kind for each command; needs Linux
    python tests/fuzz/kills.py --commands video --moments 100

After each end, the input must be as it was, and under a final name there must be nothing, or the whole output. Only
SIGKILL may leave unfinished files, under names that say so. Then the same command is given again, without a limit, and
must succeed. The full disk is a tmpfs that is too small by a random amount, which only root can mount.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ["REAGE_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import numpy as np
import run
import seeds
from clips import camera, filmed, portrait, write_clip

WAYS = ("SIGKILL", "SIGTERM", "full disk")
_AGE = (
    "options.widths=[8,8,8]",
    "data.min_sharpness=0",
    "data.cache=cache",
    "batch=4",
    "warmup=0",
    "epochs=3",
)


@dataclass(frozen=True)
class Command:
    """What is ended."""

    files: dict[str, bytes]
    """What it finds."""
    arguments: list[str]
    again: list[str]
    """The arguments after an end, where the output may stand already."""
    whole: Callable[[], object]
    """Looks, in the working directory, at every output that is there; raises for one that is not whole."""
    outputs: set[str]
    """Final names, which exist after a success."""
    kept: set[str] = field(default_factory=set)
    """Other names that may be left: work from which the next run goes on."""


def _photos(names: list[str]) -> Callable[[], None]:
    def whole() -> None:
        from reage.photo.files import read_photo, read_provenance

        for name in names:
            if os.path.exists(name):
                assert read_photo(name).pixels.size
                assert read_provenance(name), f"{name} is not marked"

    return whole


def _whole_video() -> None:
    from reage.photo.files import read_provenance
    from reage.video.reader import open_video

    if os.path.exists("out.mp4"):
        with open_video(Path("out.mp4")) as video:
            assert len(list(video.frames())) == 10, "frames are missing"
            assert not video.damaged
        assert read_provenance("out.mp4"), "the video is not marked"


def _whole_cache() -> None:
    from reage.data.cache import open_cache

    if os.path.exists("new"):
        assert len(open_cache("new")) == 3


def _whole_run() -> None:
    from safetensors.numpy import load_file

    for file in Path("run").rglob("*.safetensors"):
        assert load_file(file), f"{file} is empty"


def _whole_report() -> None:
    if os.path.exists("report/report.md"):
        assert Path("report/report.md").read_text().endswith("\n")
    for file in Path("measured").glob("*.npz"):
        with file.open("rb") as opened, np.load(opened) as stored:
            assert stored.files


def commands() -> dict[str, Callable[[], Command]]:
    """The commands by name; each is made when it is needed."""
    return {
        "photo": photo,
        "batch": batch,
        "video": video,
        "cache": cache,
        "train": train,
        "evaluate": evaluate,
    }


def photo() -> Command:
    """`reage photo` of one photograph, replacing an earlier output."""
    me, before = seeds.photographs()["plain.png"], seeds.photographs()["marked.jpg"]
    call = ["photo", "me.png", "--to", "70", "-o", "out.jpg", "--overwrite"]
    return Command({"me.png": me, "out.jpg": before}, call, call, _photos(["out.jpg"]), {"out.jpg"})


def batch() -> Command:
    """`reage photo` of several photographs, with layers."""
    names = [f"{number}.png" for number in range(4)]
    files = dict.fromkeys(names, seeds.photographs()["plain.png"])
    call = ["photo", *names, "--to", "70", "-o", "older", "--layers"]
    outputs = [f"older/{number}-70.png" for number in range(4)]
    return Command(files, call, [*call, "--overwrite"], _photos(outputs), {"older"})


def video() -> Command:
    """`reage video`."""
    frames = filmed(portrait("house_grace-meng"), camera(10, 320, (128, 96), swing=0.3), size=(128, 96))
    with tempfile.TemporaryDirectory() as scratch:
        clip = write_clip(Path(scratch) / "me.mp4", frames).read_bytes()
    call = ["video", "me.mp4", "--to", "70", "-o", "out.mp4", "--quiet"]
    kept = {".out.mp4.reage-video"}
    return Command({"me.mp4": clip}, call, [*call, "--overwrite"], _whole_video, {"out.mp4"}, kept)


def cache() -> Command:
    """`reage data cache`."""
    files = {name: data for name, data in seeds.data_set().items() if not name.startswith("cache/")}
    call = ["data", "cache", "index.parquet", "-o", "new", "--size", "32", "--workers", "1"]
    return Command(files, call, call, _whole_cache, {"new"})


def train() -> Command:
    """`reage train` of a small network, and `--resume`."""
    sys.path.append(str(seeds.ROOT / "tests"))
    from training.tiny import write_cache

    with tempfile.TemporaryDirectory() as scratch:
        folder = write_cache(Path(scratch) / "cache")
        files = {f"cache/{file.name}": file.read_bytes() for file in folder.iterdir()}
    files["age.yaml"] = (seeds.ROOT / "recipes/age.yaml").read_bytes()
    call = ["train", "age.yaml", *_AGE, "steps_per_epoch=2", "options.robust=none", "-o", "run"]
    return Command(files, call, [*call, "--resume"], _whole_run, {"run"})


def evaluate() -> Command:
    """`reage evaluate` of the embedded model on few faces."""
    from faces import write_faces
    from reage.data.catalog import index_dataset, write_index

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_faces(folder / "faces")
        index, _ = index_dataset("utkface", folder / "faces")
        index["split"] = np.where(np.arange(len(index)) % 2, "val", "test")  # edited, and beside them
        index.attrs["root"] = "faces"
        write_index(index, folder / "index.parquet")
        files = {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
    call = ["evaluate", "--index", "index.parquet", "--faces", "4", "--ages", "30,60", "--references", "20",
            "--min-sharpness", "0", "--cache", "measured", "-o", "report", "--overwrite"]  # fmt: skip
    return Command(files, call, call, _whole_report, {"report"}, {"measured"})


def start(arguments: list[str], folder: Path, said: Path) -> int:
    """Run the command line in a child; returns its process number."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        with said.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(folder)
        from reage.cli.main import main

        main(arguments, prog_name="reage")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}\n".encode())
        code = 1
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a child; its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def worked(child: int) -> float | None:
    """Seconds of processor time that a child's first thread has taken; None if it has ended."""
    try:
        return int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return None


def kill_at(child: int, moment: float, number: int) -> None:
    """Send a signal when the child has worked for ``moment`` seconds."""
    while True:
        done = worked(child)
        if done is None or Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        if done >= moment:
            os.kill(child, number)
            return
        time.sleep(0.002)


def fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write files by name."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def complaint(command: Command, folder: Path, way: str, code: int, words: str) -> str | None:
    """What is wrong with what an ended command left; None: nothing."""
    expected = {"SIGKILL": {-9, 0}, "SIGTERM": {143, -15, 0}, "full disk": {2, 0}}[way]
    if code not in expected:
        return f"exit code {code}: {words.strip()[-300:]}"
    if "Traceback" in words:
        return f"traceback: {words.strip()[-300:]}"
    for name, content in command.files.items():
        if name not in command.outputs and (folder / name).read_bytes() != content:
            return f"{name} was changed"
    names = {path.name for path in folder.iterdir()}
    usual = {Path(name).parts[0] for name in command.files} | command.outputs | command.kept
    stray = sorted(name for name in names - usual if not (way == "SIGKILL" and name.startswith(".reage-")))
    if stray:
        return f"left behind: {stray[0]}"
    return None


def is_whole(command: Command, folder: Path) -> str | None:
    """What is wrong with the outputs, looked at in a child; None: nothing."""
    child = os.fork()
    if not child:
        code = 0
        try:
            os.chdir(folder)
            command.whole()
        except BaseException as error:
            print(repr(error), flush=True)
            code = 1
        finally:
            os._exit(code)
    return "an output is not whole" if ended(child) else None


def attempt(
    command: Command, way: str, part: float, cost: tuple[float, int], scratch: Path
) -> tuple[bool, str | None]:
    """End the command at one moment; returns whether it ended there, and what is wrong."""
    folder, said = scratch / "case", scratch / "said"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if way == "full disk":
        pages = sum(-(-len(content) // 4096) for content in command.files.values())
        room = 4096 * max(1, pages + int(part * cost[1] / 4096))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(folder)], check=True)
    try:
        fill(folder, command.files)
        child = start(command.arguments, folder, said)
        if way != "full disk":
            kill_at(child, part * cost[0], signal.Signals[way])
        code = ended(child)
        wrong = complaint(command, folder, way, code, said.read_text()) or is_whole(command, folder)
        if way == "full disk":
            subprocess.run(["mount", "-o", "remount,size=1G", str(folder)], check=True)
        if not wrong and (code or command.again != command.arguments):
            code_again = ended(start(command.again, folder, said))
            if "has no checkpoint to resume from" in said.read_text():  # it was ended before the first one
                code_again = ended(start(command.arguments, folder, said))
            if code_again or not all((folder / name).exists() for name in command.outputs):
                wrong = f"the next run: exit code {code_again}: {said.read_text().strip()[-300:]}"
            else:
                wrong = is_whole(command, folder)
        return code != 0, wrong
    finally:
        if way == "full disk":
            subprocess.run(["umount", str(folder)], check=True)


def measure(command: Command, scratch: Path) -> tuple[float, int]:
    """The processor time and the bytes on disk that the whole command takes."""
    folder = scratch / "whole"
    folder.mkdir()
    fill(folder, command.files)
    before = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    child = start(command.arguments, folder, scratch / "said")
    seconds = 0.0
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        seconds = max(seconds, worked(child) or 0.0)
        time.sleep(0.002)
    wrong = is_whole(command, folder)
    assert not wrong, (wrong, (scratch / "said").read_text())
    grown = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) - before
    return seconds, max(8192, int(1.2 * grown))


def main() -> None:
    """Read the options, end commands, print counts."""
    parser = argparse.ArgumentParser(description="Ends commands at random moments.")
    parser.add_argument("--commands", default=",".join(commands()))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--moments", type=int, default=20, help="of each kind, for each command")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen, wrongs = options.commands.split(","), 0
    run.prepare(["recipe"] if {"cache", "train", "evaluate"} & set(chosen) else [])
    rng = np.random.default_rng(options.seed)
    for name in chosen:
        command = commands()[name]()
        with tempfile.TemporaryDirectory(prefix="reage-kills-") as scratch:
            cost = measure(command, Path(scratch))
            for way in options.ways.split(","):
                counts: Counter[str] = Counter()
                for _ in range(options.moments):
                    stopped, wrong = attempt(command, way, float(rng.random()), cost, Path(scratch))
                    counts["ended halfway"] += stopped
                    counts["wrong"] += wrong is not None
                    if wrong:
                        print(f"{name}, {way}: {wrong}", flush=True)
                wrongs += counts["wrong"]
                told = f"{options.moments} moments, {counts['ended halfway']} before the end"
                print(f"{name}, {way}: {told}, {counts['wrong']} with something wrong", flush=True)
    sys.exit(bool(wrongs))


if __name__ == "__main__":
    main()
