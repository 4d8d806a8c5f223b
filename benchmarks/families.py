"""What trained runs of any family do to the bundled portraits: one sheet, and a table of figures.

`python benchmarks/families.py RUN...` exports each run, ages the portraits in examples/ with the bundle, reads the
results with face_age.onnx (a judge that never taught), and writes docs/families.jpg and benchmarks/families.json.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from reage import Reager
from reage.batch import head_tile
from reage.photo.image_io import Provenance, write_photo
from reage.sheets import sheet_photo
from reage.training.export import export_run, read_settings

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
AGES = (25, 45, 65, 80)
SHOWN = ("house_joaquin-castro.jpg", "senate_angus-king.jpg")
TILE = 200


def training_figures(run: Path) -> dict[str, Any]:
    """Steps, minutes and rate from the log, and the figures on the test split."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    rates = [line["images_per_second"] for line in lines if "images_per_second" in line]
    settings = read_settings(run)
    return {
        "family": settings.family, "steps": lines[-1]["step"], "batch": settings.batch,
        "minutes": round((lines[-1]["time"] - lines[0]["time"]) / 60, 1),
        "images_per_second": round(float(np.median(rates)), 1),
        "test": json.loads((run / "metrics" / "test_metrics.json").read_text()),
    }  # fmt: skip


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(runs: tuple[Path, ...]) -> None:
    """Compare RUNS, in their order."""
    rows: list[Any] = []
    labels, told, stored = [], [], {}
    for run in runs:
        with tempfile.TemporaryDirectory() as folder:
            difference = export_run(run, Path(folder) / "bundle", name=run.name)
            reager = Reager.from_bundle(Path(folder) / "bundle")
            readings = []
            for path in sorted(EXAMPLES.glob("*.jpg")):
                sitting = reager.open(path)
                face = sitting.faces[0]
                results = [sitting.age(to=age, faces="largest") for age in AGES]
                readings.append([result.changes[0].apparent_after for result in results])
                if path.name in SHOWN:
                    pictures = (sitting.photo.pixels, *(result.pixels for result in results))
                    rows.append((path.name, run.name, np.stack([head_tile(p, face, TILE) for p in pictures])))
                    told += [(round(face.apparent_age, 1), float(age)) for age in AGES]
        mean = [round(float(value), 1) for value in np.mean(readings, 0)]
        stored[run.name] = {
            **training_figures(run), "onnx_torch_max_abs_difference": difference,
            "apparent_age": dict(zip(map(str, AGES), mean, strict=True)),
        }  # fmt: skip
        click.echo(f"{run.name:14s} {mean}")
    rows.sort(key=lambda row: SHOWN.index(row[0]))
    labels = [name for _, name, _ in rows]
    sheet = sheet_photo(np.stack([cells for _, _, cells in rows]), labels, ["input", *map(str, AGES)])
    mark = Provenance(tool="reage benchmarks/families.py", model=", ".join(stored), faces=tuple(told))
    write_photo(sheet, HERE.parent / "docs" / "families.jpg", mark=mark, overwrite=True, quality=85)
    (HERE / "families.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
