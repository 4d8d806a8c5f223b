"""Runs a batch with Ray Data: plans it, runs it, and continues after an interruption."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from reage.hub.models import open_model
from reage.progress import Progress
from reage.request import USUAL, FileOptions, Request
from reage.scale.cluster import ENDED, connected, cores, map_rows
from reage.scale.results import SCHEMA, Results
from reage.scale.sources import Row, find_rows
from reage.scale.storage import absolute
from reage.scale.worker import INPUT, KEPT, Work, Worker

_BLOCK_ROWS = 16
"""Rows that a worker takes at once, in archives of usual size: a few seconds of work, which is what is done again when
the worker is lost."""
_MOST_BLOCKS = 10_000
"""In larger archives the blocks are larger, so that Ray need not keep account of millions."""
_SHOWN_FAILURES = 5
_SAMPLES = 3


@dataclass
class Summary:
    """The result of a batch: the numbers of photographs done, already done, and failed."""

    results: str
    """The place of the table of results."""
    done: int = 0
    kept: int = 0
    failed: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    """The first few failures, a sentence each."""

    def count(self, rows: pa.Table) -> None:
        """Add what became of ``rows``."""
        for row in rows.select(["path", "status", "message"]).to_pylist():
            if row["status"] == "failed":
                self.failed += 1
                if len(self.failures) < _SHOWN_FAILURES:
                    text = row["message"]
                    self.failures.append(text if text.startswith(row["path"]) else f"{row['path']}: {text}")
            elif row["status"] == KEPT:
                self.kept += 1
            else:
                self.done += 1


@dataclass(frozen=True)
class Plan:
    """The estimate of a batch, measured with a few photographs."""

    photos: int
    kept: int
    """Those with a result from an earlier run; whether they changed since is seen when they are read."""
    megabytes: float
    """Of the photographs, where the source tells their size."""
    workers: int
    seconds_a_photo: float
    """On one core; 0 where no photograph could be tried."""
    megabytes_a_worker: float
    """Peak memory while these photographs were aged; 0 where the system does not say."""
    failures: list[str]
    """The first few rows that cannot be done, as far as is known, a sentence each."""

    def __str__(self) -> str:
        size = f", {self.megabytes:,.0f} MB" if self.megabytes else ""
        kept = f"; {self.kept} have a result from an earlier run" if self.kept else ""
        lines = [f"photos: {self.photos}{size}{kept}"]
        if self.seconds_a_photo:
            seconds = (self.photos - self.kept) * self.seconds_a_photo / self.workers
            cores = f"{self.workers} worker{'s' if self.workers > 1 else ''} of one core each"
            lines.append(
                f"time: {self.seconds_a_photo:.2f} s a photo; {timedelta(seconds=round(seconds))} with {cores}"
            )
        if self.megabytes_a_worker:
            lines.append(f"memory: {self.megabytes_a_worker:.0f} MB a worker")
        lines += [f"fails: {text}" for text in self.failures]
        return "\n".join(lines)


def run_batch(
    source: str,
    target: str,
    request: Request,
    options: FileOptions = USUAL,
    *,
    workers: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Edit all photographs of ``source`` like ``reage photo``, on many cores, and write them to ``target``.

    ``results.parquet`` in the target gets a row for each, with the reason if it failed. Photographs with an existing
    result of the same content and settings are not edited again.

    Args:
        source: as `reage.scale.sources.find_rows` takes it.
        target: a local folder or one in an object store; created if it is missing.
        request: the edit of all photographs.
        options: the model, and how files are read and written. With ``overwrite`` the target may contain other files.
        workers: number of processes of one core each; None: the number of cores.
        address: of a Ray cluster; None: ``RAY_ADDRESS``, or else Ray is started on this machine.
        progress: called with the number of finished photographs.

    Raises:
        BatchError: source, target or cluster cannot be reached, or the target is not one of a batch.
        BundleError: the model cannot be opened.
    """
    start = time.monotonic()
    target = absolute(target)
    results = Results(target, overwrite=options.overwrite)
    rows = find_rows(source, target, request)
    work = Work(target, request, _pinned(options))
    summary = Summary(results.place)

    def keep(table: pa.Table) -> None:
        summary.count(table)
        results.add(table.filter(pa.compute.not_equal(table["status"], KEPT)))
        if progress:
            through = summary.done + summary.failed + summary.kept
            rate = through / (time.monotonic() - start)
            failed = f", {summary.failed} failed" if summary.failed else ""
            progress("photos", through, len(rows), f"{rate:.1f} photos/s{failed}")

    with connected(address, workers) as count:
        results.begin()
        try:
            keep(_failed([row for row in rows if row.problem]))
            _work_through([row for row in rows if not row.problem], work, count, results.done(), keep)
        finally:
            results.flush()
    results.finish()
    summary.seconds = time.monotonic() - start
    return summary


