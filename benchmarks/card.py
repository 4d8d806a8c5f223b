"""Writes MODEL_CARD.md, in the root and in the embedded bundle, from the figures that the scripts here measured.

`make card` runs it after `make ages` and `benchmarks/groups.py`. It stops where a figure is of another model.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reage.bundle import open_bundle, write_bundle

HERE = Path(__file__).parent

TEXT = """# Model card: {title}

**What it does.** Given an aligned face, the age it looks and an age to show, it answers with an edit: a change of
luma and colour, and a change of the face's own fine detail. reage adds that edit to the photograph.

**What it is for.** Plausible pictures of the same person older or younger: for curiosity, for art, for research on
face ageing. **What it is not for.** The output is not evidence of how a person looked or will look. Not for
identification, investigation, or any decision about a person; not for pictures of people who did not agree; not for
passing age checks. See `ETHICS.md`.

| | |
| --- | --- |
| family | `{family}`: a U-Net with FiLM, {parameters:.1f} million parameters, {bytes:.1f} MB, ONNX |
| resolution | {size} px aligned face; the edit is enlarged to the photograph |
| ages | from {source[0]:g}-{source[1]:g}, to {target[0]:g}-{target[1]:g} years; others are clamped |
| gender | told a probability of "male", estimated by `face_age.onnx` unless given |
| data | {data} |
| teachers | {teachers} |
| licence | {licence} |

## Training

{training}

## Apparent age

Read by `face_age.onnx`, which never taught this model (`make ages`, on the {portraits} portraits in `examples/`):

| asked for | {targets} |
| --- | {rule} |
| mean reading | {means} |

The mean moves by **{span} years** between 25 and 75; the reading rises from target to target throughout for
{rise} of {portraits} portraits. The model moves apparent age less than asked for at both ends.

## Groups

Faces of the UTKFace test split, 20 to 80 years, drawn by gender and race code (`benchmarks/groups.py`, seed {seed};
{drawn} drawn, no face found in {lost}). *Span* is the mean difference of readings between targets 75 and 25, with a
95 % bootstrap interval; *error* is the judge's own mean error in years on the unedited faces of that group. Labels are
the data set's.

| group | faces | error | reading at 25 | reading at 75 | span | interval |
| --- | --- | --- | --- | --- | --- | --- |
{groups}

The judge itself errs differently between groups, so a difference here may be the model's or the judge's.

## Limits

- Not measured: identity, realism (KID), preservation; the scorecard that measures them is not written yet.
- Hair, hairline, neck and the shape of the head do not change. Eyes and teeth are left almost untouched on purpose.
- Ages under 16 are not modelled.
- Old faces are rare in the data: above 75 the model has seen few.
- UTKFace's faces were collected from the web and are small; light, pose and make-up of its groups differ, and the
  model may have learned those differences as age.
"""


def load(name: str, title: str) -> dict[str, Any]:
    """Figures of a script, which must be of the model called ``title``."""
    figures: dict[str, Any] = json.loads((HERE / name).read_text())
    if figures["model"] != title:
        raise click.ClickException(f"{name} is of {figures['model']}, not of {title}: measure again")
    return figures


def group_row(name: str, group: dict[str, Any]) -> str:
    """A line of the table of groups."""
    low, high = group["span_interval"]
    cells = [
        name,
        group["faces"],
        group["reading_error"],
        group["at25"],
        group["at75"],
        group["span"],
        f"{low} to {high}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


@click.command()
@click.argument(
    "training", type=click.Path(path_type=Path, exists=True), default=HERE.parent / "docs" / "training.md"
)
def main(training: Path) -> None:
    """Fill the card; TRAINING says how the model was trained."""
    bundle = open_bundle()
    manifest = bundle.manifest
    contents = {name: (bundle.path / name).read_bytes() for name in manifest.files}
    ages, groups = load("ages.json", manifest.title), load("groups.json", manifest.title)
    size = sum(len(data) for name, data in contents.items() if name.endswith(".onnx"))
    card = TEXT.format(
        title=manifest.title, family=manifest.family, parameters=size / 2e6, bytes=size / 1e6, size=manifest.size,
        source=manifest.source_ages, target=manifest.target_ages, data=manifest.data, licence=manifest.licence,
        teachers=", ".join(manifest.teachers), training=training.read_text().strip(),
        portraits=len(ages["portraits"]), targets=" | ".join(map(str, ages["targets"])),
        rule=" | ".join("---" for _ in ages["targets"]), means=" | ".join(map(str, ages["mean"])), span=ages["span"],
        rise=ages["rise_throughout"], seed=groups["seed"], drawn=groups["drawn"], lost=groups["no_face_found"],
        groups="\n".join(group_row(name, group) for name, group in groups["groups"].items()),
    )  # fmt: skip
    contents["MODEL_CARD.md"] = card.encode()
    figures = {**manifest.figures, "apparent_age": {k: ages[k] for k in ("judge", "targets", "mean", "span")}}
    scratch = bundle.path.with_name(f".{bundle.path.name}.new")
    write_bundle(scratch, replace(manifest, figures=figures), contents)
    old = bundle.path.rename(bundle.path.with_name(f".{bundle.path.name}.old"))
    scratch.rename(bundle.path)
    for file in old.iterdir():
        file.unlink()
    old.rmdir()
    (HERE.parent / "MODEL_CARD.md").write_text(card)
    click.echo(f"MODEL_CARD.md: written for {manifest.title}")


if __name__ == "__main__":
    main()
