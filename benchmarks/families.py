"""Compares trained runs of any family on the bundled portraits, in a sheet of pictures and a table of figures.

`python benchmarks/families.py RUN...` exports each run, edits the portraits in examples/ with the bundle, and estimates
the ages in the results with face_age.onnx, which was not used in training. It writes docs/families.jpg, the table in
docs/families.md and benchmarks/families.json.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from reage import Reager
from reage.evaluation.tables import markdown_table
from reage.face.framing import head_tile
from reage.photo.files import Provenance, write_photo
from reage.sheets import sheet_photo
from reage.training.config import read_settings
from reage.training.export import export_run

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
EXAMPLES = HERE.parent / "examples"
AGES = (25, 45, 65, 80)
SHOWN = ("house_joaquin-castro.jpg", "senate_angus-king.jpg")
TILE = 200


def training_figures(run: Path) -> dict[str, Any]:
    """From the log of a run: steps until the last epoch ended, median rate, and the least KID on validation faces."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    settings = read_settings(run)
    rates = [line["images_per_second"] for line in lines if "images_per_second" in line]
    judged = [line for line in lines if "validation" in line]
    kids = [line["validation"]["kid"] for line in judged if "kid" in line["validation"]]
    return {
        "family": settings.family, "steps": judged[-1]["step"], "batch": settings.batch,
        "images_per_second": round(float(np.median(rates)), 1), "kid_val": min(kids) if kids else None,
    }  # fmt: skip


def age_portraits(bundles: Mapping[str, Path], sheet: Path) -> dict[str, list[float]]:
    """Edit the portraits in examples/ to each of `AGES` with each of ``bundles``, and write ``sheet`` with two of them.

    Returns, by bundle, the mean apparent age of the results for each age, in years.
    """
    readings, rows, edits = {}, [], []
    for name, bundle in bundles.items():
        reager, seen = Reager.from_bundle(bundle), []
        for path in sorted(EXAMPLES.glob("*.jpg")):
            sitting = reager.open(path)
            face = sitting.faces[0]
            results = [sitting.age(to=age, faces="largest") for age in AGES]
            seen.append([result.changes[0].apparent_after for result in results])
            if path.name in SHOWN:
                pictures = (sitting.photo.pixels, *(result.pixels for result in results))
                tiles = np.stack([head_tile(p, face.face.landmarks_photo, TILE) for p in pictures])
                rows.append((SHOWN.index(path.name), name, tiles))
                edits += [(round(face.apparent_age, 1), float(age)) for age in AGES]
        readings[name] = [round(float(value), 1) for value in np.mean(seen, 0)]
        click.echo(f"{name:20s} {readings[name]}")
    rows.sort(key=lambda row: row[0])
    picture = sheet_photo(
        np.stack([cells for _, _, cells in rows]), [name for _, name, _ in rows], ["input", *map(str, AGES)]
    )
    mark = Provenance(tool=f"reage benchmarks/{sheet.stem}.py", model=", ".join(bundles), faces=tuple(edits))
    write_photo(picture, sheet, mark=mark, overwrite=True, quality=85)
    return readings


def fill(document: Path, name: str, lines: Sequence[str]) -> None:
    """Put ``lines`` in place of what stands between the comments ``<!-- name -->`` and ``<!-- /name -->``."""
    text = document.read_text()
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = text.split(opening)
    _, after = rest.split(closing)
    document.write_text("\n".join([f"{before}{opening}", *lines, f"{closing}{after}"]))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(runs: tuple[Path, ...]) -> None:
    """Compare RUNS: folders of trained runs."""
    stored: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        bundles = {run.name: Path(folder) / run.name for run in runs}
        for run in runs:
            difference = export_run(run, bundles[run.name], name=run.name)
            stored[run.name] = {**training_figures(run), "onnx_torch_max_abs_difference": difference}
        readings = age_portraits(bundles, DOCS / "families.jpg")
    rows = []
    for name, figures in stored.items():
        figures["apparent_age"] = dict(zip(map(str, AGES), readings[name], strict=True))
        ages = ", ".join(map(str, readings[name]))
        rows.append([name, f"{figures['steps']} x {figures['batch']}", f"{figures['kid_val']:.3f}", ages])
    head = ["run", "steps x batch", "KID (validation)", f"apparent age at {', '.join(map(str, AGES))}"]
    fill(DOCS / "families.md", "families", markdown_table(head, rows))
    (HERE / "families.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
