"""The commands for model bundles: ``models``, ``average``, ``export`` and ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reage.cli.hints import tell
from reage.cli.options import MODEL, PATH, need_extra
from reage.errors import ReageError

if TYPE_CHECKING:
    from reage.hub.models import HubModel


@click.group()
def models() -> None:
    """List, inspect and verify model bundles; fetch and publish them on the Hugging Face Hub."""


@models.command("list")
@click.argument("folder", type=PATH, required=False)
def models_list(folder: Path | None) -> None:
    """List the embedded bundle and those in FOLDER, with a note on each entry that is not a valid bundle."""
    from reage.bundle import find_bundles

    refused: list[ReageError] = []
    for bundle in find_bundles(folder, refused.append):
        manifest = bundle.manifest
        tell(f"{manifest.title}  {manifest.family}, {manifest.size} px  {bundle.path}")
    for error in refused:
        tell(f"Note: {error}", err=True)


@models.command("show")
@click.argument("bundle", type=MODEL, required=False)
@click.option("--card", is_flag=True, help="Print the model card instead.")
def models_show(bundle: Path | str | None, card: bool) -> None:
    """Print the manifest of BUNDLE (default: the embedded one)."""
    from reage.hub.models import open_model

    opened = open_model(bundle)
    click.echo(opened.card if card else opened.manifest.as_json())


@models.command("verify")
@click.argument("bundles", type=MODEL, nargs=-1)
def models_verify(bundles: tuple[Path | str, ...]) -> None:
    """Check the hashes of BUNDLES (default: the embedded one) and run their networks once."""
    from reage.hub.models import open_model

    for path in bundles or (None,):
        bundle = open_model(path)
        bundle.check()
        place = bundle.origin or bundle.path
        click.echo(f"{place}: {len(bundle.manifest.files)} files verified, the network runs")


@models.command("pull")
@click.argument("model", metavar="OWNER/NAME[@REVISION]")
@click.option("-o", "--output", type=PATH, help="Also save the bundle here: a folder, or a .zip file.")
def models_pull(model: str, output: Path | None) -> None:
    """Download a model from the Hugging Face Hub, verify it and print its commit (needs the extra "hub").

    REVISION is a branch, a tag or a commit; default: main. HF_TOKEN, HF_HOME and HF_HUB_OFFLINE apply.
    """
    from reage.bundle import refuse_existing_bundle
    from reage.hub.models import HubModel, pull

    if output:
        refuse_existing_bundle(output)
    bundle = pull(HubModel.parse(model))
    bundle.check()
    if output:
        bundle.save(output)
    click.echo(f"{bundle.origin}: {bundle.manifest.title} verified; in {output or bundle.path}")


@models.command("push")
@click.argument("model", metavar="OWNER/NAME")
@click.argument("bundle", type=PATH)
@click.option("--private", is_flag=True, help="Make the repository private if it does not exist yet.")
def models_push(model: str, bundle: Path, private: bool) -> None:
    """Publish BUNDLE on the Hugging Face Hub, with its model card (needs the extra "hub" and HF_TOKEN)."""
    click.echo(f"{_publish(model, bundle, private=private)}: published")


def _publish(model: str, path: Path, *, private: bool = False) -> HubModel:
    from reage.bundle import open_bundle
    from reage.hub.models import HubModel, push

    bundle = open_bundle(path)
    bundle.check()
    return push(HubModel(model), bundle, private=private)


@click.command()
@click.argument("run", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Bundle to write: a folder, or a .zip file.")
@click.option(
    "--weights",
    type=click.Choice(["best", "latest"]),
    default="best",
    show_default=True,
    help="Weights of the best epoch (by the run's best_by figure), or of the last step.",
)
@click.option(
    "--calibrated",
    is_flag=True,
    help="Calibrate target ages, so that the run's age teachers read the ages asked for (needs the run's data cache).",
)
@click.option(
    "--int8",
    is_flag=True,
    help="Quantise the networks to 8 bits, which halves the time; fails if colours would differ by more than one level "
    "of 255 on average.",
)
@click.option("--name", help="Name of the model; default: the name of the run folder.")
@click.option("--version", default="1", show_default=True, help="Version of the model.")
@click.option("--card", type=PATH, help="Model card to include; default: one made from the run's settings.")
@click.option(
    "--push", metavar="OWNER/NAME", help="Also publish it on the Hugging Face Hub, like `reage models push`."
)
def export(
    run: Path,
    output: Path,
    weights: str,
    calibrated: bool,
    int8: bool,
    name: str | None,
    version: str,
    card: Path | None,
    push: str | None,
) -> None:
    """Export a trained RUN as a model bundle, and check that ONNX Runtime and torch agree."""
    need_extra("train", "torch", "onnx", "onnxscript", "pydantic", "safetensors", "pandas")
    if push:
        need_extra("hub", "huggingface_hub")
        from reage.hub.models import HubModel

        HubModel(push)  # a name that cannot be one is refused before the work
    from reage.training.export import export_run

    difference = export_run(
        run,
        output,
        name=name or run.name,
        version=version,
        card=card,
        best=weights == "best",
        calibrated=calibrated,
        int8=int8,
    )
    click.echo(f"{output}: written; largest difference between ONNX Runtime and torch {difference:.1e}")
    if push:
        click.echo(f"{_publish(push, output)}: published")


@click.command()
@click.argument("runs", type=PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, required=True, help="Run folder to write.")
@click.option(
    "--parts",
    metavar="NUMBERS",
    help="Weight of each run, such as 0.6,0.4; default: equal weights.",
)
@click.option(
    "--set",
    "changed",
    metavar="KEY=VALUE",
    multiple=True,
    help="Setting to change in the new run, such as options.emphasis=0.2; repeatable.",
)
def average(runs: tuple[Path, ...], output: Path, parts: str | None, changed: tuple[str, ...]) -> None:
    """Average the generators of RUNS that continued each other.

    The result is often better than each of them. Critics and settings are taken from the first run.
    """
    need_extra("train", "torch", "pydantic", "safetensors", "pandas")
    from reage.training.averaging import average_runs

    try:
        numbers = [float(part) for part in parts.split(",")] if parts else [1.0] * len(runs)
    except ValueError:
        raise click.BadParameter(f"'{parts}': give numbers such as 0.6,0.4", param_hint="--parts") from None
    average_runs(runs, numbers, output, changed)
    click.echo(f"{output}: written; make a bundle from it with reage export")


@click.command("import")
@click.argument("project", type=click.Choice(["aging-gan"]))
@click.argument("checkpoint", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Bundle to write: a folder, or a .zip file.")
@click.option(
    "--size", type=click.IntRange(64, 512), default=256, show_default=True, help="Side of a face in pixels."
)
@click.option("--name", help="Name of the model; default: the name of the file.")
def import_checkpoint(project: str, checkpoint: Path, output: Path, size: int, name: str | None) -> None:
    """Convert a published CHECKPOINT of another project into a bundle.

    No code in the checkpoint is executed.
    """
    need_extra("train", "torch", "onnx", "onnxscript", "pydantic", "safetensors", "pandas")
    from reage.training.importing import import_aging_gan

    difference = import_aging_gan(checkpoint, output, size=size, name=name or checkpoint.stem)
    click.echo(f"{output}: written; largest difference between ONNX Runtime and torch {difference:.1e}")


COMMANDS = (models, average, export, import_checkpoint)
