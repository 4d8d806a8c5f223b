"""The commands that evaluate models: ``evaluate``, ``compare`` and ``rate``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.options import MODEL, PATH, device_option, need_extra, parse_ages, ray_option

if TYPE_CHECKING:
    from reage.evaluation.measurer import Measure, Measurers
    from reage.reager import Reager

EVALUATION = ("torch", "pandas", "pyarrow", "rich", "skimage", "sklearn", "matplotlib", "onnx_tool")
"""Modules that the extra "eval" brings."""


@click.command()
@click.argument("model", type=MODEL, required=False)
@click.option(
    "--index",
    type=PATH,
    required=True,
    help="Index made by `reage data index`; its images must still be in place.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "val"]),
    default="test",
    show_default=True,
    help="Split to evaluate on; val is for choosing weights, and also prints the selection score.",
)
@click.option(
    "-o", "--output", type=PATH, default=Path("report"), show_default=True, help="Folder of the report."
)
@click.option(
    "--faces", type=click.IntRange(2), default=500, show_default=True, help="Largest number of faces to edit."
)
@click.option(
    "--ages",
    default="20:80:10",
    show_default=True,
    help="Target ages: first:last:step, or a list such as 25,45,70.",
)
@click.option(
    "--references",
    type=click.IntRange(20),
    default=150,
    show_default=True,
    help="Largest number of real faces per target age, to compare with.",
)
@click.option(
    "--min-sharpness",
    type=float,
    default=20.0,
    show_default=True,
    help="Leave out blurrier faces (sharpness as in the index).",
)
@click.option(
    "--features",
    type=click.Choice(["lite0", "inception"]),
    default="lite0",
    show_default=True,
    help="Network whose features KID and FID compare.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed for drawing the faces.",
)
@click.option(
    "--cache",
    type=PATH,
    help="Folder for measurements, which several reports can share; default: measurements/ in the report's folder.",
)
@device_option
@ray_option
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Number of processes with --ray, each on one core; default: one per core.",
)
@click.option(
    "--force", is_flag=True, help="Accept judges that took part in training the model; the report says so."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
def evaluate(
    model: Path | str | None,
    index: Path,
    output: Path,
    ages: str,
    cache: Path | None,
    ray: bool,
    workers: int | None,
    force: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Evaluate MODEL on labelled faces (needs the extra "eval").

    Measures age, identity, realism, preservation, and differences between groups.

    MODEL (default: the embedded one) is a bundle, a run folder (its best weights are used), a weights file or
    checkpoint in one, or a best.pth of the aging-gan project. For the losses of a run on its test split, use
    reage train RECIPE -o RUN --only-test.

    Repeat the command to continue a stopped evaluation. Reports that share a --cache measure real faces only once.
    """
    need_extra("eval", *EVALUATION)
    from reage.evaluation.evaluate import evaluate
    from reage.evaluation.measurement_cache import MeasurementCache
    from reage.evaluation.protocol import Protocol
    from reage.evaluation.report_folder import make_report_folder, write_report
    from reage.evaluation.selection import select
    from reage.progress import progress_bar
    from reage.training.export import opened_bundle

    protocol = Protocol(ages=tuple(parse_ages(ages)), **options)
    make_report_folder(output, overwrite=overwrite)
    measurements = MeasurementCache(cache or output / "measurements")
    with opened_bundle(model) as bundle, _measurers(ray, workers) as measurers, progress_bar() as progress:
        evaluation = evaluate(
            bundle, index, protocol, measurements, force=force, progress=progress, measurers=measurers
        )
        write_report(evaluation, output, progress)
    if protocol.split == "val":
        click.echo(select(evaluation.report).in_words)
    click.echo(f"{output / 'report.md'}: written")


@contextmanager
def _measurers(ray: bool, workers: int | None) -> Iterator[Measurers]:
    """What measures the faces of an evaluation: this process, or ``workers`` processes of Ray."""
    if not ray:
        if workers:
            raise click.UsageError("--workers needs --ray")
        from reage.evaluation.measurer import one_by_one

        yield one_by_one
        return
    need_extra("scale", "ray")
    from reage.scale.cluster import connected
    from reage.scale.measuring import measure_on_ray

    with ExitStack() as stack:

        def measurers(root: Path, reager: Reager, features: str) -> Measure:
            # Ray is started only here, once the data set and the model are known to exist.
            count = stack.enter_context(connected(None, workers))
            return measure_on_ray(root, reager, features, workers=count)

        yield measurers


@click.command()
@click.argument("reports", type=PATH, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Folder for compare.md and its plot, or a .html file: a single page with tables, plots, faces and a slider "
    "between the models. Default: print only.",
)
@click.option("--votes", type=PATH, help="Votes file of `reage rate`; adds what people preferred.")
def compare(reports: tuple[Path, ...], output: Path | None, votes: Path | None) -> None:
    """Print REPORTS of `reage evaluate` side by side.

    Real faces and the baseline of doing nothing are listed, too.
    """
    need_extra("eval", *EVALUATION)
    from reage.evaluation.compare import compare

    click.echo(compare(reports, output, votes), nl=False)


@click.command()
@click.argument("reports", type=PATH, nargs=-1, required=True)
@click.option(
    "-o",
    "--votes",
    type=PATH,
    default=Path("votes.jsonl"),
    show_default=True,
    help="File that votes are appended to; pairs with a vote in it are not asked again.",
)
@click.option("--rater", default="", help="Name of the person who votes; lets several people share a file.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7861,
    show_default=True,
    help="Port to listen on, on this machine only; 0: any free one.",
)
def rate(reports: tuple[Path, ...], votes: Path, rater: str, port: int) -> None:
    """Let people compare the outputs of REPORTS in the browser, in blind pairs; Ctrl-C stops it.

    `reage compare --votes` then shows what they preferred.
    """
    need_extra("eval", *EVALUATION)
    from reage.evaluation.rating.pairs import read_pairs
    from reage.evaluation.rating.server import serve
    from reage.evaluation.rating.session import Session

    serve(Session(read_pairs(reports), votes, rater), port, click.echo)


COMMANDS = (evaluate, compare, rate)
