"""What it costs that hair and neck follow the edit of a face.

`python benchmarks/hair.py` writes benchmarks/hair.json: milliseconds of processor time for a portrait of several sizes,
and the peak memory of `reage photo` on a photo of 50 megapixels, with hair and neck following and without. The network
is the embedded one, told to edit the whole head.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
from used import used_by

from reage import Reager
from reage.edit.compositing import composite
from reage.photo.files import Photo, read_photo, write_photo

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from heads import greying_reager  # noqa: E402  (from the tests' folder)

PORTRAIT = HERE.parent / "examples" / "house_grace-meng.jpg"


def milliseconds(work: Callable[[], Any], times: int = 9) -> float:
    """The median processor time of ``work``."""
    taken = []
    for _ in range(times + 1):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return round(1000 * median(taken[1:]), 1)


def costs(reager: Reager, size: int) -> dict[str, float]:
    """Of finding hair and neck when a photo is opened, and of what each further age takes more."""
    pixels = cv2.resize(read_photo(PORTRAIT).pixels, (size, size), interpolation=cv2.INTER_AREA)
    (face,) = reager.sit(Photo(pixels)).faces
    landmarks, around, out = face.landmarks_aligned, face.around, pixels.copy()
    assert around is not None
    edit = reager.edit(face.aligned, to=75, source=35, male=0)

    def follow() -> None:
        for area, part in around.follow(face.aligned, edit, hair=1, neck=1):
            composite(pixels, out, area, part)

    return {
        "finding": milliseconds(lambda: reager.survey(pixels, face.aligned, landmarks)),
        "following": milliseconds(follow),
    }


def memory(bundle: Path, folder: Path) -> dict[str, int]:
    """Peak megabytes of `reage photo` on 50 megapixels."""
    path = folder / "50.jpg"
    pixels = cv2.resize(read_photo(PORTRAIT).pixels, (7071, 7071), interpolation=cv2.INTER_CUBIC)
    write_photo(Photo(pixels), path, mark=None)
    del pixels
    found = {}
    for label, model in (("face alone", []), ("hair and neck, too", ["--model", bundle])):
        peak, _ = used_by("photo", path, "--to", 75, "--quiet", "--overwrite", *model)
        found[label] = peak
    return found


def main() -> None:
    """Print and store the figures of this machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reager = greying_reager(folder / "bundle")
        figures = {
            "milliseconds": {f"{size} px": costs(reager, size) for size in (512, 1024, 2048)},
            "peak MB at 50 megapixels": memory(folder / "bundle", folder),
            "cores": os.cpu_count(),
        }
    text = json.dumps(figures, indent=2)
    (HERE / "hair.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