def plan_batch(
    source: str,
    target: str,
    request: Request,
    options: FileOptions = USUAL,
    *,
    workers: int | None = None,
) -> Plan:
    """What `run_batch` would have to do; a few photographs are aged into a folder that is then removed.

    Arguments and errors as of `run_batch`; without ``workers``, the cores of this machine are reckoned with.
    """
    target = absolute(target)
    done = Results(target, overwrite=options.overwrite).done()
    rows = find_rows(source, target, request)
    open_rows = [row for row in rows if row.output not in done and not row.problem]
    sample = open_rows[:: max(1, len(open_rows) // _SAMPLES)][:_SAMPLES]
    with tempfile.TemporaryDirectory(prefix="reage-") as folder:
        worker = Worker(Work(folder, request, _pinned(options)))
        tried = worker(pa.Table.from_pylist(_cells(sample, {}), INPUT)) if sample else SCHEMA.empty_table()
    told = Summary(target)
    told.count(_failed([row for row in rows if row.problem]))
    told.count(tried)
    seconds = [s for s in tried["seconds"].to_pylist() if s is not None]
    return Plan(
        photos=len(rows),
        kept=sum(row.output in done for row in rows),
        megabytes=sum(row.size for row in rows) / 1e6,
        workers=workers or cores(),
        seconds_a_photo=sum(seconds) / len(seconds) if seconds else 0.0,
        megabytes_a_worker=_peak_megabytes(),
        failures=told.failures,
    )


def _pinned(options: FileOptions) -> FileOptions:
    """The same options with the model by a name that every worker understands alike; raises `BundleError`."""
    if options.model is None:
        return options
    bundle = open_model(options.model)
    return replace(options, model=bundle.origin or bundle.path.absolute())


def _work_through(rows: Sequence[Row], work: Work, workers: int, done: dict[str, str], keep: Any) -> None:
    """Have all ``rows`` done; those that end their process are failures."""
    waiting = {row.output: row for row in rows}
    block = max(_BLOCK_ROWS, len(rows) // _MOST_BLOCKS)
    cells = _cells(rows, done)
    for table in map_rows(cells, INPUT, Worker, (work,), key="output", block=block, workers=workers):
        for output in table["output"].to_pylist():
            waiting.pop(output, None)
        keep(table)
    keep(_failed([replace(row, problem=ENDED) for row in waiting.values()]))


def _cells(rows: Sequence[Row], done: dict[str, str]) -> list[dict[str, Any]]:
    """Rows for a worker, of `INPUT`."""
    return [
        {"photo": row.photo, "output": row.output, "done": done.get(row.output), **row.asked} for row in rows
    ]


def _failed(rows: Sequence[Row]) -> pa.Table:
    """Results of rows that are not tried, for their ``problem``."""
    cells = [
        {"path": row.photo, "output": row.output, "status": "failed", "message": row.problem, "faces": 0}
        for row in rows
    ]
    return pa.Table.from_pylist(cells, SCHEMA)


def _peak_megabytes() -> float:
    """Most memory that this process has had; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
