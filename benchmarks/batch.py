"""Photographs a second of a plain loop, a pool of processes, and Ray with one and two workers; in one run.

`make batch` runs it (extra `scale`, Linux). Each process keeps to one core. Wall times hold on an idle machine only, so
processor seconds are told besides: those of the processes that age, and those of everything around them (Ray's own
processes, and the one that starts it all), which is the price of distributing. Writes benchmarks/batch.json, from which
`simulated_batch.py` goes on.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["REAGE_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
# Ray's workers would give way to all else on the machine, unlike the other ways.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112

import click
import cv2
import onnxruntime
import pyarrow.parquet
import ray

import reage
from reage.batch import age_photo
from reage.photo.files import read_photo
from reage.reager import Reager
from reage.request import Request
from reage.scale.archive import run_batch

HERE = Path(__file__).parent
PORTRAITS = sorted((HERE.parent / "examples").glob("*.jpg"))
REQUEST = Request(to=70)
TICKS = os.sysconf("SC_CLK_TCK")
_reager: Reager | None = None


class Processors:
    """Processor seconds of this process and all that descend from it, those that have ended since among them."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, bool], float] = {}

    def look(self) -> None:
        """Take down what each process has used so far, and whether it is one of those that age photographs."""
        parents, names, used = {}, {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                names[folder.name] = (folder / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            parents[folder.name] = fields[1]
            used[folder.name] = (int(fields[11]) + int(fields[12])) / TICKS
        for process, seconds in used.items():
            ancestor = process
            while ancestor in parents and ancestor != str(os.getpid()):
                ancestor = parents[ancestor]
            if ancestor == str(os.getpid()):
                self.seconds[process, b"MapWorker" in names[process]] = seconds

    def since(self, before: dict[tuple[str, bool], float]) -> dict[str, float]:
        """What was used since then, by the processes that age and by the others."""
        sums = {"workers": 0.0, "others": 0.0}
        for key, seconds in self.seconds.items():
            sums["workers" if key[1] else "others"] += seconds - before.get(key, 0.0)
        return sums


@contextmanager
def measured(into: dict[str, Any], photos: int) -> Iterator[Callable[..., None]]:
    """Fills ``into``; the function that it yields is to be called with the number of ``photos`` that are through.

    All but the first two figures are of what comes after the first results, when everything is loaded.
    """
    arrivals: list[tuple[float, int]] = []
    processors = Processors()
    before: dict[tuple[str, bool], float] = {}

    def through(done: int) -> None:
        if not done:
            return
        arrivals.append((time.perf_counter(), done))
        if done % 8 == 0 or done == photos or not before:
            processors.look()
        if not before:
            before.update(processors.seconds)

    start = time.perf_counter()
    yield through
    end = time.perf_counter()
    used = processors.since(before)
    (first, at_first), (last, at_last) = arrivals[0], arrivals[-1]
    into |= {
        "seconds": round(end - start, 2),
        "seconds until the first result": round(first - start, 2),
        "photos a second": round((at_last - at_first) / (last - first), 2),
        "processor seconds a photo": {
            name: round(value / (at_last - at_first), 4) for name, value in used.items()
        },
    }


def age(photo: Path, target: Path) -> None:
    """What each process of the pool does, and the loop."""
    global _reager
    if _reager is None:
        cv2.setNumThreads(1)
        _reager = Reager.default()
    outcome = age_photo(_reager, photo, target / photo.name, REQUEST)
    assert outcome.error is None, outcome.error


def loop(photos: list[Path], target: Path) -> dict[str, Any]:
    """One process, one photograph after another."""
    result: dict[str, Any] = {}
    with measured(result, len(photos)) as through:
        for number, photo in enumerate(photos):
            age(photo, target)
            through(number + 1)
    return result


def pool(photos: list[Path], target: Path, processes: int) -> dict[str, Any]:
    """The standard library's pool of processes."""
    result: dict[str, Any] = {}
    with measured(result, len(photos)) as through, ProcessPoolExecutor(processes) as executor:
        for number, _ in enumerate(executor.map(age, photos, [target] * len(photos), chunksize=4)):
            through(number + 1)
    return result


def with_ray(photos: list[Path], target: Path, workers: int) -> dict[str, Any]:
    """`reage batch`, on Ray that has been started."""
    result: dict[str, Any] = {}
    with measured(result, len(photos)) as through:
        summary = run_batch(
            str(photos[0].parent),
            str(target),
            REQUEST,
            workers=workers,
            progress=lambda stage, done, total, note="": through(done),
        )
    assert summary.done == len(photos)
    table = pyarrow.parquet.read_table(target / "results.parquet")
    return result | {"median seconds of a photo": round(statistics.median(table["seconds"].to_pylist()), 4)}


def seconds_by_size(folder: Path) -> dict[str, dict[str, float]]:
    """Wall and processor seconds of a photograph of 3, 12 and 48 megapixels, medians of three."""
    times = {}
    reager = Reager.default()
    pixels = read_photo(PORTRAITS[0]).pixels
    for megapixels in (3, 12, 48):
        side = round((megapixels * 1e6) ** 0.5)
        photo = folder / f"{megapixels}.jpg"
        cv2.imwrite(str(photo), cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)[..., ::-1])
        runs = []
        for number in range(3):
            wall, processor = time.perf_counter(), time.process_time()
            age_photo(reager, photo, folder / f"{megapixels}-{number}.jpg", REQUEST)
            runs.append((time.perf_counter() - wall, time.process_time() - processor))
        times[f"{megapixels} megapixels"] = {
            "seconds": round(statistics.median(run[0] for run in runs), 3),
            "processor seconds": round(statistics.median(run[1] for run in runs), 3),
            "megabytes": round(photo.stat().st_size / 1e6, 2),
        }
    return times


@click.command()
@click.option("--photos", "count", default=210, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=HERE / "batch.json")
def main(count: int, output: Path) -> None:
    """Print and store how fast this machine is each way."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        for number in range(count):
            portrait = PORTRAITS[number % len(PORTRAITS)]
            shutil.copy(portrait, folder / "photos" / f"{number:05d}-{portrait.name}")
        photos = sorted((folder / "photos").iterdir())

        def run(label: str, way: Callable[..., dict[str, Any]], *arguments: int) -> None:
            target = folder / label
            target.mkdir()
            figures[label] = {"load before": round(os.getloadavg()[0], 2)} | way(photos, target, *arguments)
            click.echo(f"{label}: {json.dumps(figures[label])}")

        run("pool of 1 process", pool, 1)
        run("pool of 2 processes", pool, 2)
        ray.init(address="local", num_cpus=2, log_to_driver=False)
        run("Ray, 1 worker", with_ray, 1)
        run("Ray, 2 workers", with_ray, 2)
        ray.shutdown()
        run("plain loop", loop)
        sizes = seconds_by_size(folder)
        click.echo(json.dumps(sizes))
    about = {
        "reage": reage.__version__, "model": reage.open_bundle().manifest.title,
        "cores": sorted(os.sched_getaffinity(0)),
        "onnxruntime": onnxruntime.__version__, "ray": ray.__version__, "photos": count,
    }  # fmt: skip
    stored = {"about": about, "ways": figures, "sizes": sizes}
    output.write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
