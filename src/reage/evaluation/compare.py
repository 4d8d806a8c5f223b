"""`compare`: several reports side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

from reage.errors import ReageError
from reage.evaluation.compare_page import render_page
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.plots import plot_moved, plot_trade
from reage.evaluation.rating.bradley_terry import preferences
from reage.evaluation.rating.votes import read_votes
from reage.evaluation.report import Report
from reage.evaluation.report_folder import read_report, write_text
from reage.evaluation.tables import cost_table, moved_table, preference_table, selection_table, summary_tables


def compare(folders: Sequence[Path], output: Path | None = None, votes: Path | None = None) -> str:
    """The reports in ``folders`` side by side.

    Args:
        folders: folders that `reage evaluate` wrote.
        output: a folder for ``compare.md`` and its plots, or a file ending in ``.html`` for everything in one page;
            None writes nothing.
        votes: the file that `reage rate` wrote: what people preferred is then among the tables.

    Returns:
        The text of ``compare.md``.

    Raises:
        ReageError: as `comparable_reports`; or the file of votes has none about two of the models.
    """
    reports = comparable_reports(folders)
    titles = [report.model.title for report in reports]
    text = comparison_text(reports)
    if votes is not None:
        text += "\n" + "\n".join(preference_table(preferences(read_votes(votes), titles))) + "\n"
    if output is not None and output.suffix == ".html":
        with TemporaryDirectory() as plots:
            _plot(reports, Path(plots))
            write_text(output, render_page(text, titles, folders, Path(plots)))
    elif output is not None:
        _plot(reports, output)
        write_text(output / "compare.md", text)
    return text


def comparable_reports(folders: Sequence[Path]) -> list[Report]:
    """The reports in ``folders``, of models with different names.

    Raises:
        ReageError: a folder holds no report, or the reports do not agree in protocol, faces and judges.
    """
    reports = [read_report(folder) for folder in folders]
    first = reports[0]
    titles: list[str] = []
    for folder, report in zip(folders, reports, strict=True):
        different = _differences(first, report)
        if different:
            raise ReageError(
                f"{folder} cannot be compared with {folders[0]}: they differ in {', '.join(different)}"
            )
        if report.model.title in titles:
            raise ReageError(
                f"two of the reports are of {report.model.title}; rename one with `reage export --name`"
            )
        titles.append(report.model.title)
    return reports


def _plot(reports: Sequence[Report], folder: Path) -> None:
    """Write the plots of all ``reports`` together."""
    plot_trade(reports, folder / "trade.png")
    if all(report.years_moved for report in reports):
        plot_moved(reports, folder / "moved.png")


def comparison_text(reports: Sequence[Report]) -> str:
    """Tables of reports of the same protocol, faces and judges, as Markdown."""
    first = reports[0]
    targets = ", ".join(f"{age:g}" for age in first.protocol.ages)
    lines = [
        f"{first.scores.everybody.faces} faces of {first.data.dataset}, split {first.protocol.split}, targets "
        f"{targets}, seed {first.protocol.seed}; features: {first.features}. Two figures in a cell are those of "
        f"{AGE_JUDGES[0]} and {AGE_JUDGES[1]}.",
        "",
        *summary_tables(reports),
        "",
        "Years moved per year asked, by the years between the age in the photo and the target:",
        "",
        *moved_table(reports),
        "",
        *cost_table(reports),
    ]
    if first.protocol.split == "val":
        lines += ["", *selection_table(reports)]
    return "\n".join([*lines, *_warnings(reports)]) + "\n"


def _differences(one: Report, other: Report) -> list[str]:
    """Names of whatever in protocol, faces and judges must be the same in both, and is not."""
    different = []
    for ours, theirs in ((one.protocol, other.protocol), (one.data, other.data)):
        names = [field.name for field in fields(ours)]
        different += [name for name in names if getattr(ours, name) != getattr(theirs, name)]
    return different + [judge for judge in one.judges if one.judges[judge] != other.judges.get(judge)]


def _warnings(reports: Sequence[Report]) -> list[str]:
    """Each warning once, with the models that it is about unless it is about all."""
    about: dict[str, list[str]] = {}
    for report in reports:
        for warning in report.warnings:
            about.setdefault(warning, []).append(report.model.title)
    return [
        f"\n**Warning:** {warning}" + ("." if len(titles) == len(reports) else f" ({', '.join(titles)}).")
        for warning, titles in about.items()
    ]
