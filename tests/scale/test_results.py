"""What is kept of each photograph, from one run to the next."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from reage.errors import BatchError
from reage.scale.results import SCHEMA, Results, made_of


def rows(*cells: tuple[str, str, str]) -> pa.Table:
    """Rows of (path, output, status), made of the content "c" with the settings "s"."""
    names = ("path", "output", "status")
    same = {"content_sha256": "c", "settings_sha256": "s"}
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) | same for row in cells], SCHEMA)


def test_what_a_run_told_before_its_end_is_known_to_the_next(tmp_path: Path) -> None:
    first = Results(str(tmp_path / "aged"))
    first.begin()
    first.add(rows(("a.jpg", "a-70.jpg", "done"), ("b.jpg", "b-70.jpg", "failed")))
    first.flush()
    second = Results(str(tmp_path / "aged"))
    assert second.done() == {"a-70.jpg": made_of("c", "s")}
    second.begin()
    second.add(rows(("moved/b.jpg", "b-70.jpg", "done"), ("c.jpg", "", "failed"), ("d.jpg", "", "failed")))
    second.finish()
    table = pyarrow.parquet.read_table(tmp_path / "aged" / "results.parquet").select(["path", "status"])
    assert table.to_pylist() == [
        {"path": "a.jpg", "status": "done"},
        {"path": "c.jpg", "status": "failed"},
        {"path": "d.jpg", "status": "failed"},
        {"path": "moved/b.jpg", "status": "done"},
    ]
    assert [file.name for file in (tmp_path / "aged").iterdir()] == ["results.parquet"]
    assert set(Results(str(tmp_path / "aged")).done()) == {"a-70.jpg", "b-70.jpg"}


def test_a_table_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.parquet").write_bytes(b"mine")
    with pytest.raises(BatchError, match="is not a table of results"):
        Results(str(tmp_path))
