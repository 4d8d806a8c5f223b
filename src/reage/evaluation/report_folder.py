"""The folder of a report: ``report.json``, ``report.md``, plots and contact sheets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reage._version import __version__
from reage.arrays import Int64, UInt8
from reage.errors import ExistsError, ReageError, WriteError
from reage.evaluation.evaluate import Evaluation
from reage.evaluation.plots import plot_groups, plot_moved, plot_targets, plot_trade
from reage.evaluation.report import Report, from_json, to_json
from reage.evaluation.report_text import as_markdown
from reage.face.framing import head_tile
from reage.files import writing
from reage.photo.files import Provenance, write_photo
from reage.progress import Progress
from reage.sheets import sheet_photo

RANDOM_FACES = 12
WORST_FACES = 10
TILE = 128
"""Side of a face on a sheet, in pixels."""
RANDOM_TILE = 192
"""The same on the sheet of faces drawn at random, which people compare (`reage rate`)."""

PLOTS = {
    "targets": "Age asked for and age estimated",
    "moved": "Years moved per year asked",
    "trade": "Age error and identity",
    "groups": "Groups",
}
"""Titles of the plots by the names of their files."""


def make_report_folder(folder: Path, *, overwrite: bool) -> None:
    """Make the folder of a report, before the long work.

    Raises:
        WriteError: it cannot be made.
        ExistsError: it holds a finished report, and ``overwrite`` is false.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error.strerror or str(error)) from error
    if not overwrite and (folder / "report.json").exists():
        raise ExistsError(folder / "report.json")


def write_report(evaluation: Evaluation, folder: Path, progress: Progress) -> None:
    """Write everything into ``folder``; ``report.json`` last, so that a folder which has it is complete."""
    report = evaluation.report
    (folder / "report.json").unlink(missing_ok=True)
    plots = folder / "plots"
    plot_targets(report, plots / "targets.png")
    plot_moved([report], plots / "moved.png")
    plot_trade([report], plots / "trade.png")
    plot_groups(report, plots / "groups.png")
    sheets = _faces_by_sheet(evaluation)
    shown = sorted({int(i) for faces in sheets.values() for i in faces})
    rows: dict[int, _Row] = {}
    for i in shown:
        rows[i] = _edited_row(evaluation, i)
        progress("sheets", len(rows), len(shown))
    for name, faces in sheets.items():
        side = RANDOM_TILE if name == "random" else TILE
        _write_sheet(evaluation, [rows[int(i)] for i in faces], folder / "sheets" / f"{name}.jpg", side)
    write_text(folder / "report.md", as_markdown(report) + _pictures(sheets))
    write_text(folder / "report.json", to_json(report))


def read_report(folder: Path) -> Report:
    """The report in ``folder``.

    Raises:
        ReageError: there is none, or one of another format.
    """
    path = folder / "report.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReageError(f"{folder} contains no report of `reage evaluate`: {error}") from error
    return from_json(text, str(path))


def write_text(path: Path, text: str) -> None:
    """Write ``text`` whole or not at all."""
    with writing(path) as part:
        part.write_text(text, encoding="utf-8")


def _faces_by_sheet(evaluation: Evaluation) -> dict[str, Int64]:
    """Positions of the faces on each sheet: some at random, and the worst by each measure."""
    faces, edited, protocol = evaluation.faces, evaluation.edited, evaluation.report.protocol
    badness = {
        "age-error": np.abs(edited.estimated_ages[..., 0] - np.asarray(protocol.ages)).mean(1),
        "identity": edited.distances.mean(1),
        "same-age-edit": edited.same_age[:, 0],
        "outside": edited.outside.mean(1),
        "sharpness": np.abs(np.log(np.maximum(edited.sharpness, 1e-3))).mean(1),
    }
    worst = {f"worst-{name}": np.argsort(-bad, kind="stable")[:WORST_FACES] for name, bad in badness.items()}
    return {"random": random_faces(protocol.seed, len(faces)), **worst}


def random_faces(seed: int, count: int) -> Int64:
    """Which of ``count`` faces are on the sheet of faces drawn at random, in order: the same for every model."""
    return np.random.default_rng(seed).permutation(count)[:RANDOM_FACES]


@dataclass(frozen=True)
class _Row:
    """A face on sheets: the input, and the edit to each target."""

    tiles: dict[int, UInt8]
    """By side S of a tile, (columns, S, S, 3)."""
    label: str
    edits: tuple[tuple[float, float], ...]
    """Source and target ages."""


def _edited_row(evaluation: Evaluation, i: int) -> _Row:
    """Face ``i`` of the sample, which may be on several sheets."""
    sitting = evaluation.reager.open(evaluation.paths[i])
    face, targets = sitting.faces[0], [float(age) for age in evaluation.report.protocol.ages]
    pictures = [sitting.photo.pixels, *(sitting.age(to=age, faces="largest").pixels for age in targets)]
    landmarks = face.face.landmarks_photo
    return _Row(
        tiles={
            side: np.stack([head_tile(picture, landmarks, side) for picture in pictures])
            for side in (RANDOM_TILE, TILE)
        },
        label=f"{evaluation.faces.age[i]:g}, looks {face.apparent_age:.0f}",
        edits=tuple((round(face.apparent_age, 1), age) for age in targets),
    )


def _write_sheet(evaluation: Evaluation, rows: Sequence[_Row], path: Path, side: int) -> None:
    """A sheet of faces of ``side`` px, with these ``rows``."""
    columns = ["input", *(f"{age:g}" for age in evaluation.report.protocol.ages)]
    sheet = sheet_photo(np.stack([row.tiles[side] for row in rows]), [row.label for row in rows], columns)
    edits = tuple(edit for row in rows for edit in row.edits)
    mark = Provenance(tool=f"reage {__version__}", model=evaluation.report.model.title, faces=edits)
    write_photo(sheet, path, mark=mark, overwrite=True, quality=88)


def _pictures(sheets: Iterable[str]) -> str:
    lines = ["", "## Pictures", ""]
    lines += [f"![{title}](plots/{name}.png)\n" for name, title in PLOTS.items()]
    lines += [f"![{name}](sheets/{name}.jpg)\n" for name in sheets]
    note = "*random*: faces drawn by the seed, not picked; *worst*: the ten worst by each measure."
    return "\n".join([*lines, note, ""])
