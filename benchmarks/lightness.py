"""How edits change the lightness of skin, by race code of the data set: whether anybody is made paler by ageing.

`python benchmarks/lightness.py INDEX` edits test faces of people of 18 to 50 years of the index, prints the mean change
of CIELAB lightness and chroma within the outline of the face, and writes benchmarks/lightness.json, from which
ETHICS.md has its figures. Hair is left as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import cv2
import numpy as np

from reage import Reager
from reage.data.catalog import read_index
from reage.photo.lab import to_lab

HERE = Path(__file__).parent
RACES = {0: "White", 1: "Black", 2: "Asian", 3: "Indian"}
"""Race codes of UTKFace with enough faces."""
FACES, TARGETS, AGES, SHARP = 50, (20, 80), (18, 50), 20


@click.command()
@click.argument("index", type=click.Path(path_type=Path, exists=True))
def main(index: Path) -> None:
    """Measure `FACES` faces of each race in the test split of INDEX."""
    rows = read_index(index)
    root = Path(rows.attrs["root"])
    rows = rows[rows["keep"] & (rows["split"] == "test") & ~rows["gray"].astype(bool)]
    rows = rows[rows["age"].between(*AGES) & (rows["sharpness"] >= SHARP)]
    reager = Reager.default()
    stored = {"model": reager.bundle.manifest.title, "faces": FACES, "change": {}}
    for race, name in RACES.items():
        paths = rows.loc[rows["race"] == race, "path"].sample(FACES, random_state=1)
        for target in TARGETS:
            changes = np.array([change for path in paths for change in _changes(reager, root / path, target)])
            mean, error = changes.mean(0), changes.std(0) / len(changes) ** 0.5
            figures = {
                axis: [round(float(m), 2), round(float(e), 2)]
                for axis, m, e in zip("Lab", mean, error, strict=True)
            }
            stored["change"][f"{name} to {target}"] = figures
            told = "  ".join(f"{axis} {m:+.2f} ± {e:.2f}" for axis, (m, e) in figures.items())
            click.echo(f"{name:8s} to {target}: {told}")
    (HERE / "lightness.json").write_text(json.dumps(stored, indent=2) + "\n")


def _changes(reager: Reager, path: Path, target: int) -> list[np.ndarray]:
    """The mean change (3,) of CIELAB over the largest face of the photo at ``path``; none without a face."""
    sitting = reager.open(path, faces="largest")
    if not sitting.faces:
        return []
    outline = np.zeros(sitting.photo.pixels.shape[:2], np.uint8)
    landmarks = sitting.faces[0].face.landmarks_photo[:, :2].astype(np.int32)
    cv2.fillConvexPoly(outline, cv2.convexHull(landmarks), 1)
    edited = sitting.age(to=target, regions={"hair": 0}).pixels
    before, after = (to_lab(pixels)[outline > 0] for pixels in (sitting.photo.pixels, edited))
    return [(after - before).mean(0)]


if __name__ == "__main__":
    main()
