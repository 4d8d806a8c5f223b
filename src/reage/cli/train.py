"""The commands that prepare data and train: ``data``, ``train``, ``infer`` and ``curves``."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from reage.ages import DIRECTIONS
from reage.cli.options import PATH, RECIPE, need_extra, ray_option

if TYPE_CHECKING:
    from reage.training.trainer import Trainer


@click.group()
def data() -> None:
    """Prepare data sets of labelled faces (needs the extra "train")."""


@data.command("index")
@click.argument("dataset", type=click.Choice(["utkface", "fgnet", "csv"]))
@click.argument("source", type=PATH, required=False)
@click.option("--images", type=PATH, help="For csv: the folder that paths in the table are relative to.")
@click.option(
    "-o", "--output", type=PATH, default=Path("index.parquet"), show_default=True, help="Index to write."
)
@click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, help="Number of decoding threads."
)
def data_index(dataset: str, source: Path | None, images: Path | None, output: Path, workers: int) -> None:
    """Read labels, find corrupt files, duplicates and contradictory labels, and assign splits.

    SOURCE is a folder of images, or for csv a table with file, age and optionally gender and race. For utkface it may
    be left out: the usual places are then searched. All images of a duplicate group get the same split.
    """
    need_extra("train", "pandas", "pyarrow", "rich")
    from reage.data.commands import make_index

    click.echo(make_index(dataset, source, images, output, workers))


@data.command("cache")
@click.argument("index", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder to write.")
@click.option(
    "--size", type=click.IntRange(32, 512), default=128, show_default=True, help="Side of a face in pixels."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Number of threads (default: 2), or with --ray of processes (default: one per core).",
)
@ray_option
def data_cache(index: Path, output: Path, size: int, workers: int | None, ray: bool) -> None:
    """Align the faces of INDEX by their landmarks, and pack them into one array for training."""
    need_extra("train", "pandas", "pyarrow", "rich")
    from reage.data.commands import make_cache

    if not ray:
        click.echo(make_cache(index, output, size, workers))
        return
    need_extra("scale", "ray")
    from reage.scale.aligning import read_faces_on_ray

    click.echo(make_cache(index, output, size, workers, read_faces_on_ray))


@data.command("pack")
@click.argument("cache", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="File to write, such as faces.npz.")
@click.option(
    "--megabytes",
    type=click.FloatRange(min=0, min_open=True),
    default=35.0,
    show_default=True,
    help="Largest size of the file; the JPEG quality is lowered until it fits.",
)
@click.option(
    "--min-sharpness",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Leave out blurrier faces, like the setting data.min_sharpness.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def data_pack(cache: Path, output: Path, megabytes: float, min_sharpness: float, overwrite: bool) -> None:
    """Pack the folder CACHE into one small file, for training on another machine."""
    need_extra("train", "pandas", "pyarrow", "rich")
    from reage.data.commands import pack

    click.echo(pack(cache, output, megabytes, min_sharpness, overwrite))


@data.command("unpack")
@click.argument("packed", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder to write.")
def data_unpack(packed: Path, output: Path) -> None:
    """Restore a cache from the file PACKED that `reage data pack` wrote."""
    need_extra("train", "pandas", "pyarrow", "rich")
    from reage.data.commands import unpack

    click.echo(unpack(packed, output))


class _TrainCommand(click.Command):
    """Adds the settings of every run to ``--help``, if the extra "train" is installed."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        try:
            from reage.training.setting_list import common_settings
        except ImportError:
            return
        with formatter.section(
            "Settings (key=value; for those of a family, see reage train RECIPE --settings)"
        ):
            formatter.write_dl(common_settings())


