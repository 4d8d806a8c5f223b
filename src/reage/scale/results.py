"""The outcome of each photograph: ``results.parquet`` in the target, written in parts during the batch.

The parts lie in ``results.parts/`` until the end. Whatever ends a run, what the parts tell is known to the next one.
"""

from __future__ import annotations

import time
from io import BytesIO

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from reage.errors import BatchError
from reage.scale.storage import (
    exists,
    join,
    list_files,
    locate,
    read_bytes,
    remove,
    storage_errors,
    write_bytes,
)

SCHEMA = pa.schema(
    [
        ("path", pa.string()),  # the photograph
        ("output", pa.string()),  # its result, within the target; empty if none was tried
        ("status", pa.string()),  # done, or failed
        ("message", pa.string()),  # why it failed, in a sentence; else empty
        ("faces", pa.int32()),  # how many were edited
        ("ages_before", pa.list_(pa.float32())),  # what each face looks, in years
        ("ages_after", pa.list_(pa.float32())),
        ("ages_asked", pa.list_(pa.float32())),
        ("seconds", pa.float32()),
        ("bundle", pa.string()),  # name, version and origin of the model
        ("content_sha256", pa.string()),  # of the photograph's file
        ("settings_sha256", pa.string()),  # of all that the result depends on besides
    ]
)
"""A row of the results; the same output appears once, and so does the path of what has none."""
_TABLE = "results.parquet"
_PARTS = "results.parts"
_PART_SECONDS = 5.0
"""A part is written at most so often: each is an object, and what a sudden end loses is no more than this."""


class Results:
    """The results in ``target``, those of earlier runs among them.

    Raises:
        BatchError: the target cannot be reached; or it holds files but no results, so that they are not reage's to
            write over, unless ``overwrite`` is set.
    """

    def __init__(self, target: str, *, overwrite: bool = False) -> None:
        self.target = target
        self._waiting: list[pa.Table] = []
        self._written = time.monotonic()
        parts = self._parts()
        if not parts and not exists(self.place) and not overwrite and list_files(target):
            raise BatchError(
                f"{target} contains files that are not from a batch: choose an empty folder, or replace files of "
                f"the same names with --overwrite"
            )
        tables = [_read(place) for place in ([self.place] if exists(self.place) else []) + parts]
        self._tables = [SCHEMA.empty_table(), *tables]

    @property
    def place(self) -> str:
        """Where ``results.parquet`` is in the end."""
        return join(self.target, _TABLE)

    def done(self) -> dict[str, str]:
        """The outputs that were written, and the hashes of what they were made of."""
        table = _latest(self._tables)
        table = table.filter(pa.compute.equal(table["status"], "done"))
        columns = [table[name].to_pylist() for name in ("output", "content_sha256", "settings_sha256")]
        return {
            output: made_of(content, settings) for output, content, settings in zip(*columns, strict=True)
        }

    def begin(self) -> None:
        """Mark the target as one of a batch."""
        self._write_part(SCHEMA.empty_table())

    def add(self, rows: pa.Table) -> None:
        """Keep ``rows``, of `SCHEMA`."""
        self._waiting.append(rows)
        if time.monotonic() - self._written > _PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is only in memory."""
        if self._waiting:
            rows = pa.concat_tables(self._waiting)
            self._write_part(rows)
            self._waiting = []
            self._tables.append(rows)

    def finish(self) -> None:
        """Write ``results.parquet`` from the parts and remove these."""
        self.flush()
        parts = self._parts()
        write_bytes(self.place, _bytes(_latest(self._tables).sort_by("path")))
        remove(parts)
        file_system, path = locate(join(self.target, _PARTS))
        with storage_errors(self.target):
            if file_system.isdir(path):  # a store of objects has no folders
                file_system.rmdir(path)

    def _parts(self) -> list[str]:
        return sorted(list_files(join(self.target, _PARTS)))

    def _write_part(self, rows: pa.Table) -> None:
        write_bytes(join(self.target, f"{_PARTS}/{time.time_ns():020d}.parquet"), _bytes(rows))
        self._written = time.monotonic()


def made_of(content: str, settings: str) -> str:
    """The two hashes as one text."""
    return f"{content} {settings}"


def _latest(tables: list[pa.Table]) -> pa.Table:
    """The last row of each output, or of each path that has none."""
    table = pa.concat_tables(tables)
    nameless = pa.compute.equal(table["output"], "")
    keys = {
        "name": pa.compute.if_else(nameless, table["path"], table["output"]),
        "nameless": nameless,
        "number": pa.array(range(len(table)), pa.int64()),
    }
    last = pa.table(keys).group_by(["name", "nameless"]).aggregate([("number", "max")])["number_max"]
    return table.take(last)


def _read(place: str) -> pa.Table:
    try:
        return pyarrow.parquet.read_table(BytesIO(read_bytes(place))).cast(SCHEMA)
    except (pa.ArrowException, ValueError) as error:
        raise BatchError(f"{place} is not a table of results; move it away") from error


def _bytes(table: pa.Table) -> bytes:
    buffer = BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()
