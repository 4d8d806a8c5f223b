"""The command line: parses, calls, prints; no logic of its own.

Heavy modules are imported inside commands, so that ``reage --help`` answers at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from reage._version import __version__
from reage.cli.hints import explain
from reage.cli.parsing import PATH, need_extra, parse_ages, parse_regions, parse_span
from reage.cli.training import COMMANDS
from reage.errors import ReageError

if TYPE_CHECKING:
    from reage.batch import Outcome
    from reage.reager import Target

F = TypeVar("F", bound=Callable[..., Any])

DIRECTIONS: dict[str, Literal["older", "younger"]] = {"young2old": "older", "old2young": "younger"}


class _Group(click.Group):
    """Turns errors of the user into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReageError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            click.echo(f"reage: {explain(error, command)}", err=True)
            ctx.exit(2)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(1)
        except OSError as error:  # a full disk, a folder that may not be written
            click.echo(f"reage: {error.filename or 'the system'}: {error.strerror or error}", err=True)
            ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="reage")
def main() -> None:
    """Face ageing: a photograph in, the same person older or younger out.

    The output is a plausible edit made by a neural network, not evidence of how anybody will look; every
    picture written says so in its metadata.
    """


_FACE_OPTIONS = (
    click.option("--faces", default=None, help="Which faces: all, largest, or numbers (0 is the largest)."),
    click.option("--from", "source", type=float, help="Age in the photo; default: the apparent age."),
    click.option("--strength", type=click.FloatRange(0, 1.5), default=1.0, show_default=True),
    click.option("--gender", type=click.Choice(["male", "female"]), help="Override the estimate."),
    click.option("--model", type=PATH, help="A model bundle; default: the embedded one."),
    click.option("--overwrite", is_flag=True, help="Replace existing files."),
)
_REGIONS = click.option(
    "--regions",
    metavar="NAME=FACTOR,...",
    help="Scale the edit apart in forehead, eyes, cheeks, mouth and neck, 0 to 1.5: forehead=1,eyes=0.5.",
)
_DIRECTION = click.option(
    "--direction",
    type=click.Choice(list(DIRECTIONS)),
    help="Instead of --to: young2old makes 70, old2young 25, unless the model names other ages; at least 15 years "
    "from the age in the photo, as far as the model goes.",
)
_QUALITY = click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Of JPEG, WebP and HEIC; default: 95, but a JPEG as its input was coded, a WebP lossless where its input is.",
)
_MAX_PIXELS = click.option(
    "--max-pixels", type=click.IntRange(1), help="Largest photo read, in pixels (default 200 million)."
)


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in their order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@main.command()
@click.argument("photos", nargs=-1, required=True, type=PATH, metavar="IN...")
@click.option("--to", "target", type=float, help="Age to show, 0 to 116 years.")
@_DIRECTION
@click.option("-o", "--output", type=PATH, help="A file (one input) or a folder; default: beside the input.")
@click.option(
    "--layers", is_flag=True, help="Write the edit as layers for retouching too, into the folder OUT-layers."
)
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@_options(*_FACE_OPTIONS, _REGIONS, _QUALITY, _MAX_PIXELS)
def photo(
    photos: tuple[Path, ...],
    target: float | None,
    direction: str | None,
    output: Path | None,
    layers: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Make the people in photographs older or younger."""
    from reage.batch import Options, age_photos

    wish = _target(target, direction)
    told = None if as_json or quiet else _print_outcome
    outcomes = age_photos(
        photos,
        wish,
        output,
        Options(**_named(options)),
        layers=layers,
        on_outcome=told,
    )
    failed = [outcome for outcome in outcomes if outcome.error]
    if as_json:
        click.echo(json.dumps([outcome.as_dict() for outcome in outcomes], indent=2))
    if failed:
        for outcome in failed:
            click.echo(f"reage: {outcome.error}", err=True)
        if len(outcomes) > 1:
            click.echo(
                f"reage: {len(failed)} of {len(outcomes)} photos failed; the others were written", err=True
            )
        sys.exit(2)


def _target(age: float | None, direction: str | None) -> Target:
    wish = age if direction is None else DIRECTIONS[direction]
    if wish is None or (age is not None and direction is not None):
        raise click.UsageError("say either --to AGE or --direction")
    return wish


def _print_outcome(outcome: Outcome) -> None:
    if outcome.output is None:
        return
    for change in outcome.faces:
        asked, target = change["asked_age"], change["target_age"]
        nearest = "" if asked == target else f"; the nearest this model gives is {target:g}"
        click.echo(
            f"{outcome.output}: face {change['index']}, apparent age {change['apparent_before']:.0f} -> "
            f"{change['apparent_after']:.0f} (asked for {asked:g}{nearest})"
        )
    if outcome.layers:
        click.echo(f"{outcome.layers}: layers, with a note on their use")


@main.command()
@click.argument("source_photo", type=PATH, metavar="IN")
@click.option(
    "--ages", default="20:80:10", show_default=True, help="first:last:step, or a list such as 20,45,70."
)
@click.option("-o", "--output", type=PATH, help="The sheet to write; default: IN-strip.jpg beside the input.")
@click.option(
    "--tile",
    type=click.IntRange(64, 2048),
    default=320,
    show_default=True,
    help="Side of a picture in the sheet.",
)
@_options(*_FACE_OPTIONS, _REGIONS, _QUALITY, _MAX_PIXELS)
def strip(source_photo: Path, ages: str, output: Path | None, tile: int, **options: Any) -> None:
    """One contact sheet of the same face at several ages."""
    from reage.batch import Options, age_strip

    click.echo(age_strip(source_photo, parse_ages(ages), output, Options(**_named(options)), tile=tile))


def _named(options: dict[str, Any]) -> dict[str, Any]:
    """Options as the library names them."""
    gender, regions = options.pop("gender"), options.pop("regions", None)
    return {
        **options,
        "male": None if gender is None else float(gender == "male"),
        "regions": None if regions is None else parse_regions(regions),
    }


@main.command()
@click.argument("source_photo", type=PATH, metavar="IN")
@click.option("--ages", default="20:80", show_default=True, help="first:last.")
@click.option(
    "-o", "--output", type=PATH, help="A .mp4, .gif or .webp; default: IN-film.mp4 beside the input."
)
@click.option("--seconds", type=float, default=6.0, show_default=True, help="Length of the film.")
@click.option("--fps", type=float, default=24.0, show_default=True, help="Frames a second.")
@click.option("--side", type=int, help="Longest side in pixels; default: at most 720, GIF 400, WebP 480.")
@click.option("--labels/--no-labels", default=True, show_default=True, help="Write the age into a corner.")
@click.option("--there-and-back", is_flag=True, help="Return to the first age: a loop without a jump.")
@click.option("--whole", is_flag=True, help="The whole photo instead of head and shoulders.")
@_options(*_FACE_OPTIONS, _REGIONS, _MAX_PIXELS)
def film(
    source_photo: Path,
    ages: str,
    output: Path | None,
    seconds: float,
    fps: float,
    side: int | None,
    labels: bool,
    there_and_back: bool,
    whole: bool,
    **options: Any,
) -> None:
    """A film of one face growing older (MP4 needs the extra "video"; GIF and WebP do not)."""
    from reage.batch import Options
    from reage.video.film import film_photo

    place = film_photo(
        source_photo,
        parse_span(ages),
        output,
        Options(**_named(options)),
        seconds=seconds,
        fps=fps,
        side=side,
        labels=labels,
        there_and_back=there_and_back,
        whole=whole,
    )
    click.echo(place)


@main.command()
@click.argument("source_video", type=PATH, metavar="IN")
@click.option("--to", "target", type=float, help="Age to show, 0 to 116 years.")
@_DIRECTION
@click.option("-o", "--output", type=PATH, help="A .mp4, .mov or .mkv; default: beside the input.")
@click.option(
    "--crf",
    type=click.IntRange(0, 51),
    default=18,
    show_default=True,
    help="Of H.264: 0 loses nothing, 51 nearly all.",
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
@_options(*_FACE_OPTIONS, _REGIONS)
def video(
    source_video: Path,
    target: float | None,
    direction: str | None,
    output: Path | None,
    crf: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Make the people in a video older or younger, in every frame (needs the extra "video").

    Sound and subtitles are copied. --faces is all or largest.
    """
    need_extra("video", "av", "rich")
    from reage.batch import Options
    from reage.progress import progress_bar
    from reage.video.retouch import age_video

    wish = _target(target, direction)
    with progress_bar(shown=not quiet) as progress:
        outcome = age_video(
            source_video, wish, output, Options(**_named(options)), crf=crf, progress=progress
        )
    if not quiet:
        for line in (*outcome.people, *outcome.notes, f"{outcome.frames} frames"):
            click.echo(f"{outcome.output}: {line}")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="0 is any free one."
)
@click.option("--models", type=PATH, help="A folder of further model bundles to choose from.")
@click.option(
    "--max-pixels", type=click.IntRange(1), default=50_000_000, show_default=True, help="Of one photo."
)
@click.option(
    "--max-upload", type=click.IntRange(1, 1000), default=40, show_default=True, help="Of one photo, in MB."
)
@click.option(
    "--queue", type=click.IntRange(1), default=40, show_default=True, help="Requests that may wait at a time."
)
def web(host: str, port: int, models: Path | None, max_pixels: int, max_upload: int, queue: int) -> None:
    """Serve the page in the browser (needs the extra "web"); prints its address, Ctrl-C ends it."""
    need_extra("web", "gradio")
    from reage.web.server import serve
    from reage.web.service import Limits

    limits = Limits(max_pixels=max_pixels, max_upload=max_upload << 20, queue=queue)
    serve(host, port, models=models, limits=limits, on_ready=click.echo)


