"""The command for many photographs: ``batch``."""

from __future__ import annotations

import sys
from typing import Any

import click

from reage.cli.hints import tell
from reage.cli.options import (
    face_options,
    make_file_options,
    make_request,
    need_extra,
    photo_options,
    target_options,
)


@click.command()
@click.argument("photos", metavar="SOURCE")
@click.option("-o", "--output", "target", required=True, metavar="TARGET", help="Folder of the results.")
@target_options
@click.option(
    "--workers", type=click.IntRange(1), help="Number of processes, each on one core; default: one per core."
)
@click.option(
    "--address", help="Ray cluster to use; default: RAY_ADDRESS, or else a new one on this machine."
)
@click.option(
    "--dry-run", is_flag=True, help="Print the number of photos and the estimated time and memory, then stop."
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
@face_options
@photo_options
def batch(
    photos: str,
    target: str,
    workers: int | None,
    address: str | None,
    dry_run: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Make the people in many photographs older or younger, on many cores or machines.

    SOURCE is a folder (with its subfolders), a pattern such as "photos/**/*.jpg", or a table (.csv, .parquet) with a
    column "path" and the optional columns "to", "by", "from" and "strength". SOURCE and TARGET may be URLs such as
    s3://bucket/folder. Needs the extra "scale".

    TARGET/results.parquet gets one row per photo. Repeat the command to do what is missing or failed.
    """
    need_extra("scale", "ray", "pyarrow", "fsspec", "rich")
    from reage.progress import progress_bar
    from reage.scale.archive import plan_batch, run_batch
    from reage.scale.sources import is_table

    request = make_request(given, targeted=not is_table(photos))
    options = make_file_options(given)
    if dry_run:
        click.echo(plan_batch(photos, target, request, options, workers=workers))
        return
    with progress_bar(shown=not quiet) as progress:
        summary = run_batch(
            photos, target, request, options, workers=workers, address=address, progress=progress
        )
    if not quiet:
        click.echo(
            f"{summary.results}: {summary.done} aged, {summary.kept} already done, {summary.failed} failed; "
            f"{summary.seconds:.0f} s"
        )
    for text in summary.failures:
        tell(f"reage: {text}", err=True)
    if summary.failed > len(summary.failures):
        click.echo(
            f"reage: {summary.failed} photos failed; {summary.results} has a reason for each", err=True
        )
    if summary.failed:
        sys.exit(2)


COMMANDS = (batch,)
