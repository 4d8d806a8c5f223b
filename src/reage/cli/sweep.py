"""The command that searches for good settings: ``sweep``."""

from __future__ import annotations

from pathlib import Path

import click

from reage.cli.options import PATH, need_extra


@click.command()
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1, metavar="[key=value]...")
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="Total number of runs.")
@click.option(
    "--search",
    metavar="KEY=VALUES",
    multiple=True,
    help="Setting to search, as key=low:high, key=low:high:log or key=one,two; repeatable. "
    "Default: the learning rates, each from a quarter to four times that of the recipe.",
)
@click.option("-o", "--output", type=PATH, help="Folder of the sweep; default: sweeps/RECIPE.")
@click.option("--resume", is_flag=True, help="Continue the sweep in the folder; --trials may be larger now.")
def sweep(
    recipe: Path,
    overrides: tuple[str, ...],
    trials: int,
    search: tuple[str, ...],
    output: Path | None,
    resume: bool,
) -> None:
    """Search for good settings by many runs of RECIPE, one process each (needs the extra "sweep").

    Each run is scored by the validation figure of its best epoch; runs that lag behind are stopped early. The best
    recipe is written to best.yaml in the folder, and a plot to sweep.png. --resume continues a sweep that was stopped
    or killed, even in the middle of a run.
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
    click.echo(f"{best}: written" if best else f"{folder}: no trial succeeded")


COMMANDS = (sweep,)
