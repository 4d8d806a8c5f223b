"""How exactly layers give the output again, what each facial region holds of an edit, and what layers cost.

`python benchmarks/layers.py` prints the figures of docs/layers.md, writes benchmarks/layers.json, and draws
docs/layers.jpg and docs/regions.jpg. With GIMP 2.10 on the path, it composites there too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from used import used_by

from reage import Reager
from reage.edit.masks import REGIONS, region_weights
from reage.face.alignment import invert_transform, warp
from reage.photo.files import Photo, Provenance, read_photo, write_photo
from reage.reager import Sitting
from reage.result import Result, SittingFace
from reage.sheets import sheet_photo

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
DOCS = HERE.parent / "docs"
AGE = 75
SHOWN = "house_joaquin-castro.jpg"
TILE = 280
COLOURS = np.array(
    [(0, 0, 0), (60, 120, 255), (255, 210, 0), (230, 60, 60), (40, 190, 80), (190, 60, 220)], np.float32
)
GIMP = """
(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE "{photo}" "photo")))
       (layer (car (gimp-file-load-layer RUN-NONINTERACTIVE image "{layer}"))))
  (gimp-image-insert-layer image layer 0 -1)
  {setting}
  (file-png-save RUN-NONINTERACTIVE image (car (gimp-image-flatten image)) "{out}" "out" 0 6 0 0 0 0 0))
(gimp-quit 0)
"""
PERCEPTUAL = "(gimp-layer-set-composite-space layer LAYER-COLOR-SPACE-RGB-PERCEPTUAL)"


def samples(path: Path) -> np.ndarray:
    """The samples of a PNG as they are stored, float, channels in OpenCV's order."""
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float64)


def errors(result: Result, folder: Path) -> dict[str, float]:
    """Largest differences of both ways from the output, in levels of its own depth."""
    result.save_layers(folder, overwrite=True)
    full = np.iinfo(result.pixels.dtype).max
    photo, output = (p.pixels[..., ::-1].astype(np.float64) for p in (result.original, result.photo))
    change = samples(folder / "change.png") / 65535
    normal = photo / full * (1 - change[..., 3:]) + change[..., :3] * change[..., 3:]
    gain, low = (samples(folder / "gain.png") - 32768) / 8192, samples(folder / "low.png") / 65535
    terms = photo / full + (samples(folder / "delta.png") - 32768) / 32768
    terms += gain[..., None] * (photo / full - low)
    return {
        "normal mode": float(np.abs(np.rint(normal * full) - output).max()),
        "terms": float(np.abs(np.rint(terms * full) - output).max()),
    }


def shares(sitting: Sitting) -> list[float]:
    """The part of all change that is left with each of the regions alone, in per cent."""

    def change(regions: dict[str, float]) -> float:
        result = sitting.age(to=AGE, regions=regions)
        return float(np.abs(result.pixels.astype(int) - sitting.photo.pixels).sum())

    alone = [change({other: float(other == name) for other in REGIONS}) for name in REGIONS]
    return [100 * part / change({}) for part in alone]


def gimp(result: Result, folder: Path) -> dict[str, float]:
    """Largest differences, in levels of 8 bits, from the output that GIMP makes with and without the setting."""
    if shutil.which("gimp") is None:
        return {}
    write_photo(Photo(result.original.pixels), folder / "photo.png", mark=None, overwrite=True)
    output, found = result.pixels[..., ::-1].astype(int), {}
    for label, setting in (("as GIMP has it", ""), ("composite space RGB (perceptual)", PERCEPTUAL)):
        out = folder / "gimp.png"
        script = GIMP.format(
            photo=folder / "photo.png", layer=folder / "change.png", setting=setting, out=out
        )
        command = ["gimp", "-i", "-d", "-f", "-s", "--no-shm", "-b", "-"]
        subprocess.run(command, input=script, text=True, check=True, capture_output=True)
        found[label] = float(np.abs(samples(out) - output).max())
    return found


