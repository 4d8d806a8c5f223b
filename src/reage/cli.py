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

import reage
from reage.errors import AgeError, ReageError, RegionError

if TYPE_CHECKING:
    from reage.batch import Outcome
    from reage.reager import Target

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
EVALUATION = ("torch", "pandas", "pyarrow", "rich", "skimage", "sklearn", "matplotlib", "onnx_tool")
DIRECTIONS: dict[str, Literal["older", "younger"]] = {"young2old": "older", "old2young": "younger"}


class _Group(click.Group):
    """Turns errors of the user into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReageError as error:
            click.echo(f"reage: {error}", err=True)
            ctx.exit(2)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(reage.__version__, prog_name="reage")
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
    help="Instead of --to: as far that way as the model is made for.",
)
_QUALITY = click.option(
    "--quality", type=click.IntRange(1, 100), help="Of JPEG and WebP; default: that of the input."
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
        click.echo(
            f"{outcome.output}: face {change['index']}, apparent age {change['apparent_before']:.0f} -> "
            f"{change['apparent_after']:.0f} (asked for {change['target_age']:g})"
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


def parse_ages(text: str) -> list[float]:
    """``20:80:10`` or ``20,45,70`` as ages; raises `AgeError` for anything else."""
    try:
        if ":" in text:
            first, last, step = (float(part) for part in text.split(":"))
            count = int((last - first) / step + 1e-9) + 1
            ages = [first + step * i for i in range(count)]
        else:
            ages = [float(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise AgeError(f"ages '{text}': say first:last:step or a list such as 20,45,70") from None
    if not 1 <= len(ages) <= 200:
        raise AgeError(f"ages '{text}' are {max(0, len(ages))} ages; a sheet holds 1 to 200")
    return ages


def parse_regions(text: str) -> dict[str, float]:
    """``forehead=1,eyes=0.5`` as factors by region; raises `RegionError` for what is not of this form."""
    regions: dict[str, float] = {}
    for part in text.split(","):
        name, sign, factor = (word.strip() for word in part.partition("="))
        try:
            if not sign or name in regions:
                raise ValueError
            regions[name] = float(factor)
        except ValueError:
            raise RegionError(
                f"regions '{text}': say name=factor, each once, as in forehead=1,eyes=0.5"
            ) from None
    return regions


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
    from reage.film import film_photo

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


def parse_span(text: str) -> tuple[float, float]:
    """``20:80`` as two ages; raises `AgeError` for anything else."""
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        raise AgeError(f"ages '{text}': say first:last, such as 20:80") from None
    return first, last


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
    _need_extra("video", "av", "rich")
    from reage.batch import Options
    from reage.progress import progress_bar
    from reage.video import age_video

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
    _need_extra("web", "gradio")
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


@main.group()
def data() -> None:
    """Index and pack data sets of labelled faces (needs the extra "train")."""


@data.command("index")
@click.argument("dataset", type=click.Choice(["utkface", "fgnet", "csv"]))
@click.argument("source", type=PATH, required=False)
@click.option("--images", type=PATH, help="For csv: the folder that the table's paths start from.")
@click.option("-o", "--output", type=PATH, default=Path("index.parquet"), show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Threads that decode.")
def data_index(dataset: str, source: Path | None, images: Path | None, output: Path, workers: int) -> None:
    """Read labels, find corrupt files, duplicates and contradictions, and assign splits by duplicate group.

    SOURCE is a folder of images, for csv a table with file, age and perhaps gender and race; for utkface it
    may be left out: the usual places are then looked through.
    """
    _need_extra("train", "pandas", "pyarrow", "rich")
    from reage.data.commands import make_index

    click.echo(make_index(dataset, source, images, output, workers))


@data.command("cache")
@click.argument("index", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder to make.")
@click.option(
    "--size", type=click.IntRange(32, 512), default=128, show_default=True, help="Side of a face in pixels."
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
def data_cache(index: Path, output: Path, size: int, workers: int) -> None:
    """Align the faces of INDEX by their landmarks and pack them into one array for training."""
    _need_extra("train", "pandas", "pyarrow", "rich")
    from reage.data.commands import make_cache

    click.echo(make_cache(index, output, size, workers))


@main.command()
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1, metavar="[key=value]...")
@click.option("-o", "--output", type=PATH, help="Run folder; default: runs/ and the recipe's name.")
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint.")
@click.option("--dry-run", is_flag=True, help="Print the settings and the networks' sizes, and stop.")
def train(recipe: Path, overrides: tuple[str, ...], output: Path | None, resume: bool, dry_run: bool) -> None:
    """Train the family that RECIPE names (needs the extra "train").

    In several processes: accelerate launch --multi_gpu --num_processes N -m reage.training RECIPE [key=value]...
    (that is accelerate's name for it with or without GPUs).
    """
    _need_extra("train", "torch", "accelerate", "pydantic", "yaml", "safetensors", "pandas", "rich", "dotenv")
    from reage.training.config import load_recipe

    settings = load_recipe(recipe, list(overrides))
    if dry_run:
        from reage.training.describe import describe

        click.echo(describe(settings))
        return
    from reage.training.trainer import Trainer

    trainer = Trainer(settings, output or Path("runs") / recipe.stem, resume=resume)
    trainer.run()
    if trainer.accelerator.is_main_process:
        count = trainer.accelerator.num_processes
        several = f", in {count} processes" if count > 1 else ""
        click.echo(f"{trainer.folder}: step {trainer.step} of {settings.steps}{several}")


@main.command()
@click.argument("run", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, help="Bundle to write: a folder, or a file ending in .zip."
)
@click.option(
    "--weights",
    type=click.Choice(["best", "latest"]),
    default="best",
    show_default=True,
    help="Of the best epoch by the run's figure, or of its last step.",
)
@click.option("--name", help="Name of the model; default: that of the run folder.")
@click.option("--version", default="1", show_default=True)
@click.option("--card", type=PATH, help="A model card to enclose; default: one made from the run's settings.")
def export(run: Path, output: Path, weights: str, name: str | None, version: str, card: Path | None) -> None:
    """Turn a trained RUN into a bundle, checking that ONNX Runtime and torch agree."""
    _need_extra("train", "torch", "onnx", "onnxscript", "pydantic", "safetensors", "pandas")
    from reage.training.export import export_run

    difference = export_run(
        run, output, name=name or run.name, version=version, card=card, best=weights == "best"
    )
    click.echo(f"{output}: written; largest difference between ONNX Runtime and torch {difference:.1e}")


@main.command("import")
@click.argument("project", type=click.Choice(["aging-gan"]))
@click.argument("checkpoint", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, help="Bundle to write: a folder, or a file ending in .zip."
)
@click.option(
    "--size", type=click.IntRange(64, 512), default=256, show_default=True, help="Side of a face in pixels."
)
@click.option("--name", help="Name of the model; default: that of the file.")
def import_checkpoint(project: str, checkpoint: Path, output: Path, size: int, name: str | None) -> None:
    """Turn a published CHECKPOINT of another project into a bundle; nothing in it is executed."""
    _need_extra("train", "torch", "onnx", "onnxscript", "pydantic", "safetensors", "pandas")
    from reage.training.importing import import_aging_gan

    difference = import_aging_gan(checkpoint, output, size=size, name=name or checkpoint.stem)
    click.echo(f"{output}: written; largest difference between ONNX Runtime and torch {difference:.1e}")


@main.command()
@click.argument("run", type=PATH)
@click.argument("image", type=PATH)
@click.option("--to", "target", type=float, required=True, help="Age to paint, 0 to 116 years.")
@click.option("-o", "--output", type=PATH, required=True, help="The picture to write.")
@click.option("--epoch", default="latest", show_default=True, help="A number, or latest.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def infer(run: Path, image: Path, target: float, output: Path, epoch: str, overwrite: bool) -> None:
    """The picture a latent-cgan RUN itself paints of the face in IMAGE, small as the network makes it.

    For whole photographs, export the run and use `reage photo`.
    """
    _need_extra("train", "torch", "onnx", "pydantic", "safetensors", "pandas")
    from reage.training.inference import infer_image

    infer_image(image, target, output, run=run, epoch=epoch, overwrite=overwrite)
    click.echo(f"{output}: written")


@main.command()
@click.argument("bundle", type=PATH, required=False)
@click.option(
    "--index", type=PATH, required=True, help="Made by `reage data index`; images lie where it says."
)
@click.option("--split", type=click.Choice(["test", "val"]), default="test", show_default=True)
@click.option(
    "-o", "--output", type=PATH, default=Path("report"), show_default=True, help="Folder of the report."
)
@click.option(
    "--faces", type=click.IntRange(2), default=500, show_default=True, help="How many are edited, at most."
)
@click.option(
    "--ages", default="20:80:10", show_default=True, help="first:last:step, or a list such as 25,45,70."
)
@click.option(
    "--references",
    type=click.IntRange(20),
    default=150,
    show_default=True,
    help="Real faces of each age, at most.",
)
@click.option(
    "--min-sharpness", type=float, default=20.0, show_default=True, help="As in the index; leaves out blur."
)
@click.option(
    "--features",
    type=click.Choice(["lite0", "inception"]),
    default="lite0",
    show_default=True,
    help="Of KID and FID.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--stages", type=PATH, help="Where measurements are kept; default: stages/ in the report's folder."
)
@click.option("--force", is_flag=True, help="Let networks judge that taught the model; the report says so.")
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
def evaluate(
    bundle: Path | None,
    index: Path,
    output: Path,
    ages: str,
    stages: Path | None,
    force: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Judge BUNDLE (default: the embedded one) on labelled faces: age, identity, realism, what it leaves alone, groups.

    A stopped evaluation goes on where it was. Reports that share --stages measure real faces once.
    """
    _need_extra("eval", *EVALUATION)
    from reage.bundle import open_bundle
    from reage.evaluation.protocol import Protocol, evaluate
    from reage.evaluation.report import refuse_report, write_report
    from reage.evaluation.stages import Stages
    from reage.progress import progress_bar

    if not overwrite:
        refuse_report(output)
    protocol = Protocol(ages=tuple(parse_ages(ages)), **options)
    kept = Stages(stages or output / "stages")
    with progress_bar() as progress:
        judged = evaluate(open_bundle(bundle), index, protocol, kept, force=force, progress=progress)
        write_report(judged, output, progress)
    click.echo(f"{output / 'report.md'}: written")


@main.command()
@click.argument("reports", type=PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, help="Folder for compare.md and its plot; default: print only.")
def compare(reports: tuple[Path, ...], output: Path | None) -> None:
    """Print REPORTS of `reage evaluate` side by side, doing nothing and real faces among them."""
    _need_extra("eval", *EVALUATION)
    from reage.evaluation.report import compare

    click.echo(compare(reports, output), nl=False)


def _need_extra(extra: str, *modules: str) -> None:
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ReageError(f"this command needs {', '.join(missing)}: pip install 'reage[{extra}]'")


if __name__ == "__main__":
    main()
