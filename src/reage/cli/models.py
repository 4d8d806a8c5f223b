"""The commands that list, inspect, make and import model bundles: ``models``, ``export`` and ``import``."""

from __future__ import annotations

from pathlib import Path

import click

from reage.cli.options import PATH, need_extra


@click.group()
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
@click.option(
    "--calibrated",
    is_flag=True,
    help="Measure which target ages make the run's teachers read the ages asked for, and store them (needs its cache).",
)
@click.option("--name", help="Name of the model; default: that of the run folder.")
@click.option("--version", default="1", show_default=True)
@click.option("--card", type=PATH, help="A model card to enclose; default: one made from the run's settings.")
def export(
    run: Path,
    output: Path,
    weights: str,
    calibrated: bool,
    name: str | None,
    version: str,
    card: Path | None,
) -> None:
    """Turn a trained RUN into a bundle, checking that ONNX Runtime and torch agree."""
    need_extra("train", "torch", "onnx", "onnxscript", "pydantic", "safetensors", "pandas")
    from reage.training.export import export_run

    difference = export_run(
        run,
        output,
        name=name or run.name,
        version=version,
        card=card,
        best=weights == "best",
        calibrated=calibrated,
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


COMMANDS = (models, export, import_checkpoint)