@click.command(cls=_TrainCommand)
@click.argument("recipe", type=RECIPE)
@click.argument("overrides", nargs=-1, metavar="[key=value]...")
@click.option("-o", "--output", type=PATH, help="Run folder; default: runs/RECIPE.")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue from the last checkpoint in the run folder, or in the archive if RECIPE is a URL.",
)
@click.option("--wandb-project", help="Project in Weights & Biases; same as the setting wandb_project.")
@click.option("--wandb-name", help="Name of the run in Weights & Biases; same as the setting wandb_name.")
@click.option("--skip-test", is_flag=True, help="Skip the test at the end; same as the setting test=false.")
@click.option(
    "--only-test",
    is_flag=True,
    help="Only print the test figures of the run folder's best weights, or without any, of the weights in start_from.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the settings, the sizes of the networks and the number of faces, then stop.",
)
@click.option(
    "--settings",
    "listed",
    is_flag=True,
    help="List every setting with its default and meaning, then stop.",
)
def train(
    recipe: Path | str,
    overrides: tuple[str, ...],
    output: Path | None,
    resume: bool,
    wandb_project: str | None,
    wandb_name: str | None,
    skip_test: bool,
    only_test: bool,
    dry_run: bool,
    listed: bool,
) -> None:
    """Train the networks described by RECIPE (needs the extra "train").

    RECIPE is a YAML file of settings, or with --resume the URL of an archived run (docs/cloud.md). Each setting can be
    overridden with key=value; --settings lists them all.

    In several processes: accelerate launch --multi_gpu --num_processes N -m reage.training RECIPE [key=value]...
    (accelerate needs --multi_gpu on CPUs, too).
    """
    need_extra("train", "torch", "accelerate", "pydantic", "yaml", "safetensors", "pandas", "rich", "dotenv")
    from reage.training.start import load_settings, prepare_folder

    settings = load_settings(recipe, list(overrides), resume=resume)
    named = {"wandb_project": wandb_project, "wandb_name": wandb_name}
    changes: dict[str, object] = {key: value for key, value in named.items() if value}
    settings = settings.model_copy(update=changes | ({"test": False} if skip_test else {}))
    if listed:
        from reage.training.setting_list import list_settings

        click.echo(list_settings(settings))
        return
    if dry_run:
        from reage.training.describe import describe

        click.echo(describe(settings))
        return
    from reage.training.trainer import Trainer

    folder = prepare_folder(recipe, output)
    if only_test:
        begun = (folder / "checkpoints").exists()
        for figure, value in Trainer(settings, folder, resume=resume or begun).test().items():
            click.echo(f"{figure}: {value}")
        return
    trainer = Trainer(settings, folder, resume=resume)
    trainer.run()
    _tell_end(trainer)


def _tell_end(trainer: Trainer) -> None:
    """Print how far the run got; the exit code also tells whether it was stopped."""
    steps = trainer.settings.steps
    if trainer.accelerator.is_main_process:
        count = trainer.accelerator.num_processes
        several = f", in {count} processes" if count > 1 else ""
        stopped = ", stopped; continue with --resume" if trainer.step < steps else ""
        click.echo(f"{trainer.folder}: step {trainer.step} of {steps}{several}{stopped}")
    if trainer.step < steps:
        raise SystemExit(128 + (trainer.stopped_by or signal.SIGTERM))


@click.command()
@click.argument("run", type=PATH)
@click.argument("image", type=PATH)
@click.option("--to", "target", type=float, help="Target age for latent-cgan, 0 to 116 years.")
@click.option("--direction", type=click.Choice(list(DIRECTIONS)), help="Direction for cyclegan.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Picture to write; default: IN-70.png or IN-young2old.png beside the input.",
)
@click.option(
    "--epoch",
    default="latest",
    show_default=True,
    help="Epoch of the run: a number or latest; for cyclegan also best.",
)
@click.option(
    "--upscale", type=int, metavar="PX", help="Enlarge the picture to this many pixels a side, such as 256."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def infer(
    run: Path,
    image: Path,
    target: float | None,
    direction: Literal["young2old", "old2young"] | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Write the small picture that the networks of a RUN paint of the face in IMAGE.

    RUN is one of latent-cgan or cyclegan, or a best.pth of the aging-gan project. To edit whole photographs, export the
    run and use `reage photo`.
    """
    need_extra("train", "torch", "onnx", "pydantic", "safetensors", "pandas")
    if (target is None) == (direction is None):
        raise click.UsageError("give one of --to AGE (latent-cgan) or --direction (cyclegan)")
    name = direction or f"{target:g}"
    path = output or image.with_name(f"{image.stem}-{name}.png")
    if direction:
        from reage.training.translating import translate_image

        translate_image(image, direction, path, run=run, **options)
    elif target is not None:
        from reage.training.inference import infer_image

        infer_image(image, target, path, run=run, **options)
    click.echo(f"{path}: written")


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="PNG to write; default: curves.png in the run folder, which is replaced.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def curves(run: Path, output: Path | None, overwrite: bool) -> None:
    """Plot the figures of a RUN, finished or not (needs the extra "eval").

    Losses, learning rates and validation figures are read from log.jsonl; no experiment tracker is needed.
    """
    need_extra("eval", "matplotlib")
    from reage.files import refuse_existing
    from reage.training.curves import draw_curves

    if output:
        refuse_existing(output, overwrite)
    path = output or run / "curves.png"
    click.echo(f"{path}: {draw_curves(run, path)} panels, written")


COMMANDS = (data, train, infer, curves)
