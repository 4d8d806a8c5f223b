"""Times a photo from start to finish, each stage, and the network beside a CycleGAN generator; in one run.

`make bench` runs it (it needs the extra `train`, for the CycleGAN generator, and the history of the repository). The
code of today and that of an earlier commit take turns, in processes of their own, on the same machine and the same
portrait: compare ratios rather than times, machines differ and are shared. Writes benchmarks/photo.json.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
import onnxruntime
import torch
from used import used_by

import reage
from reage.networks.cyclegan import ResNetGenerator
from reage.onnx_session import open_session
from reage.photo.files import read_photo
from reage.training.export import export_network
from reage.training.families import Exported
from reage.training.trained import open_trained

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src"
PORTRAIT = HERE.parent / "examples" / "astronaut_eileen-collins.jpg"
WEIGHTS = HERE.parent / "weights" / "delta"
BEFORE = "7942bc15378f8c776b1f59f43506a333581aaf2d"
"""The last commit before networks were stored optimised and numpy.ma was not imported any more."""
TIMED = "detect, 512 px", "warm, total", "one more age, open photo", "its age read again", "reage photo, cold"
"""What is compared with the earlier commit, in milliseconds."""

WARM = """
import json, statistics, sys, tempfile, time
from pathlib import Path
from reage import Reager
from reage.photo.files import read_photo

portrait, repeats = Path(sys.argv[1]), int(sys.argv[2])
reager, pixels = Reager.default(), read_photo(portrait).pixels
times = {}

def took(name, start):
    times.setdefault(name, []).append(1000 * (time.perf_counter() - start))

with tempfile.TemporaryDirectory() as folder:
    for _ in range(repeats + 1):
        start = time.perf_counter()
        reager.detector.detect(pixels)
        took("detect, 512 px", start)
        start = time.perf_counter()
        sitting = reager.open(portrait)
        result = sitting.age(to=70)
        writing = time.perf_counter()
        result.save(Path(folder) / "warm.jpg", overwrite=True)
        took("warm, write", writing)
        took("warm, total", start)
        for stage, seconds in {**sitting.seconds, **result.seconds}.items():
            times.setdefault(f"warm, {stage}", []).append(1000 * seconds)
        start = time.perf_counter()
        sitting.age(to=30)
        took("one more age, open photo", start)
        start = time.perf_counter()
        reager.read_age(pixels, sitting.faces[0].face)
        took("its age read again", start)
print(json.dumps({name: statistics.median(values[1:]) for name, values in times.items()}))
"""
"""Run with the code of today and the earlier one; prints medians in milliseconds, the first round not counted."""


def environment(source: Path) -> dict[str, str]:
    """That of a process which takes the package from the folder ``source``, as if installed: compiled beforehand."""
    variables = {**os.environ, "PYTHONPATH": str(source)}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def warm(source: Path, repeats: int) -> dict[str, float]:
    """With everything loaded: finding faces, a new photo by stages, and one more age of an open one."""
    command = [sys.executable, "-c", WARM, str(PORTRAIT), str(repeats)]
    done = subprocess.run(command, env=environment(source), check=True, capture_output=True, text=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def shell(source: Path, *arguments: str) -> float:
    """Milliseconds of one `reage` command, from the shell and back."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "reage", *arguments]
    subprocess.run(command, env=environment(source), check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - start)


def side_by_side(sources: list[Path], folder: Path, repeats: int) -> list[dict[str, float]]:
    """Medians for each of ``sources``, which take turns; the first cold start of each does not count."""
    photo = ["photo", str(PORTRAIT), "--to", "70", "-o", str(folder / "cold.jpg"), "--overwrite", "--quiet"]
    rounds: list[dict[str, list[float]]] = [{} for _ in sources]
    for number in range(repeats + 1):
        for source, times in zip(sources, rounds, strict=True):
            taken = {"reage --help": shell(source, "--help"), "reage photo, cold": shell(source, *photo)}
            if number <= 3:
                taken.update(warm(source, repeats))
            for name, value in taken.items():
                times.setdefault(name, []).append(value)
    return [
        {name: round(statistics.median(values[1:]), 1) for name, values in times.items()} for times in rounds
    ]


