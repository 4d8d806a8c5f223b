"""The command that tries settings: ``sweep``."""

from __future__ import annotations

from pathlib import Path

import click

from reage.cli.options import PATH, need_extra


@click.command()
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1, metavar="[key=value]...")
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="Runs in all.")
@click.option(
    "--search",
    metavar="KEY=VALUES",
    multiple=True,
    help="A setting to search, as key=low:high, key=low:high:log or key=one,two; may be given several times. "
    "Default: the family's learning rates, each from a quarter to four times the recipe's.",
)
@click.option(
    "-o", "--output", type=PATH, help="Folder of the sweep; default: sweeps/ and the recipe's name."
)
@click.option("--resume", is_flag=True, help="Go on with the sweep in the folder, perhaps to more trials.")
def sweep(
    recipe: Path,
    overrides: tuple[str, ...],
    trials: int,
    search: tuple[str, ...],
    output: Path | None,
    resume: bool,
) -> None:
    """Search settings of RECIPE by many runs of it, each in a process of its own (needs the extra "sweep").

    Each run is judged by the validation figure of its best epoch; runs that lag behind are ended early. The best recipe
    is written to best.yaml in the folder, and a plot to sweep.png. A sweep that was stopped or killed goes on with
    --resume, in the midst of a run.
    """
    need_extra(
        "sweep", "torch", "accelerate", "pydantic", "yaml", "safetensors", "rich", "optuna", "matplotlib"
    )
    from reage.sweep.space import Searched
    from reage.sweep.sweep import Plan, Sweep
    from reage.training.config import load_recipe

    plan = Plan.make(load_recipe(recipe, list(overrides)), [Searched.parse(each) for each in search])
    folder = output or Path("sweeps") / recipe.stem
    best = Sweep(plan, folder, tell=click.echo, resume=resume).run(trials)
    click.echo(f"{best}: written" if best else f"{folder}: no trial has succeeded")


COMMANDS = (sweep,)
