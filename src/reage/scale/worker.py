"""The worker of a batch: reads each photograph, edits it like ``reage photo``, and writes the result.

A process keeps one `Reager` and one core. While a photograph is aged, the next ones are fetched and the results before
it delivered, so that a distant store costs no time of the core as long as it keeps up.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from reage._version import __version__
from reage.batch import Outcome, age_photo
from reage.bundle import Bundle
from reage.errors import ReageError, one_line
from reage.reager import Reager
from reage.request import FileOptions, Request
from reage.scale.cluster import on_one_core
from reage.scale.results import SCHEMA, made_of
from reage.scale.sources import with_cells
from reage.scale.storage import exists, is_remote, join, locate, read_bytes, write_bytes

KEPT = "kept"
"""The status of a row whose result was there, made of the same content with the same settings."""
INPUT = pa.schema(
    [
        ("photo", pa.string()),
        ("output", pa.string()),
        ("done", pa.string()),  # what the result that is there was made of, if there is one
        *((name, pa.float64()) for name in ("to", "by", "source", "strength")),
    ]
)
"""The rows that a worker takes; the last four are of `reage.scale.sources.Row.asked`, null if it says nothing."""
_TRANSFERS = 4
"""Threads that fetch and deliver; they wait for the store nearly all of their time."""


@dataclass(frozen=True)
class Work:
    """The settings that all rows share."""

    target: str
    request: Request
    options: FileOptions


@dataclass(frozen=True)
class _Fetched:
    path: Path
    content_sha256: str


class Worker:
    """Ages the photographs of tables of rows, with one Reager on one core."""

    def __init__(self, work: Work) -> None:
        on_one_core()
        self.work = work
        self.reager = Reager.from_bundle(work.options.model)
        self._bundle_sha256 = bundle_sha256(self.reager.bundle)
        self._meter = _Meter()

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The results of ``rows`` (`INPUT`), as a table of `SCHEMA`, whose status may also be `KEPT`."""
        with (
            ThreadPoolExecutor(_TRANSFERS) as transfers,
            tempfile.TemporaryDirectory(prefix="reage-") as scratch,
        ):
            waiting = []
            for number, row in enumerate(rows.to_pylist()):
                folder = Path(scratch, str(number))
                folder.mkdir()
                waiting.append((row, folder, transfers.submit(_fetch, row["photo"], folder)))
            results = [self._age(row, folder, fetched, transfers) for row, folder, fetched in waiting]
            finished = [result.result() for result in results]
        for result in finished:
            self._meter(result)
        return pa.Table.from_pylist(finished, SCHEMA)

    def _age(
        self, row: dict[str, Any], folder: Path, fetching: Future[_Fetched], transfers: ThreadPoolExecutor
    ) -> Future[dict[str, Any]]:
        """Age one photo; the answer is there once it is delivered."""
        start = time.perf_counter()
        result: dict[str, Any] = {
            "path": row["photo"],
            "output": row["output"],
            "bundle": self.reager.bundle.title,
        }
        answer: Future[dict[str, Any]] = Future()
        place = join(self.work.target, row["output"])
        try:
            fetched = fetching.result()
            asked = {name: row[name] for name in ("to", "by", "source", "strength") if row[name] is not None}
            request = with_cells(self.work.request, asked)
            settings = settings_sha256(request, self.work.options, self._bundle_sha256)
            result |= {"content_sha256": fetched.content_sha256, "settings_sha256": settings}
            if row["done"] == made_of(fetched.content_sha256, settings) and exists(place):
                answer.set_result(result | {"status": KEPT})
                return answer
            remote = is_remote(place)
            made = folder / "result" / PurePosixPath(row["output"]).name if remote else Path(locate(place)[1])
            options = replace(self.work.options, overwrite=True)
            outcome = age_photo(self.reager, fetched.path, made, request, options)
            if outcome.error:
                raise outcome.error
        except Exception as error:
            answer.set_result(result | _failure(error, row["photo"], fetching))
            return answer
        result |= _success(outcome) | {"seconds": time.perf_counter() - start}
        if remote:
            return transfers.submit(_deliver, made, place, result)
        answer.set_result(result)
        return answer


def _fetch(photo: str, folder: Path) -> _Fetched:
    """A file of this machine with the content of ``photo``: itself, where it is one, else a copy of the same name."""
    content = read_bytes(photo)
    _, path = locate(photo)
    local = Path(path)
    if is_remote(photo):
        local = folder / PurePosixPath(path).name
        local.write_bytes(content)
    return _Fetched(local, hashlib.sha256(content).hexdigest())


def _deliver(made: Path, place: str, result: dict[str, Any]) -> dict[str, Any]:
    try:
        write_bytes(place, made.read_bytes())
    except Exception as error:
        return result | {"status": "failed", "message": _sentence(error), "faces": 0}
    finally:
        made.unlink()
    return result


def _success(outcome: Outcome) -> dict[str, Any]:
    faces = outcome.faces
    return {
        "status": "done",
        "message": "",
        "faces": len(faces),
        "ages_before": [face["apparent_before"] for face in faces],
        "ages_after": [face["apparent_after"] for face in faces],
        "ages_asked": [face["asked_age"] for face in faces],
    }


def _failure(error: Exception, photo: str, fetching: Future[_Fetched]) -> dict[str, Any]:
    text = _sentence(error)
    if fetching.exception() is None:  # where the photo is, and not where its copy was
        text = text.replace(str(fetching.result().path), photo)
    return {"status": "failed", "message": text, "faces": 0}


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, ReageError) else one_line(error)


def bundle_sha256(bundle: Bundle) -> str:
    """A hash of all of a bundle's content: of its manifest, which has the hashes of the other files."""
    return hashlib.sha256(bundle.files()["manifest.json"]).hexdigest()


def settings_sha256(request: Request, options: FileOptions, bundle: str) -> str:
    """A hash of all that a result depends on besides its photograph; ``bundle`` is `bundle_sha256`."""
    signer = options.signer.chain.decode() if options.signer else None
    settings = [__version__, bundle, asdict(request), options.quality, options.max_pixels, signer]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


class _Meter:
    """Counts photographs and seconds for Ray's dashboard and what it exports to."""

    def __init__(self) -> None:
        from ray.util.metrics import Counter, Histogram

        self._photos = Counter("reage_photos", "Photographs, by what became of them.", tag_keys=("status",))
        self._seconds = Histogram(
            "reage_photo_seconds",
            "Seconds a photograph took on its core.",
            boundaries=[0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
        )

    def __call__(self, result: dict[str, Any]) -> None:
        self._photos.inc(1, {"status": result["status"]})
        if result["status"] == "done":
            self._seconds.observe(result["seconds"])
