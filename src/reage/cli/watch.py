"""The commands for films, videos and the web page: ``film``, ``video`` and ``web``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from reage.cli.hints import print_doubt, tell
from reage.cli.options import (
    MODEL,
    PATH,
    device_option,
    face_options,
    make_file_options,
    make_request,
    max_pixels_option,
    need_extra,
    parse_span,
    refuse_terminal,
    target_options,
)


@click.command()
@click.argument("source_photo", type=PATH, metavar="IN")
@click.option("--ages", default="20:80", show_default=True, help="First and last age, as first:last.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    help='A .mp4, .gif or .webp file; default: IN-film beside the input, .mp4 with the extra "video", else .webp. '
    "'-' as IN is standard input, as output standard output.",
)
@click.option("--seconds", type=float, default=6.0, show_default=True, help="Length of the film.")
@click.option("--fps", type=float, default=24.0, show_default=True, help="Frames per second.")
@click.option(
    "--side",
    type=int,
    help="Longest side in pixels; default: at most 720 for MP4, 400 for GIF, 480 for WebP.",
)
@click.option("--labels/--no-labels", default=True, show_default=True, help="Show the age in a corner.")
@click.option("--there-and-back", is_flag=True, help="Go back to the first age, for a seamless loop.")
@click.option("--whole", is_flag=True, help="Show the whole photo instead of head and shoulders.")
@face_options
@max_pixels_option
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
    **given: Any,
) -> None:
    """Make a film of one face growing older (MP4 needs the extra "video")."""
    refuse_terminal(output)
    from reage.pipes import PIPE
    from reage.video.film import Look, film_photo

    request = make_request(given)
    look = Look(seconds, fps, side, labels, there_and_back, whole)
    on_doubt = partial(print_doubt, source_photo)
    options = make_file_options(given)
    place = film_photo(source_photo, parse_span(ages), output, request, options, look, on_doubt=on_doubt)
    if place != PIPE:
        tell(str(place))


@click.command()
@click.argument("source_video", type=PATH, metavar="IN")
@target_options
@click.option("-o", "--output", type=PATH, help="A .mp4, .mov or .mkv file; default: beside the input.")
@click.option(
    "--crf",
    type=click.IntRange(0, 51),
    default=18,
    show_default=True,
    help="Quality of the video: 0 is best, 51 is worst.",
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
@face_options
def video(source_video: Path, output: Path | None, crf: int, quiet: bool, **given: Any) -> None:
    """Make the people in a video older or younger, in every frame (needs the extra "video").

    Sound, subtitles and all other tracks are copied. --faces takes all or largest. After an interruption, repeat the
    command: it continues where it stopped.
    """
    need_extra("video", "av", "rich")
    from reage.progress import progress_bar
    from reage.video.retouch import age_video

    request = make_request(given, targeted=True)
    with progress_bar(shown=not quiet) as progress:
        outcome = age_video(
            source_video, request, output, make_file_options(given), crf=crf, progress=progress
        )
    if not quiet:
        for line in (*outcome.people, *outcome.notes, f"{outcome.frames} frames"):
            tell(f"{outcome.output}: {line}")


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 lets other machines in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    show_default=True,
    help="Port to listen on; 0: any free one.",
)
@device_option
@click.option(
    "--model",
    type=MODEL,
    envvar="REAGE_MODEL",
    help="Model that is selected at first: a bundle, or one on the Hugging Face Hub; default: the embedded one.",
)
@click.option("--models", type=PATH, help="Folder with further model bundles to choose from.")
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=50_000_000,
    show_default=True,
    help="Refuse larger photos; in pixels.",
)
@click.option(
    "--max-upload",
    type=click.IntRange(1, 1000),
    default=40,
    show_default=True,
    help="Refuse larger uploads; in MB.",
)
@click.option(
    "--queue",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Number of requests that may wait at once.",
)
@click.option(
    "--allow-host",
    metavar="NAME",
    multiple=True,
    envvar="REAGE_ALLOW_HOST",
    help="Host name under which the page is reached, such as faces.example.org; repeatable. Numeric addresses, "
    "localhost and this machine's own name are always allowed.",
)
@click.option(
    "--allow-frame",
    metavar="SITE",
    multiple=True,
    envvar="REAGE_ALLOW_FRAME",
    help="Web site that may embed the page in a frame, such as https://example.org; repeatable.",
)
@click.option(
    "--auth",
    metavar="USER:PASSWORD",
    envvar="REAGE_AUTH",
    help="Require this user name and password. Other users of this machine can see it in the process list; to hide it, "
    "set the environment variable REAGE_AUTH instead.",
)
def web(
    host: str,
    port: int,
    model: Path | str | None,
    models: Path | None,
    max_pixels: int,
    max_upload: int,
    queue: int,
    allow_host: tuple[str, ...],
    allow_frame: tuple[str, ...],
    auth: str | None,
) -> None:
    """Serve the web page and print its address (needs the extra "web"); Ctrl-C stops it."""
    need_extra("web", "gradio")
    from reage.web.access import Access
    from reage.web.server import serve
    from reage.web.service import Limits

    limits = Limits(max_pixels=max_pixels, max_upload=max_upload << 20, queue=queue)
    access = Access(allow_host, allow_frame, auth)
    warning = access.warning(host)
    if warning:
        click.echo(f"Note: {warning}.", err=True)
    serve(host, port, model=model, models=models, limits=limits, access=access, on_ready=click.echo)


COMMANDS = (film, video, web)
