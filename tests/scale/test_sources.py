"""What a batch finds to do: folders, patterns and tables, each photograph with a name for its result."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from reage.errors import BatchError
from reage.request import Request
from reage.scale.sources import find_rows, with_cells


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder of files that are never opened here."""
    for name in ("a.jpg", "b/a.JPG", "b/c/d.bmp", "b/notes.txt", "b/.hidden.jpg"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return tmp_path / "archive"


def outputs(source: object, target: object = "/target", request: Request | None = None) -> list[str]:
    rows = find_rows(str(source), str(target), request or Request(to=70))
    assert not any(row.problem for row in rows)
    return [row.output for row in rows]


def test_a_folder_keeps_its_folders(archive: Path) -> None:
    assert outputs(archive) == ["a-70.jpg", "b/a-70.JPG", "b/c/d-70.png"]
    assert outputs(f"{archive}/") == outputs(archive)
    assert [row.size for row in find_rows(str(archive), "/target", Request(to=70))] == [5, 5, 5]


def test_a_folder_is_named_as_seen_from_here(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive.parent)
    assert outputs("archive/b") == ["a-70.JPG", "c/d-70.png"]
    assert outputs(".", "elsewhere")[0] == "archive/a-70.jpg"


def test_results_within_the_source_are_no_source(archive: Path) -> None:
    (archive / "aged").mkdir()
    (archive / "aged" / "a-70.jpg").write_bytes(b"")
    (archive / "aged-too.jpg").write_bytes(b"")
    assert outputs(archive, archive / "aged") == ["a-70.jpg", "aged-too-70.jpg", "b/a-70.JPG", "b/c/d-70.png"]


def test_a_pattern_keeps_the_folders_below_its_fixed_part(archive: Path) -> None:
    assert outputs(f"{archive}/**/*.jpg") == ["a-70.jpg"]
    assert outputs(f"{archive}/b/**/d.*") == ["c/d-70.png"]
    assert outputs(f"{archive}/[ab].jpg") == ["a-70.jpg"]


def test_a_photograph_alone(archive: Path) -> None:
    assert outputs(archive / "b" / "c" / "d.bmp") == ["d-70.png"]


def test_a_folder_whose_name_looks_like_a_pattern(archive: Path) -> None:
    archive.rename(archive.with_name("x[1]"))
    assert outputs(archive.with_name("x[1]")) == ["a-70.jpg", "b/a-70.JPG", "b/c/d-70.png"]


TABLE = """path,to,from,strength,who
a.jpg,30,,,Ann
b/a.jpg,,40,0.5,Bob
/elsewhere/c.jpg,,,,Cy
s3://bucket/d.jpg,25,,,Dee
a.jpg,35.5,,,Ann again
"""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_says_for_each_row_what_it_names(tmp_path: Path, kind: str) -> None:
    table = tmp_path / f"people.{kind}"
    if kind == "csv":
        table.write_text(TABLE)
    else:
        lines = [line.split(",") for line in TABLE.splitlines()]
        columns = dict(zip(lines[0], zip(*lines[1:], strict=True), strict=True))
        numbers = {"to", "from", "strength"}
        cells = {
            name: [(float(cell) if cell else None) if name in numbers else cell for cell in column]
            for name, column in columns.items()
        }
        pyarrow.parquet.write_table(pa.table(cells), table)
    request = Request(by=20, strength=0.9)
    rows = find_rows(str(table), "/target", request)
    assert [row.photo for row in rows] == [
        f"{tmp_path}/a.jpg",
        f"{tmp_path}/b/a.jpg",
        "/elsewhere/c.jpg",
        "s3://bucket/d.jpg",
        f"{tmp_path}/a.jpg",
    ]
    assert [row.output for row in rows] == [
        "a-30.jpg",
        "b/a-plus20.jpg",
        "elsewhere/c-plus20.jpg",
        "bucket/d-25.jpg",
        "a-35.5.jpg",
    ]
    asked = [with_cells(request, row.asked) for row in rows]
    assert asked[0] == Request(to=30, strength=0.9)
    assert asked[1] == Request(by=20, source=40, strength=0.5)
    assert asked[2] == request


def test_rows_that_cannot_be_done_say_why(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text("path,to\na.jpg,70\na.jpg,70\nb.jpg,200\n,70\nc.jpg,\n../d.jpg,30\n")
    rows = find_rows(str(table), "/target", Request())
    assert [row.problem for row in rows] == [
        "",
        f"its result would have the name of that of {tmp_path}/a.jpg",
        "age 200 is outside 0 to 116 years",
        "the row has no path",
        "give an age, a direction or years to add",
        "",
    ]
    assert rows[-1].output == "d-30.jpg", "nothing is written outside of the target"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("file,to\na.jpg,70\n", "it has no column 'path'; it has file, to"),
        ("path,to\na.jpg,old\n", "is not a table that can be read"),
        ("path,to\na.jpg,70,1\n", "is not a table that can be read"),
        ("", "is not a table that can be read"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    table = tmp_path / "people.csv"
    table.write_text(content)
    with pytest.raises(BatchError, match=reason):
        find_rows(str(table), "/target", Request(to=70))


def test_sources_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="no such file or folder"):
        find_rows(str(tmp_path / "absent"), "/target", Request(to=70))
    with pytest.raises(BatchError, match="no such file"):
        find_rows(str(tmp_path / "absent.csv"), "/target", Request(to=70))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(BatchError, match="there are no photos"):
        find_rows(str(tmp_path), "/target", Request(to=70))
    with pytest.raises(BatchError, match=r"nonsense://a/b.*nonsense"):
        find_rows("nonsense://a/b", "/target", Request(to=70))
