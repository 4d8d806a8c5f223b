"""What perceptual distances mean: those between the bundled portraits, and between a portrait and what is done to it.

`python benchmarks/perceptual.py` prints the table in docs/scorecard.md.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from reage.arrays import UInt8
from reage.assets import portraits
from reage.data.cache import Aligner
from reage.evaluation.features import perceptual_distances
from reage.evaluation.measurer import VIEW
from reage.evaluation.tables import markdown_table
from reage.photo.files import read_photo


def jpeg(picture: UInt8) -> UInt8:
    """Through a JPEG of quality 50."""
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


def main() -> None:
    """Print the table."""
    align = Aligner(VIEW)
    found = [align(read_photo(path).pixels) for path in portraits()]
    faces = np.stack([aligned[0] for aligned in found if aligned is not None])
    changes: dict[str, Callable[[UInt8], UInt8]] = {
        "a JPEG of quality 50": jpeg,
        "one fifth brighter": lambda face: np.asarray((face * 1.2).clip(0, 255), np.uint8),
        "blurred by 1 px": lambda face: np.asarray(cv2.GaussianBlur(face, (0, 0), 1), np.uint8),
        "blurred by 3 px": lambda face: np.asarray(cv2.GaussianBlur(face, (0, 0), 3), np.uint8),
        "moved by 2 px": lambda face: np.roll(face, 2, axis=1),
    }
    rows = []
    for name, change in changes.items():
        rows.append([name, perceptual_distances(np.stack([change(face) for face in faces]), faces)])
    rows.append(
        [
            "another person",
            np.concatenate([perceptual_distances(np.roll(faces, i, 0), faces) for i in (1, 2, 3)]),
        ]
    )
    print(
        *markdown_table(["the same portrait, but", "distance"], [[n, f"{d.mean():.3f}"] for n, d in rows]),
        sep="\n",
    )


if __name__ == "__main__":
    main()
