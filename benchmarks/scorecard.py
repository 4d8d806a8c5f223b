"""The baselines of docs/scorecard.md: every run exported, judged on the same faces by the same judges, and compared.

`python benchmarks/scorecard.py INDEX RUN... --minutes 30` makes work/scorecard/ (bundles, reports, and measurements,
which are kept), and fills docs/scorecard.md, docs/scorecard.png and docs/scorecard.jpg. The embedded bundle is always
among them; its report goes to benchmarks/embedded.json, from which `make card` writes the model card.
"""

from __future__ import annotations

import shutil
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
@click.option("--minutes", default=30, show_default=True, help="What each of RUNS was trained for.")
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
    comparison = compare(reports, work)
    click.echo(comparison)
    shutil.copy(work / "trade.png", DOCS / "scorecard.png")
    fill(DOCS / "scorecard.md", "compare", comparison.splitlines())
    rows = []
    for run in runs:
        figures = training_figures(run)
        rows.append(
            [run.name, f"{figures['steps']} x {figures['batch']}", f"{figures['images_per_second']:.0f}"]
        )
    head = ["run", "steps x batch", "images a second"]
    fill(DOCS / "scorecard.md", "training", markdown_table(head, rows) if rows else [])
    age_portraits(bundles, DOCS / "scorecard.jpg")


if __name__ == "__main__":
    main()
