"""A report on disk: ``report.json``, ``report.md``, plots and contact sheets; and several side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reage._version import __version__
from reage.arrays import Int64
from reage.errors import ExistsError, ReageError, WriteError
from reage.evaluation.plots import groups_plot, target_plot, trade_plot
from reage.evaluation.protocol import FORMAT, MODEL, NOTHING, Evaluation, Progress
from reage.evaluation.scores import Report
from reage.evaluation.tables import as_markdown, number, summary_table, table, titled
from reage.face.framing import head_tile
from reage.files import writing
from reage.photo.files import Provenance, write_photo
from reage.sheets import sheet_photo

RANDOM_FACES = 12
WORST_FACES = 10
TILE = 128


def write_report(evaluation: Evaluation, folder: Path, progress: Progress) -> None:
    """Write everything into ``folder``; ``report.json`` last, so that a folder which has it is complete."""
    report = evaluation.report
    (folder / "report.json").unlink(missing_ok=True)
    plots = folder / "plots"
    target_plot(report, plots / "targets.png")
    trade_plot(titled(report), plots / "trade.png")
    groups_plot(report, plots / "groups.png")
    sheets = _chosen_faces(evaluation)
    for done, (name, faces) in enumerate(sheets.items(), 1):
        _write_sheet(evaluation, faces, folder / "sheets" / f"{name}.jpg")
        progress("sheets", done, len(sheets))
    write_text(folder / "report.md", as_markdown(report) + _pictures(sheets))
    write_text(folder / "report.json", json.dumps(report, indent=1) + "\n")


def read_report(folder: Path) -> Report:
    """The report in ``folder``; raises `ReageError` where there is none that this version reads."""
    try:
        report: Report = json.loads((folder / "report.json").read_text())
        if report["format"] != FORMAT:
            raise ReageError(
                f"{folder}: report format {report['format']} is not supported (this reads {FORMAT})"
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReageError(f"{folder} holds no report of `reage evaluate`: {error}") from error
    return report


def compare(folders: Sequence[Path], output: Path | None = None) -> str:
    """The reports in ``folders`` side by side as Markdown; with ``output`` also ``compare.md``, ``trade.png``.

    Raises `ReageError` where they were not made by the same protocol on the same faces with the same judges.
    """
    reports = [read_report(folder) for folder in folders]
    first = reports[0]
    for folder, report in zip(folders[1:], reports[1:], strict=True):
        for what in ("protocol", "data", "judges"):
            different = [key for key in first[what] if report[what].get(key) != first[what][key]]
            if different:
                raise ReageError(
                    f"{folder} cannot be compared with {folders[0]}: another {', '.join(different)}"
                )
    rows: dict[str, Report] = {NOTHING: first["scores"][NOTHING]}
    for report in reports:
        title = report["model"]["title"]
        if title in rows:
            raise ReageError(
                f"two of the reports are of {title}; name models apart with `reage export --name`"
            )
        rows[title] = report["scores"][MODEL]
    protocol, data = first["protocol"], first["data"]
    lines = [
        f"{first['scores'][MODEL]['faces']} faces of {data['dataset']}, split {protocol['split']}, targets "
        f"{', '.join(f'{age:g}' for age in protocol['ages'])}, seed {protocol['seed']}; features: "
        f"{first['judges']['features']}.",
        "",
        *summary_table(rows),
        "",
        *_cost_table(reports),
        *_warnings(reports),
    ]
    text = "\n".join(lines) + "\n"
    if output is not None:
        trade_plot(rows, output / "trade.png")
        write_text(output / "compare.md", text)
    return text


def make_folder(folder: Path, *, overwrite: bool) -> None:
    """Make the folder of a report, before the work.

    Raises `ReageError` where it cannot be made, or holds a finished report that is not to be overwritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error.strerror or str(error)) from error
    if not overwrite and (folder / "report.json").exists():
        raise ExistsError(folder / "report.json")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` whole or not at all."""
    with writing(path) as part:
        part.write_text(text)


def _warnings(reports: Sequence[Report]) -> list[str]:
    """Each warning once, with the models that it is about unless it is about all."""
    about: dict[str, list[str]] = {}
    for report in reports:
        for warning in report["warnings"]:
            about.setdefault(warning, []).append(report["model"]["title"])
    everybody = len(reports)
    return [
        f"\n**Warning:** {warning}" + ("." if len(titles) == everybody else f" ({', '.join(titles)}).")
        for warning, titles in about.items()
    ]


def _cost_table(reports: Sequence[Report]) -> list[str]:
    rows = [
        [
            report["model"]["title"], report["model"]["family"], str(report["model"]["size"]),
            number(report["cost"]["parameters"] / 1e6, 2), number(report["cost"]["multiply_adds"] / 1e9, 2),
            number(report["cost"]["milliseconds"], 1), number(report["cost"]["megabytes"], 0),
        ]
        for report in reports
    ]  # fmt: skip
    head = ["model", "family", "size, px", "parameters, million", "GMAC a face", "ms a face", "peak MB"]
    return table(head, rows)


def _chosen_faces(evaluation: Evaluation) -> dict[str, Int64]:
    """Positions of the faces on each sheet: some at random, and the worst by each measure."""
    people, edits = evaluation.people, evaluation.edits
    targets = np.asarray(evaluation.report["protocol"]["ages"])
    badness = {
        "age error": np.abs(edits.ages[..., 0] - targets).mean(1),
        "identity": edits.distances.mean(1),
        "same-age edit": edits.same[:, 0],
        "outside": edits.outside.mean(1),
        "sharpness": np.abs(np.log(np.maximum(edits.sharp, 1e-3))).mean(1),
    }
    random = np.random.default_rng(evaluation.report["protocol"]["seed"]).permutation(len(people))[
        :RANDOM_FACES
    ]
    worst = {
        f"worst-{name.replace(' ', '-')}": np.argsort(-bad, kind="stable")[:WORST_FACES]
        for name, bad in badness.items()
    }
    return {"random": random, **worst}


def _write_sheet(evaluation: Evaluation, faces: Int64, path: Path) -> None:
    targets: list[float] = list(evaluation.report["protocol"]["ages"])
    rows, labels, told = [], [], []
    for i in faces:
        sitting = evaluation.reager.open(evaluation.paths[i])
        face = sitting.faces[0]
        pictures = [sitting.photo.pixels, *(sitting.age(to=age, faces="largest").pixels for age in targets)]
        rows.append(np.stack([head_tile(picture, face.face.landmarks_photo, TILE) for picture in pictures]))
        labels.append(f"{evaluation.people.age[i]:g}, looks {face.apparent_age:.0f}")
        told += [(round(face.apparent_age, 1), float(age)) for age in targets]
    sheet = sheet_photo(np.stack(rows), labels, ["input", *(f"{age:g}" for age in targets)])
    mark = Provenance(
        tool=f"reage {__version__}", model=evaluation.report["model"]["title"], faces=tuple(told)
    )
    write_photo(sheet, path, mark=mark, overwrite=True, quality=88)


def _pictures(sheets: dict[str, Any]) -> str:
    plots = {"targets": "Age asked for and age read", "trade": "Age error and identity", "groups": "Groups"}
    lines = ["", "## Pictures", ""]
    lines += [f"![{title}](plots/{name}.png)\n" for name, title in plots.items()]
    lines += [f"![{name}](sheets/{name}.jpg)\n" for name in sheets]
    return "\n".join(
        [*lines, "*random*: faces drawn by the seed, not picked; *worst*: the ten worst by each measure.", ""]
    )
