"""The commands that train and judge models; all need an extra, and say so where it is missing."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from reage.cli.parsing import PATH, need_extra, parse_ages

EVALUATION = ("torch", "pandas", "pyarrow", "rich", "skimage", "sklearn", "matplotlib", "onnx_tool")


@click.group()
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
    need_extra("train", "pandas", "pyarrow", "rich")
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
    need_extra("train", "pandas", "pyarrow", "rich")
    from reage.data.commands import make_cache

    click.echo(make_cache(index, output, size, workers))


@click.command()
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
    need_extra("train", "torch", "accelerate", "pydantic", "yaml", "safetensors", "pandas", "rich", "dotenv")
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
        stopped = ", stopped; --resume goes on" if trainer.step < settings.steps else ""
        click.echo(f"{trainer.folder}: step {trainer.step} of {settings.steps}{several}{stopped}")
    if trainer.step < settings.steps:
        raise SystemExit(128 + (trainer.stopped_by or signal.SIGTERM))


@click.command()
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
    need_extra("train", "torch", "onnx", "onnxscript", "pydantic", "safetensors", "pandas")
    from reage.training.export import export_run

    difference = export_run(
        run, output, name=name or run.name, version=version, card=card, best=weights == "best"
    )
    click.echo(f"{output}: written; largest difference between ONNX Runtime and torch {difference:.1e}")


@click.command("import")
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
    need_extra("train", "torch", "onnx", "onnxscript", "pydantic", "safetensors", "pandas")
    from reage.training.importing import import_aging_gan

    difference = import_aging_gan(checkpoint, output, size=size, name=name or checkpoint.stem)
    click.echo(f"{output}: written; largest difference between ONNX Runtime and torch {difference:.1e}")


@click.command()
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
    need_extra("train", "torch", "onnx", "pydantic", "safetensors", "pandas")
    from reage.training.inference import infer_image

    infer_image(image, target, output, run=run, epoch=epoch, overwrite=overwrite)
    click.echo(f"{output}: written")


@click.command()
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
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--cache",
    type=PATH,
    help="Folder that keeps the measurements, for several reports; default: measurements/ in the report's folder.",
)
@click.option("--force", is_flag=True, help="Let networks judge that taught the model; the report says so.")
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
def evaluate(
    bundle: Path | None,
    index: Path,
    output: Path,
    ages: str,
    cache: Path | None,
    force: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Judge BUNDLE (default: the embedded one) on labelled faces: age, identity, realism, what it leaves alone, groups.

    A stopped evaluation goes on where it stopped. Reports that share a --cache measure real faces only once.
    """
    need_extra("eval", *EVALUATION)
    from reage.bundle import open_bundle
    from reage.evaluation.measurement_cache import MeasurementCache
    from reage.evaluation.protocol import Protocol, evaluate
    from reage.evaluation.report import make_folder, write_report
    from reage.progress import progress_bar

    protocol = Protocol(ages=tuple(parse_ages(ages)), **options)
    make_folder(output, overwrite=overwrite)
    measurements = MeasurementCache(cache or output / "measurements")
    with progress_bar() as progress:
        judged = evaluate(open_bundle(bundle), index, protocol, measurements, force=force, progress=progress)
        write_report(judged, output, progress)
    click.echo(f"{output / 'report.md'}: written")


@click.command()
@click.argument("reports", type=PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, help="Folder for compare.md and its plot; default: print only.")
def compare(reports: tuple[Path, ...], output: Path | None) -> None:
    """Print REPORTS of `reage evaluate` side by side, doing nothing and real faces among them."""
    need_extra("eval", *EVALUATION)
    from reage.evaluation.report import compare

    click.echo(compare(reports, output), nl=False)


COMMANDS = (data, train, export, import_checkpoint, infer, evaluate, compare)
