"""Times a photo from start to finish, each stage, and the network beside a CycleGAN generator; in one run.

`make bench` runs it (it needs the extra `train`, for the CycleGAN generator). Medians of several; compare
ratios rather than times, machines differ and are shared. Writes benchmarks/photo.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
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
from reage import Reager
from reage.networks.cyclegan import ResNetGenerator
from reage.photo.files import read_photo
from reage.training.export import export_network
from reage.training.families import Exported

HERE = Path(__file__).parent
PORTRAIT = HERE.parent / "examples" / "astronaut_eileen-collins.jpg"


def median_ms(
    action: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Median of ``repeats`` runs in milliseconds, after one that does not count."""
    action()
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        times.append(1000 * (clock() - start))
    return round(statistics.median(times), 1)


def cold(folder: Path, repeats: int) -> dict[str, float]:
    """The command line, from the shell and back."""
    command = [sys.executable, "-m", "reage"]
    photo = [
        *command,
        "photo",
        str(PORTRAIT),
        "--to",
        "70",
        "-o",
        str(folder / "cold.jpg"),
        "--overwrite",
        "--quiet",
    ]
    return {
        "reage --help": median_ms(
            lambda: subprocess.run([*command, "--help"], check=True, stdout=-3), repeats
        ),
        "reage photo, cold": median_ms(lambda: subprocess.run(photo, check=True), repeats),
    }


def warm(folder: Path, repeats: int) -> dict[str, float]:
    """With everything loaded: a new photo by stages, and one more age of an open one."""
    reager = Reager.default()
    stages: dict[str, list[float]] = {}
    for _ in range(repeats + 1):
        start = time.perf_counter()
        sitting = reager.open(PORTRAIT)
        result = sitting.age(to=70)
        writing = time.perf_counter()
        result.save(folder / "warm.jpg", overwrite=True)
        end = time.perf_counter()
        seconds = {**sitting.seconds, **result.seconds, "write": end - writing, "total": end - start}
        for stage, value in seconds.items():
            stages.setdefault(stage, []).append(1000 * value)
    times = {f"warm, {stage}": round(statistics.median(values[1:]), 1) for stage, values in stages.items()}
    return {**times, "one more age, open photo": median_ms(lambda: sitting.age(to=30), repeats)}


def networks(repeats: int) -> dict[str, float]:
    """The embedded generator, and a CycleGAN generator on the same runtime."""
    bundle = reage.open_bundle()
    size = bundle.manifest.size
    face = np.zeros((size, size, 3), np.float32)
    shape = Exported({}, {}, ["face"], ["image"], (0, 116), (0, 116))
    torch.manual_seed(0)
    graph, _ = export_network(ResNetGenerator(32, 9), shape, 256)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    picture = np.zeros((1, 3, 256, 256), np.float32)
    ours = median_ms(lambda: bundle.edit(face, source_age=30, target_age=70, male=0), 4 * repeats)
    theirs = median_ms(lambda: session.run(None, {"face": picture}), 4 * repeats)
    return {
        f"embedded generator, {size} px": ours,
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
def main(repeats: int) -> None:
    """Print and store the times of this machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = {**cold(folder, repeats), **warm(folder, repeats), **networks(repeats)}
        peaks = memory(folder)
    for label, value in {**times, **peaks}.items():
        click.echo(f"{label:55s} {value:10.1f}")
    about = {
        "reage": reage.__version__, "model": reage.open_bundle().manifest.title, "cores": os.cpu_count(),
        "onnxruntime": onnxruntime.__version__, "load": os.getloadavg()[0],
    }  # fmt: skip
    stored = {"about": about, "milliseconds": times, "memory": peaks}
    (HERE / "photo.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