@main.group()
def models() -> None:
    """List, inspect and verify model bundles."""


@models.command("list")
@click.argument("folder", type=PATH, required=False)
def models_list(folder: Path | None) -> None:
    """The embedded bundle, and those in FOLDER."""
    from reage.bundle import find_bundles

    for bundle in find_bundles(folder):
        manifest = bundle.manifest
        click.echo(f"{manifest.title}  {manifest.family}, {manifest.size} px  {bundle.path}")


@models.command("show")
@click.argument("bundle", type=PATH, required=False)
@click.option("--card", is_flag=True, help="Print the model card instead.")
def models_show(bundle: Path | None, card: bool) -> None:
    """Everything the manifest of BUNDLE (default: the embedded one) says."""
    from reage.bundle import open_bundle

    opened = open_bundle(bundle)
    click.echo(opened.card if card else opened.manifest.as_json())


@models.command("verify")
@click.argument("bundles", type=PATH, nargs=-1)
def models_verify(bundles: tuple[Path, ...]) -> None:
    """Check the hashes of BUNDLES (default: the embedded one) and that their networks answer."""
    from reage.bundle import open_bundle

    for path in bundles or (None,):
        bundle = open_bundle(path)
        bundle.check()
        click.echo(f"{bundle.path}: {len(bundle.manifest.files)} files verified, the network answers")


for _command in COMMANDS:
    main.add_command(_command)

if __name__ == "__main__":
    main()
