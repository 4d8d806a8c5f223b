"""The commands that edit photographs: ``photo`` and ``strip``."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.hints import explain, print_doubt, tell
from reage.cli.options import (
    PATH,
    face_options,
    make_file_options,
    make_request,
    parse_ages,
    photo_options,
    refuse_terminal,
    target_options,
)
from reage.onnx_session import open_early

if TYPE_CHECKING:
    from reage.batch import Outcome


@click.command()
@click.argument("photos", nargs=-1, required=True, type=PATH, metavar="IN...")
@target_options
@click.option(
    "-o",
    "--output",
    type=click.Path(),  # kept as text: a slash at the end means a folder
    help="A file (for one input) or a folder; default: beside the input. '-' as IN is standard input, as output "
    "standard output.",
)
@click.option(
    "--layers", is_flag=True, help="Also write the edit as layers for retouching, to the folder OUT-layers."
)
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@face_options
@photo_options
def photo(
    photos: tuple[Path, ...], output: str | None, layers: bool, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Make the people in photographs older or younger."""
    if output == "-" and as_json:
        raise click.UsageError("--json and -o - would both write to standard output")
    refuse_terminal(output)
    open_early()
    from reage.batch import age_photos

    request = make_request(given, targeted=True)
    on_outcome = None if quiet else _print_doubts if as_json else _print_outcome
    outcomes = age_photos(
        photos,
        request,
        output,
        make_file_options(given),
        layers=layers,
        ages_after=as_json or not quiet,
        on_outcome=on_outcome,
    )
    failed = [outcome for outcome in outcomes if outcome.error]
    if as_json:
        click.echo(json.dumps([outcome.as_dict() for outcome in outcomes], indent=2))
    if failed:
        command = click.get_current_context().command
        for outcome in failed:
            assert outcome.error is not None
            tell(f"reage: {outcome.about(explain(outcome.error, command))}", err=True)
        if len(outcomes) > 1:
            others = "; the others were written" if len(failed) < len(outcomes) else ""
            tell(f"reage: {len(failed)} of {len(outcomes)} photos failed{others}", err=True)
        sys.exit(2)


def _print_doubts(outcome: Outcome) -> None:
    """Warn where the estimated age of the input may be wrong."""
    for doubt in outcome.doubts():
        print_doubt(outcome.input, doubt)


def _print_outcome(outcome: Outcome) -> None:
    if outcome.output is None:
        return
    _print_doubts(outcome)
    to_stderr = str(outcome.output) == "-"
    for change in outcome.faces:
        asked, target = change["asked_age"], change["target_age"]
        nearest = "" if asked == target else f"; the nearest this model supports is {target:g}"
        tell(
            f"{outcome.output}: face {change['index']}, apparent age {change['apparent_before']:.0f} -> "
            f"{change['apparent_after']:.0f} (asked for {asked:g}{nearest})",
            err=to_stderr,
        )
    if outcome.layers:
        tell(f"{outcome.layers}: layers, and a README.txt about them")


@click.command()
@click.argument("source_photo", type=PATH, metavar="IN")
@click.option(
    "--ages",
    default="20:80:10",
    show_default=True,
    help="Target ages: first:last:step, or a list such as 20,45,70.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="The sheet to write; default: IN-strip.jpg beside the input. '-' as IN is standard input, as output standard "
    "output.",
)
@click.option(
    "--tile",
    type=click.IntRange(64, 2048),
    default=320,
    show_default=True,
    help="Side of each picture in the sheet, in pixels.",
)
@face_options
@photo_options
def strip(source_photo: Path, ages: str, output: Path | None, tile: int, **given: Any) -> None:
    """Write one contact sheet of a face at several ages."""
    refuse_terminal(output)
    open_early()
    from reage.batch import age_strip
    from reage.pipes import PIPE

    request = make_request(given)
    on_doubt = partial(print_doubt, source_photo)
    options = make_file_options(given)
    place = age_strip(source_photo, parse_ages(ages), output, request, options, tile=tile, on_doubt=on_doubt)
    if place != PIPE:
        tell(str(place))


COMMANDS = (photo, strip)
