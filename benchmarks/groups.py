"""How far apparent ages move, by gender and race code, on faces that training never saw.

Draws test faces of an index (`reage data index`), ages each to 25 and to 75, and reads them with face_age.onnx,
a judge that never taught. Writes benchmarks/groups.json: counts, means and 95 % bootstrap intervals.
`reage` prints no such figure for a single photo: it says nothing about one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from reage import Reager
from reage.data.catalog import read_index
from reage.data.readers import UTKFACE_RACES
from reage.errors import ReageError

HERE = Path(__file__).parent
TARGETS = (25, 75)


def interval(values: npt.NDArray[np.float64], seed: int = 0) -> list[float]:
    """The 95 % bootstrap interval of the mean."""
    draws = np.random.default_rng(seed).choice(values, (2000, len(values)))
    return [round(float(v), 1) for v in np.percentile(draws.mean(1), [2.5, 97.5])]


def describe(rows: pd.DataFrame) -> dict[str, Any]:
    """Means over a group."""
    span = (rows["at75"] - rows["at25"]).to_numpy(np.float64)
    return {
        "faces": len(rows),
        "label": round(float(rows["age"].mean()), 1),
        "reading": round(float(rows["before"].mean()), 1),
        "reading_error": round(float((rows["before"] - rows["age"]).abs().mean()), 1),
        "at25": round(float(rows["at25"].mean()), 1),
        "at75": round(float(rows["at75"].mean()), 1),
        "span": round(float(span.mean()), 1),
        "span_interval": interval(span),
    }


@click.command()
@click.argument("index", type=click.Path(path_type=Path))
@click.option("--per-group", default=24, show_default=True, help="Faces of each gender and race code.")
@click.option("--model", type=click.Path(path_type=Path), help="A bundle; default: the embedded one.")
@click.option("--seed", default=0, show_default=True)
def main(index: Path, per_group: int, model: Path | None, seed: int) -> None:
    """Measure the test split of INDEX (20 to 80 years, not blurred)."""
    table = read_index(index)
    root = Path(table.attrs["root"])
    good = (
        table["keep"] & (table["split"] == "test") & table["age"].between(20, 80) & (table["sharpness"] > 80)
    )
    groups = table[good & table["gender"].notna() & table["race"].notna()].groupby(["gender", "race"])
    drawn = groups.sample(frac=1, random_state=seed).groupby(["gender", "race"]).head(per_group)
    reager, rows = Reager.from_bundle(model), []
    with click.progressbar(list(drawn.itertuples()), label="faces") as faces:
        for face in faces:
            try:
                sitting = reager.open(root / str(face.path))
            except ReageError:
                continue
            after = [sitting.age(to=target, faces="largest").changes[0].apparent_after for target in TARGETS]
            rows.append((face.gender, int(face.race), face.age, sitting.faces[0].apparent_age, *after))
    found = pd.DataFrame(rows, columns=["gender", "race", "age", "before", "at25", "at75"])
    figures = {"all": describe(found)}
    figures |= {f"gender {gender}": describe(part) for gender, part in found.groupby("gender")}
    figures |= {f"race {UTKFACE_RACES[race]}": describe(part) for race, part in found.groupby("race")}
    for name, group in figures.items():
        click.echo(f"{name:20s} {group}")
    stored = {
        "model": reager.bundle.manifest.title, "judge": "face_age.onnx", "seed": seed,
        "drawn": len(drawn), "no_face_found": len(drawn) - len(found), "groups": figures,
    }  # fmt: skip
    (HERE / "groups.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
