"""How often doubts about a face are right and wrong: on real faces, and on the same painted, dark or blurred.

``python benchmarks/sureness.py INDEX --images UTKFace/`` (an index of ``reage data index utkface``) writes
benchmarks/sureness.json. The faces are of people of 16 years and more, of the splits that the weights were not fitted
on; every picture is searched for its face anew.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pandas as pd
from coverings import paint_mask, paint_sunglasses

from reage.arrays import Float32, UInt8
from reage.face.apparent_age import AgeReader
from reage.face.detection import FaceDetector
from reage.face.sureness import Sureness, read_sureness
from reage.photo.files import read_photo

HERE = Path(__file__).parent
EXPECTED = {
    "masked": "mouth covered",
    "in sunglasses": "eyes covered",
    "nearly black": "dark",
    "blurred": "blurred",
}


def versions(pixels: UInt8, landmarks: Float32, random: np.random.Generator) -> Iterator[tuple[str, UInt8]]:
    """What is made of a photo (H, W, 3) of a face, each with its name."""
    yield "masked", paint_mask(pixels, landmarks, random)
    yield "in sunglasses", paint_sunglasses(pixels, landmarks, random)
    noise = random.normal(0, 1.2, pixels.shape)
    yield "nearly black", np.clip(pixels * random.uniform(0.03, 0.12) + noise, 0, 255).astype(np.uint8)
    sigma = random.uniform(0.02, 0.05) * float(np.ptp(landmarks, axis=0).max())
    yield "blurred", np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


class Tally:
    """Counts what became of the pictures of each kind."""

    def __init__(self) -> None:
        self.detector, self.reader = FaceDetector(), AgeReader()
        self.pictures: Counter[str] = Counter()
        self.rows: dict[str, list[tuple[Sureness, float, float]]] = {}

    def add(self, kind: str, pixels: UInt8, age: float | None = None) -> tuple[Float32, float] | None:
        """Count a picture; ``age`` is what its face should be read to be, None what it is read. Returns both."""
        self.pictures[kind] += 1
        faces = self.detector.detect(pixels)
        rows = self.rows.setdefault(kind, [])
        if not faces:
            return None
        landmarks, start = faces[0].landmarks_photo, time.process_time()
        sureness = read_sureness(pixels, landmarks)
        took = time.process_time() - start
        read = self.reader.read(pixels, landmarks).age
        rows.append((sureness, abs(read - (read if age is None else age)), 1000 * took))
        return landmarks, read

    def summary(self, kind: str) -> dict[str, Any]:
        """Rates in per cent, and years by which the age is misread."""
        rows = self.rows[kind]
        doubted = np.array([bool(sureness.doubts) for sureness, *_ in rows])
        errors = np.array([error for _, error, _ in rows])
        each = Counter(doubt for sureness, *_ in rows for doubt in sureness.doubts)
        right = each[EXPECTED[kind]] if kind in EXPECTED else None
        return {
            "pictures": self.pictures[kind],
            "faces found": len(rows),
            "doubted %": round(100 * float(doubted.mean()), 1),
            "for the right reason %": None if right is None else round(100 * right / len(rows), 1),
            "doubts": dict(each),
            "years misread, doubted": round(float(errors[doubted].mean()), 1) if doubted.any() else None,
            "years misread, not doubted": round(float(errors[~doubted].mean()), 1)
            if not doubted.all()
            else None,
            "ms of processor time": round(float(np.median([took for *_, took in rows])), 1),
        }


@click.command()
@click.argument("index", type=click.Path(exists=True, path_type=Path))
@click.option("--images", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--faces", default=200, show_default=True, help="How many faces.")
def main(index: Path, images: Path, faces: int) -> None:
    """Measure, print and store the rates."""
    table, random, tally = pd.read_parquet(index), np.random.default_rng(1), Tally()
    table = table[table["keep"] & (table["split"] != "train") & (table["age"] >= 16)]
    for row in table.sample(faces, random_state=1).itertuples():
        pixels = read_photo(images / str(row.path)).pixels
        found = tally.add("as they are", pixels, float(str(row.age)))
        if found is None:
            continue
        landmarks, read = found
        for kind, picture in versions(pixels, landmarks, random):
            tally.add(kind, picture, read)
    for path in sorted((HERE.parent / "examples").glob("*.jpg")):
        tally.add("the bundled portraits", read_photo(path).pixels)
    measured = {kind: tally.summary(kind) for kind in tally.rows}
    click.echo(json.dumps(measured, indent=2))
    (HERE / "sureness.json").write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
