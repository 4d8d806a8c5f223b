"""Ages that the bundled portraits look after ageing, estimated by face_age.onnx, which never taught.

`make ages` runs it. It prints a table, and writes benchmarks/ages.json and docs/ages.jpg (every portrait at every age),
from which the model card and the README take their figures.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from reage import Reager
from reage.ages import MAX_AGE
from reage.face.framing import head_tile
from reage.photo.files import Provenance, write_photo
from reage.sheets import sheet_photo

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
AGES = (25, 35, 45, 55, 65, 75)


@click.command()
@click.option("--model", type=click.Path(path_type=Path), help="A bundle; default: the embedded one.")
@click.option(
    "--sheet", type=click.Path(path_type=Path), default=HERE.parent / "docs" / "ages.jpg", show_default=True
)
@click.option("--store/--no-store", default=True, help="Write benchmarks/ages.json.")
@click.argument("portraits", nargs=-1, type=click.Path(path_type=Path))
def main(portraits: tuple[Path, ...], model: Path | None, sheet: Path, store: bool) -> None:
    """Measure PORTRAITS (default: those in examples/)."""
    reager = Reager.from_bundle(model)
    paths = portraits or tuple(sorted(EXAMPLES.glob("*.jpg")))
    estimates, rows, edits = [], [], []
    for path in paths:
        sitting = reager.open(path)
        face = sitting.faces[0]
        results = [sitting.age(to=age, faces="largest") for age in AGES]
        estimates.append([face.apparent_age, *(r.changes[0].apparent_after for r in results)])
        pictures = (sitting.photo.pixels, *(r.pixels for r in results))
        rows.append(np.stack([head_tile(p, face.face.landmarks_photo, 224) for p in pictures]))
        edits += [(round(face.apparent_age, 1), float(min(age, MAX_AGE))) for age in AGES]
        click.echo(f"{path.name:45s}" + "".join(f"{estimate:7.1f}" for estimate in estimates[-1]))
    table = np.array(estimates)
    means = table[:, 1:].mean(0)
    monotonic = (np.diff(table[:, 1:], axis=1) > 0).all(1)
    click.echo(f"{'mean':45s}{table[:, 0].mean():7.1f}" + "".join(f"{mean:7.1f}" for mean in means))
    click.echo(
        f"span {means[-1] - means[0]:.1f} years between 25 and 75; {monotonic.sum()} of {len(table)} rise throughout"
    )
    mark = Provenance(tool="reage benchmarks/ages.py", model=reager.bundle.manifest.title, faces=tuple(edits))
    picture = sheet_photo(np.stack(rows), None, ["input", *map(str, AGES)])
    write_photo(picture, sheet, mark=mark, overwrite=True, quality=88)
    if store:
        stored = {
            "model": reager.bundle.manifest.title, "judge": "face_age.onnx", "targets": AGES,
            "portraits": {p.name: [round(v, 1) for v in r] for p, r in zip(paths, estimates, strict=True)},
            "mean": [round(float(v), 1) for v in means], "span": round(float(means[-1] - means[0]), 1),
            "rise_throughout": int(monotonic.sum()),
        }  # fmt: skip
        (HERE / "ages.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
