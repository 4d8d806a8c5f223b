"""The photographs of a batch, one row each, from a folder, a pattern or a table.

A table (CSV or Parquet) has a column ``path`` and may have ``to``, ``by``, ``from`` and ``strength``, which say for its
row what the options of that name say for all. A cell that is empty leaves it to the option; other columns are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from reage.batch import output_name
from reage.errors import BatchError, ReageError, one_line
from reage.request import Request
from reage.scale.storage import (
    absolute,
    exists,
    find_files,
    glob_files,
    is_remote,
    is_within,
    join,
    locate,
    read_bytes,
    url_of,
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif")
"""The files in a folder that are taken for photographs."""
_TABLES = {".csv", ".parquet"}
_CELLS = {"to": "to", "by": "by", "from": "source", "strength": "strength"}
"""The columns of a table, and their fields of `Request`."""


@dataclass(frozen=True)
class Row:
    """A photograph, where its result goes, and what is asked of it besides what is asked of all."""

    photo: str
    output: str
    """Within the target; empty if there is a problem."""
    asked: dict[str, float]
    """Fields of `Request` that its row of the table names."""
    size: int = 0
    """Of the photograph, in bytes; 0 where a table names it."""
    problem: str = ""
    """Why it cannot be done, if that is known before the work."""


def find_rows(source: str, target: str, request: Request) -> list[Row]:
    """The rows of ``source``, each with its own output.

    Args:
        source: a folder (with all folders in it), a pattern such as ``s3://bucket/*.jpg``, a photograph, or a table.
        target: the folder of the results; what lies in it already is no source.
        request: what is asked of all.

    Raises:
        BatchError: there is no such source, it cannot be reached or read, or holds no photographs.
    """
    place = absolute(source)
    if any(sign in place for sign in "*?[") and not (not is_remote(place) and exists(place)):
        fixed = place[: min(place.index(sign) for sign in "*?[" if sign in place)]
        files, base = glob_files(place), fixed.rpartition("/")[0]
    elif is_table(place):
        return _unique([_read_row(cells, place, request) for cells in _read_table(place)])
    else:
        files, base = find_files(place), place
        if set(files) == {place}:
            base = place.rpartition("/")[0]
    kept = {file: size for file, size in files.items() if _is_photo(file) and not is_within(file, target)}
    if not kept:
        raise BatchError(f"{source}: {'there are no photos' if files else 'there is no such file or folder'}")
    base_path = locate(base)[1].rstrip("/")
    rows = []
    for file, size in kept.items():
        inside = locate(file)[1].removeprefix(base_path).lstrip("/")
        rows.append(Row(file, _output(inside, request), {}, size))
    return _unique(rows)


def is_table(source: str) -> bool:
    """Whether ``source`` is a table, which may say the ages itself."""
    return PurePosixPath(source).suffix.lower() in _TABLES


def with_cells(request: Request, asked: dict[str, float]) -> Request:
    """``request`` as one row changes it; raises `AgeError` for impossible values."""
    fields: dict[str, Any] = dict(asked)
    if "to" in fields or "by" in fields:  # one of them says it, not the options
        fields = {"to": None, "by": None, **fields}
    return replace(request, **fields)


def _is_photo(place: str) -> bool:
    path = PurePosixPath(place)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _output(inside: str, request: Request) -> str:
    """The name of the result, in the folders that the photograph has within its source."""
    path = PurePosixPath(inside)
    return str(path.with_name(output_name(path, request.label)))


def _read_table(place: str) -> Iterator[dict[str, Any]]:
    """The rows of a table, of the columns that are known."""
    content = BytesIO(read_bytes(place))
    try:
        if place.lower().endswith(".csv"):
            types = pyarrow.csv.ConvertOptions(column_types={"path": pa.string()})
            table = pyarrow.csv.read_csv(content, convert_options=types)
        else:
            table = pyarrow.parquet.read_table(content)
        known = [name for name in ("path", *_CELLS) if name in table.column_names]
        if "path" not in known:
            raise BatchError(f"{place}: it has no column 'path'; it has {', '.join(table.column_names)}")
        table = table.select(known).cast(
            pa.schema([(name, pa.string() if name == "path" else pa.float64()) for name in known])
        )
    except pa.ArrowException as error:
        raise BatchError(f"{place} is not a table that can be read: {one_line(error)}") from error
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


def _read_row(cells: dict[str, Any], table: str, request: Request) -> Row:
    asked = {_CELLS[name]: cells[name] for name in _CELLS if cells.get(name) is not None}
    path = cells["path"] or ""
    file_system, place = locate(table)
    photo = path
    if not is_remote(path) and not path.startswith("/"):
        photo = join(url_of(file_system, place.rpartition("/")[0]), path)
    inside = "/".join(part for part in path.rpartition("://")[2].split("/") if part not in ("", ".", ".."))
    try:
        if not inside:
            raise BatchError("the row has no path")
        return Row(photo, _output(inside, with_cells(request, asked)), asked)
    except ReageError as error:
        return Row(photo, "", asked, problem=str(error))


def _unique(rows: list[Row]) -> list[Row]:
    """``rows`` with a problem where an earlier one has the same output."""
    first: dict[str, Row] = {}
    checked = []
    for row in rows:
        earlier = first.setdefault(row.output, row) if row.output else row
        if earlier is not row:
            row = replace(
                row, output="", problem=f"its result would have the name of that of {earlier.photo}"
            )
        checked.append(row)
    return checked