def costs(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds of a core and peak memory in MB of `reage photo` on 24 megapixels, without layers and with them."""
    path, found = folder / "24.jpg", {}
    pixels = cv2.resize(read_photo(EXAMPLES / SHOWN).pixels, (4899, 4899), interpolation=cv2.INTER_CUBIC)
    write_photo(Photo(pixels), path, mark=None, overwrite=True)
    for label, extra in (("without", []), ("with", ["--layers"])):
        peak, seconds = used_by("photo", path, "--to", AGE, "--quiet", "--overwrite", *extra)
        found[label] = {"seconds of a core": round(seconds, 1), "peak MB": peak}
    return found


def draw_layers(sitting: Sitting, result: Result, folder: Path) -> Path:
    """A row of the layers around the face: the change over a chequerboard, numbers stretched to be seen."""
    height, width = result.pixels.shape[:2]
    squares = np.add.outer(np.arange(height) // 16, np.arange(width) // 16) % 2
    board = np.where(squares, 235.0, 205.0)[..., None]
    change = samples(folder / "change.png")[..., [2, 1, 0, 3]] / 65535
    alpha = change[..., 3:]
    delta, gain = (samples(folder / name) / 65535 - 0.5 for name in ("delta.png", "gain.png"))
    grey = [gain[..., None] * 2 + 0.5, samples(folder / "mask.png")[..., None] / 255]
    pictures = [
        change[..., :3] * alpha * 255 + board * (1 - alpha),
        (delta[..., ::-1] * 3 + 0.5) * 255,
        *(np.repeat(picture, 3, 2) * 255 for picture in grey),
    ]
    drawn = [np.clip(picture, 0, 255).astype(np.uint8) for picture in pictures]
    tiles = [face_tile(p, sitting.faces[0]) for p in (sitting.photo.pixels, *drawn, result.pixels)]
    labels = ["photo", "change", "delta (x 3)", "gain (x 2)", "mask", "output"]
    return write_sheet(tiles, labels, DOCS / "layers.jpg", result.mark)


def draw_regions(sitting: Sitting) -> Path:
    """The regions in colours, as far as the mask reaches, and what some settings give."""
    face, pixels = sitting.faces[0], sitting.photo.pixels
    height, width = pixels.shape[:2]
    inside = face.around.hair_inside(face.aligned) if face.around else None
    weights = region_weights(face.landmarks_aligned, face.aligned.size, inside)
    maps = np.dstack([*weights, face.aligned.mask])
    back = invert_transform(face.aligned.matrix)
    lifted = warp(maps, back, (width, height), border=cv2.BORDER_CONSTANT)
    paint = lifted[..., :-1] @ COLOURS
    part = 0.6 * lifted[..., -1:]
    overlay = np.clip(pixels * (1 - part) + paint * part, 0, 255).astype(np.uint8)
    settings: list[dict[str, float]] = [{}, {"eyes": 0, "cheeks": 0}, {"forehead": 0, "mouth": 0}]
    results = [sitting.age(to=AGE, regions=regions) for regions in settings]
    tiles = [face_tile(p, face) for p in (pixels, overlay, *(r.pixels for r in results))]
    labels = ["photo", "regions", "all 1", "eyes, cheeks 0", "forehead, mouth 0"]
    return write_sheet(tiles, labels, DOCS / "regions.jpg", results[0].mark)


def face_tile(pixels: np.ndarray, face: SittingFace) -> np.ndarray:
    """A square (TILE, TILE, 3) around the face alone."""
    x0, y0, x1, y1 = face.box
    side = round(1.3 * max(x1 - x0, y1 - y0))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2 - 0.06 * side)
    crop = pixels[top : top + side, left : left + side]
    return cv2.resize(crop, (TILE, TILE), interpolation=cv2.INTER_AREA)


def write_sheet(tiles: list[np.ndarray], labels: list[str], path: Path, mark: Provenance) -> Path:
    """One row of tiles."""
    sheet = sheet_photo(np.stack(tiles)[None], None, labels)
    return write_photo(sheet, path, mark=mark, overwrite=True, quality=88)


@click.command()
@click.option("--figures/--no-figures", default=True, help="Measure and store; else only draw the pictures.")
def main(figures: bool) -> None:
    """Measure on the bundled portraits, at 8 and at 16 bits, and draw the pictures of docs/layers.md."""
    reager = Reager.default()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if figures:
            stored = measure(reager, folder)
            (HERE / "layers.json").write_text(json.dumps(stored, indent=2) + "\n")
            click.echo(json.dumps(stored, indent=2))
        sitting = reager.open(EXAMPLES / SHOWN)
        result = sitting.age(to=AGE)
        result.save_layers(folder / "layers", overwrite=True)
        click.echo(draw_layers(sitting, result, folder / "layers"))
        click.echo(draw_regions(sitting))


def measure(reager: Reager, folder: Path) -> dict[str, Any]:
    """All the figures."""
    eight, sixteen, parts, in_gimp = [], [], [], {}
    for path in sorted(EXAMPLES.glob("*.jpg")):
        sitting = reager.open(path)
        result = sitting.age(to=AGE)
        eight.append(errors(result, folder / "layers"))
        if path.name == SHOWN:
            in_gimp = gimp(result, folder / "layers")
        parts.append(shares(sitting))
        deep = Photo(sitting.photo.pixels.astype(np.uint16) * 257)
        sixteen.append(errors(reager.sit(deep).age(to=AGE), folder / "layers"))
    means = np.mean(parts, 0)
    return {
        "model": reager.bundle.manifest.title,
        "target": AGE,
        "largest error, 8 bits, of 255": {way: max(e[way] for e in eight) for way in eight[0]},
        "largest error, 16 bits, of 65535": {way: max(e[way] for e in sixteen) for way in sixteen[0]},
        "GIMP, of 255": in_gimp,
        "share of the change, %": {n: round(float(v), 1) for n, v in zip(REGIONS, means, strict=True)},
        "24 megapixels": costs(folder),
    }


if __name__ == "__main__":
    main()
