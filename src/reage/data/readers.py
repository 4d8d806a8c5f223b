"""Readers of labelled face data sets: each reads labels from file names or a table. No image is opened here."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

from reage.ages import MAX_AGE
from reage.errors import DataError, one_line

Gender = Literal["M", "F"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MAX_RACE = 99
UTKFACE_RACES = ("White", "Black", "Asian", "Indian", "Others")  # meaning of the codes 0-4

MIN_UTKFACE = 51
"""A folder with fewer pictures is not taken for UTKFace."""
UTKFACE_FOLDERS = (  # where it is usually found
    Path("/kaggle/input/utkface-new/UTKFace"),
    Path("/kaggle/input/utkface/UTKFace"),
    Path("UTKFace"),
    Path("data/utkface_aligned_cropped/UTKFace"),
)


@dataclass(frozen=True)
class Record:
    """One labelled image. What the data set does not say is None.

    ``path`` is relative to the root of the data set, with forward slashes; ``age`` is in years, 0 to 116; ``race`` is
    the data set's own code (for UTKFace see `UTKFACE_RACES`); ``subject`` identifies the person.
    """

    path: str
    age: float
    gender: Gender | None = None
    race: int | None = None
    subject: str | None = None


@dataclass(frozen=True)
class Problem:
    """A file or row that could not be read completely, and why; ``skipped`` says that it gave no record at all."""

    path: str
    reason: str
    skipped: bool = True

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} ({'skipped' if self.skipped else 'kept'})"


RecordsAndProblems = tuple[list[Record], list[Problem]]
Parsed = tuple[Record | None, Problem | None]

# {age}_{gender}_{race}_{date}.jpg, with or without `.chip.jpg`; dates in the wild have 16 to 18 digits, a
# space before the dot or no dot at all, and nothing needs them.
_UTKFACE_FULL = re.compile(r"(\d{1,3})_([01])_([0-4])_\d.*", re.ASCII)
_UTKFACE_AGE = re.compile(r"(\d{1,3})_.*", re.ASCII)
_FGNET = re.compile(r"(\d{3})A(\d{1,2})([a-z]?)\.\w+", re.ASCII | re.IGNORECASE)


def read_utkface(folder: Path | str) -> RecordsAndProblems:
    """Read the labels of UTKFace from its file names, ``{age}_{gender}_{race}_{date}.jpg[.chip.jpg]``.

    Gender 0 is male, 1 female. From a name with a field missing only the age is used, since it cannot be known whether
    gender or race is missing; it is reported as a problem.

    Raises:
        DataError: ``folder`` does not exist, or holds no image.
    """
    return _read_names(Path(folder), _parse_utkface)


def read_fgnet(folder: Path | str) -> RecordsAndProblems:
    """Read the labels of FG-NET from its file names: ``001A02.JPG`` is subject 001 at 2 years, ``001A02a.JPG`` another
    picture of the same.

    Raises:
        DataError: ``folder`` does not exist, or holds no image.
    """
    return _read_names(Path(folder), _parse_fgnet)


def read_csv(table: Path | str, folder: Path | str | None = None) -> RecordsAndProblems:
    """Read the labels of a CSV with the columns ``file`` and ``age``, and optionally ``gender``, ``race``, ``subject``.

    ``file`` is relative to ``folder``, which is by default the folder of the CSV. Gender is M or F (or male, female, or
    UTKFace's 0, 1); an empty cell, ``?``, or a race below 0 means unknown. Rows that cannot be used are reported as
    problems.

    Raises:
        DataError: the CSV is missing, is not text, lacks a required column, or has no usable row.
    """
    table = Path(table)
    root = Path(folder) if folder is not None else table.parent
    parsed = [_parse_row(row, line, root) for line, row in enumerate(_read_rows(table), start=2)]
    records, problems = _gather(parsed)
    if not records:
        first = f"; the first problem: {problems[0]}" if problems else ""
        raise DataError(f"{table} has no usable row{first}")
    return records, problems


def find_utkface(folders: Sequence[Path] = UTKFACE_FOLDERS) -> Path:
    """Return the first of ``folders`` that has more than 50 pictures.

    Raises:
        DataError: none of them has; the message lists them.
    """
    for folder in folders:
        if folder.is_dir() and len(list(islice(_image_names(folder), MIN_UTKFACE))) == MIN_UTKFACE:
            return folder
    tried = ", ".join(str(folder) for folder in folders)
    raise DataError(
        f"UTKFace was not found: none of {tried} has more than 50 pictures. "
        "Give its folder: reage data index utkface DIR"
    )


READERS: dict[str, Callable[[Path], RecordsAndProblems]] = {
    "utkface": read_utkface,
    "fgnet": read_fgnet,
    "csv": read_csv,
}


def get_reader(name: str) -> Callable[[Path], RecordsAndProblems]:
    """Return the reader registered as ``name``.

    Raises:
        DataError: there is no such reader.
    """
    try:
        return READERS[name]
    except KeyError:
        raise DataError(f"no data set is called {name!r}; choose one of {', '.join(READERS)}") from None


def _read_names(folder: Path, parse: Callable[[str], Parsed]) -> RecordsAndProblems:
    return _gather(parse(name) for name in _list_images(folder))


def _gather(parsed: Iterable[Parsed]) -> RecordsAndProblems:
    records: list[Record] = []
    problems: list[Problem] = []
    for record, problem in parsed:
        if record is not None:
            records.append(record)
        if problem is not None:
            problems.append(problem)
    return records, problems


def _list_images(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the folder that holds the images")
    names = sorted(_image_names(folder))
    if not names:
        inside = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        hint = f"; it has the folders {', '.join(inside[:5])}: give the one with the images" if inside else ""
        raise DataError(f"{folder} holds no images{hint}")
    return names


def _image_names(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith("."):
            yield entry.name


def _parse_utkface(name: str) -> Parsed:
    full = _UTKFACE_FULL.fullmatch(name)
    if full:
        age, gender, race = float(full[1]), full[2], int(full[3])
        if age <= MAX_AGE:
            return Record(name, age, "M" if gender == "0" else "F", race), None
    some = _UTKFACE_AGE.fullmatch(name)
    if not some:
        return None, Problem(name, "the name does not begin with {age}_{gender}_{race}_")
    if float(some[1]) > MAX_AGE:
        return None, Problem(name, f"age {int(some[1])} is above {MAX_AGE:g}")
    reason = "the name lacks gender or race; only its age is used"
    return Record(name, float(some[1])), Problem(name, reason, skipped=False)


def _parse_fgnet(name: str) -> Parsed:
    match = _FGNET.fullmatch(name)
    if not match:
        return None, Problem(name, "the name is not like 001A02.JPG")
    return Record(name, float(match[2]), subject=match[1]), None


def _read_rows(table: Path) -> list[dict[str, str]]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            missing = [column for column in ("file", "age") if column not in columns]
            if missing:
                raise DataError(f"{table} lacks the column {' and '.join(missing)}")
            # DictReader gives None for the cells that a short row lacks
            return [{key: (row[key] or "").strip() for key in columns} for row in reader]
    except OSError as error:
        raise DataError(f"{table} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} is not a CSV in UTF-8: {one_line(error)}") from error


def _parse_row(row: dict[str, str], line: int, root: Path) -> Parsed:
    name = row["file"].replace("\\", "/")
    where = name or f"line {line}"
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        return None, Problem(where, f"line {line}: the file must be a path below {root}")
    try:
        record = Record(str(path), *_parse_labels(row), row.get("subject") or None)
    except ValueError as error:
        return None, Problem(where, f"line {line}: {error}")
    try:
        found = (root / path).is_file()
    except OSError:  # no file can have that name: it is too long
        found = False
    if not found:
        return None, Problem(where, f"line {line}: there is no such file in {root}")
    return record, None


def _parse_labels(row: dict[str, str]) -> tuple[float, Gender | None, int | None]:
    try:
        age = float(row["age"])
    except ValueError:
        raise ValueError(f"age {row['age']!r} is not a number") from None
    if not 0 <= age <= MAX_AGE:  # also refuses NaN
        raise ValueError(f"age {age:g} is not between 0 and {MAX_AGE:g}")
    return age, _parse_gender(row.get("gender", "")), _parse_race(row.get("race", ""))


def _parse_gender(text: str) -> Gender | None:
    if text in ("", "?"):
        return None
    if text.lower() in ("m", "male", "0"):
        return "M"
    if text.lower() in ("f", "female", "1"):
        return "F"
    raise ValueError(f"gender {text!r} is neither M nor F")


def _parse_race(text: str) -> int | None:
    if text in ("", "?"):
        return None
    try:
        race = int(text)
    except ValueError:
        raise ValueError(f"race {text!r} is not a whole number") from None
    if race > MAX_RACE:
        raise ValueError(f"race {race} is above {MAX_RACE}")
    return race if race >= 0 else None
