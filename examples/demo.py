"""Edits a bundled portrait to several ages with the embedded model, and prints where the pictures are."""

from pathlib import Path

import click

from reage.batch import age_photos, age_strip
from reage.request import FileOptions, Request

HERE = Path(__file__).parent
OUT = HERE.parent / "demo"
AGES = (20, 35, 50, 65, 80)


@click.command()
@click.argument("portrait", default=HERE / "astronaut_eileen-collins.jpg", type=click.Path(path_type=Path))
def main(portrait: Path) -> None:
    """Write PORTRAIT at several ages, and one sheet of all of them, to the folder demo/."""
    OUT.mkdir(exist_ok=True)
    for age in AGES:
        (outcome,) = age_photos([portrait], Request(to=age), OUT, FileOptions(overwrite=True))
        if outcome.error:
            raise click.ClickException(str(outcome.error))
        face = outcome.faces[0]
        click.echo(f"{outcome.output}  looks {face['apparent_before']:.0f} -> {face['apparent_after']:.0f}")
    sheet = age_strip(
        portrait, [float(age) for age in AGES], OUT / "strip.jpg", options=FileOptions(overwrite=True)
    )
    click.echo(f"{sheet}  all of them on one sheet")


if __name__ == "__main__":
    main()