def earlier(folder: Path, commit: str) -> Path | None:
    """The package as it was at ``commit``, unpacked into ``folder``; None where the history does not have it."""
    command = ["git", "-C", str(HERE.parent), "archive", commit, "src"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        click.echo(f"commit {commit[:7]} is not in this clone: nothing is compared with it", err=True)
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


def median_ms(
    action: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Median of ``repeats`` runs in milliseconds of ``clock``, after one that does not count."""
    action()
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        times.append(1000 * (clock() - start))
    return round(statistics.median(times), 1)


def networks(repeats: int) -> dict[str, float]:
    """The embedded generator, the same not in 8 bits, and a CycleGAN generator, on the same runtime."""
    bundle = reage.open_bundle()
    size = bundle.manifest.size
    face = np.zeros((size, size, 3), np.float32)
    shape = Exported({}, {}, ["face"], ["image"], (0, 116), (0, 116))
    torch.manual_seed(0)
    graph, _ = export_network(ResNetGenerator(32, 9), shape, 256)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    picture = np.zeros((1, 3, 256, 256), np.float32)
    trained = open_trained(WEIGHTS).exported
    full = open_session(export_network(trained.networks["generator"], trained, size)[0])
    feeds = dict.fromkeys(bundle.manifest.inputs, np.array([30], np.float32))
    feeds["face"] = np.zeros((1, 3, size, size), np.float32)
    ours = median_ms(lambda: bundle.edit(face, source_age=30, target_age=70, male=0), 4 * repeats)
    in_full = median_ms(lambda: full.run(None, feeds), 4 * repeats)
    theirs = median_ms(lambda: session.run(None, {"face": picture}), 4 * repeats)
    return {
        f"embedded generator, {size} px, in 8 bits": ours,
        "the same in 32 bits": in_full,
        "CycleGAN generator (9 blocks, width 32), 256 px": theirs,
        "CycleGAN / embedded": round(theirs / ours, 2),
    }


def memory(folder: Path) -> dict[str, int]:
    """Peak memory in MB of `reage photo` on the portrait enlarged to 12, 24 and 50 megapixels."""
    pixels = read_photo(PORTRAIT).pixels
    peaks = {}
    for megapixels in (12, 24, 50):
        side = round((megapixels * 1e6) ** 0.5)
        path = folder / f"{megapixels}.jpg"
        cv2.imwrite(str(path), cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)[..., ::-1])
        peaks[f"{megapixels} megapixels, peak MB"], _ = used_by("photo", path, "--to", 70, "--quiet")
    return peaks


@click.command()
@click.option("--repeats", default=7, show_default=True)
@click.option("--against", default=BEFORE, show_default=True, help="The commit that is compared with.")
def main(repeats: int, against: str) -> None:
    """Print and store the times of this machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = earlier(folder / "before", against)
        times, *then = side_by_side([SOURCE, *([before] if before else [])], folder, repeats)
        times |= networks(repeats)
        peaks = memory(folder)
    ratios = {key: round(then[0][key] / times[key], 2) for key in TIMED} if then else {}
    for label, value in {**times, **peaks}.items():
        click.echo(
            f"{label:55s} {value:10.1f}" + (f"  {ratios[label]:5.2f} times" if label in ratios else "")
        )
    about = {
        "reage": reage.__version__, "model": reage.open_bundle().manifest.title, "cores": len(os.sched_getaffinity(0)),
        "onnxruntime": onnxruntime.__version__, "load": os.getloadavg()[0],
    }  # fmt: skip
    stored = {
        "about": about,
        "milliseconds": times,
        "before": {"commit": against[:7], "milliseconds": then[0], "times as long": ratios} if then else {},
        "memory": peaks,
    }
    (HERE / "photo.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
