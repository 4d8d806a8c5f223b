"""The scorecard of the embedded model, and of trained runs beside it: the figures in docs/scorecard.md.

`python benchmarks/scorecard.py INDEX` evaluates the embedded model. Its report goes to benchmarks/embedded.json, from
which `make card` writes the model card, and its tables into docs/scorecard.md.

`python benchmarks/scorecard.py INDEX RUN... --minutes 30` exports and evaluates trained runs, too, and replaces the
baselines there: tables, docs/scorecard.png and docs/scorecard.jpg. Bundles, reports and measurements stay in
work/scorecard/.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import click
from families import DOCS, HERE, age_portraits, fill, training_figures

from reage.assets import asset
from reage.bundle import DEFAULT, open_bundle
from reage.evaluation.compare import compare
from reage.evaluation.evaluate import evaluate
from reage.evaluation.measurement_cache import MeasurementCache
from reage.evaluation.protocol import Protocol
from reage.evaluation.report_folder import write_report
from reage.evaluation.tables import markdown_table
from reage.progress import progress_bar
from reage.training.export import export_run


@click.command()
@click.argument("index", type=click.Path(path_type=Path, exists=True))
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--minutes", default=10, show_default=True, help="What each of RUNS was trained for.")
@click.option("--work", type=click.Path(path_type=Path), default=HERE.parent / "work" / "scorecard")
def main(index: Path, runs: tuple[Path, ...], minutes: int, work: Path) -> None:
    """Judge the embedded bundle and RUNS on the test split of INDEX."""
    bundles = {run.name: work / "bundles" / run.name for run in runs}
    for run in runs:
        shutil.rmtree(bundles[run.name], ignore_errors=True)
        export_run(run, bundles[run.name], name=run.name, version=f"{minutes} min")
    embedded = open_bundle()
    bundles[embedded.manifest.name] = asset(DEFAULT)
    reports = []
    for name, path in bundles.items():
        with progress_bar() as progress:
            cache = MeasurementCache(work / "measurements")
            evaluation = evaluate(open_bundle(path), index, Protocol(), cache, progress=progress)
            reports.append(work / "reports" / name)
            write_report(evaluation, reports[-1], progress)
    shutil.copy(reports[-1] / "report.json", HERE / "embedded.json")
    fill(DOCS / "scorecard.md", "embedded", compare(reports[-1:], work / "embedded").splitlines())
    comparison = compare(reports, work)
    click.echo(comparison)
    if runs:
        fill(DOCS / "scorecard.md", "compare", comparison.splitlines())
        fill(DOCS / "scorecard.md", "training", _training_table(runs))
        shutil.copy(work / "trade.png", DOCS / "scorecard.png")
        age_portraits(bundles, DOCS / "scorecard.jpg")


def _training_table(runs: Sequence[Path]) -> list[str]:
    """For how many steps of how many faces each of ``runs`` was trained, and how fast."""
    rows = []
    for run in runs:
        figures = training_figures(run)
        steps, rate = f"{figures['steps']} x {figures['batch']}", f"{figures['images_per_second']:.0f}"
        rows.append([run.name, steps, rate])
    return markdown_table(["run", "steps x batch", "images a second"], rows)


if __name__ == "__main__":
    main()
