"""Photographs on disk, one after another: what the command line's ``photo`` and ``strip`` do.

One bad file does not stop the others; each ends in an `Outcome`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reage.edit.layers import refuse_folder
from reage.edit.masks import check_regions
from reage.errors import PhotoError, ReageError
from reage.face.framing import head_tile
from reage.files import beside
from reage.photo.files import MAX_PIXELS, write_photo
from reage.reager import (
    Faces,
    Reager,
    Result,
    Sitting,
    Stopwatch,
    Target,
    check_age,
    check_target,
)
from reage.sheets import sheet_photo


@dataclass(frozen=True)
class Options:
    """What the user wishes beyond the target age; `Sitting.age` explains the first five."""

    faces: str | None = None
    """Which faces; None is all of them in a photo, the largest in a strip."""
    source: float | None = None
    strength: float = 1.0
    male: float | None = None
    regions: Mapping[str, float] | None = None
    model: Path | None = None
    """A bundle; None is the embedded one."""
    overwrite: bool = False
    quality: int | None = None
    """Of JPEG, WebP and HEIC, 1 to 100; None is as `encode_photo` says."""
    max_pixels: int | None = None

    def open(self, reager: Reager, photo: Path) -> Sitting:
        """Open ``photo`` within the limit of pixels."""
        return reager.open(photo, max_pixels=self.max_pixels or MAX_PIXELS)

    def age(self, sitting: Sitting, to: Target, faces: Faces) -> Result:
        """Age ``faces`` of an open photo as wished."""
        return sitting.age(
            to=to,
            source=self.source,
            faces=faces,
            strength=self.strength,
            male=self.male,
            regions=self.regions,
        )

    def check(self) -> None:
        """Raises `ReageError` for what is wrong whatever the photo."""
        if self.source is not None:
            check_age(self.source)
        check_regions(self.regions or {})


DEFAULTS = Options()


@dataclass(frozen=True)
class Outcome:
    """What became of one photo: where the result is, or why there is none."""

    input: Path
    output: Path | None = None
    layers: Path | None = None
    error: str | None = None
    faces: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "input": str(self.input),
            "output": str(self.output) if self.output else None,
            "layers": str(self.layers) if self.layers else None,
            "error": self.error,
            "faces": self.faces,
            "seconds": {stage: round(seconds, 4) for stage, seconds in self.seconds.items()},
        }


def age_photos(
    photos: Sequence[Path],
    target: Target,
    output: Path | None = None,
    options: Options = DEFAULTS,
    *,
    layers: bool = False,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Make everybody in ``photos`` ``target`` years old, or older or younger; one outcome a photo, in their order.

    ``output`` is a file for a single photo, else a folder; None writes beside each photo. With ``layers``, the
    edit is written besides as layers into the folder ``<stem of the output>-layers`` beside it. Raises
    `ReageError` only for what is wrong with the call itself (an age, the bundle), not for single photos.
    """
    check_target(target)
    options.check()
    places = _output_paths(photos, target, output)
    folders = [place.with_name(f"{place.stem}-layers") if layers else None for place in places]
    _refuse_doubled([folder for folder in folders if folder])
    reager = Reager.from_bundle(options.model)
    outcomes = []
    for path, place, folder in zip(photos, places, folders, strict=True):
        try:
            outcome = _age_photo(reager, path, place, folder, target, options)
        except ReageError as error:
            text = str(error)
            outcome = Outcome(path, error=text if str(path) in text else f"{path}: {text}")
        outcomes.append(outcome)
        if on_outcome:
            on_outcome(outcome)
    return outcomes


def _age_photo(
    reager: Reager, path: Path, place: Path, layers: Path | None, target: Target, options: Options
) -> Outcome:
    """Age one photo into ``place``, and its layers into a folder if one is named."""
    watch = Stopwatch()
    with watch("total"):
        refuse_existing(place, options.overwrite)
        if layers:
            refuse_folder(layers, options.overwrite)
        sitting = options.open(reager, path)
        result = options.age(sitting, target, options.faces or "all")
        with watch("write"):
            result.save(place, overwrite=options.overwrite, quality=options.quality)
        if layers:
            with watch("layers"):
                result.save_layers(layers, overwrite=options.overwrite)
    seconds = {**sitting.seconds, **result.seconds, **watch.seconds}
    return Outcome(path, place, layers, None, describe(result), seconds)


def age_strip(
    photo: Path,
    ages: Sequence[float],
    output: Path | None = None,
    options: Options = DEFAULTS,
    *,
    tile: int = 320,
) -> Path:
    """Write one sheet of the chosen face (default: the largest) at each age; returns where.

    A row a face; the first column is the input. Ages that the model cannot give become the nearest that it can;
    each is shown once.
    """
    for age in ages:
        check_age(age)
    options.check()
    place = output or beside(photo, f"{photo.stem}-strip.jpg")
    refuse_existing(place, options.overwrite)
    reager = Reager.from_bundle(options.model)
    return write_strip(options.open(reager, photo), ages, place, options, tile=tile)


def write_strip(
    sitting: Sitting, ages: Sequence[float], place: Path, options: Options = DEFAULTS, *, tile: int = 320
) -> Path:
    """As `age_strip`, of a photo that is open already."""
    chosen = sitting.choose(options.faces or "largest")
    nearest = sitting.reager.bundle.manifest.nearest
    ages = list(dict.fromkeys(float(nearest(age)) for age in ages))
    rows, labels, mark = [], [], None
    for face in chosen:
        row = [head_tile(sitting.photo.pixels, face.face.landmarks_photo, tile)]
        for age in ages:
            result = options.age(sitting, age, face.index)
            row.append(head_tile(result.pixels, face.face.landmarks_photo, tile))
        rows.append(np.stack(row))
        labels.append(f"face {face.index}")
        mark = result.mark
    assert mark is not None
    columns = [f"input (looks {chosen[0].apparent_age:.0f})" if len(chosen) == 1 else "input"]
    sheet = sheet_photo(
        np.stack(rows), labels if len(rows) > 1 else None, [*columns, *(f"{a:g}" for a in ages)]
    )
    told = tuple(
        (round(f.apparent_age if options.source is None else options.source, 1), a)
        for f in chosen
        for a in ages
    )
    mark = replace(mark, faces=told)
    return write_photo(sheet, place, mark=mark, overwrite=options.overwrite, quality=options.quality)


def _output_paths(photos: Sequence[Path], target: Target, output: Path | None) -> list[Path]:
    names = [output_name(photo, target) for photo in photos]
    if output is None:
        places = [beside(photo, name) for photo, name in zip(photos, names, strict=True)]
    elif len(photos) == 1 and not os.path.isdir(output) and output.suffix:
        places = [output]
    elif os.path.exists(output) and not os.path.isdir(output):
        raise PhotoError(f"{output} is a file; several photos need a folder")
    else:
        places = [output / name for name in names]
    _refuse_doubled(places)
    return places


def _refuse_doubled(places: Sequence[Path]) -> None:
    seen = set()
    for place in places:
        whole = (os.path.realpath(place.parent), place.name)  # however the folder is spelt
        if whole in seen:
            raise PhotoError(f"two inputs would both be written to {place}; rename one or run them apart")
        seen.add(whole)


def output_name(photo: Path, target: Target) -> str:
    """What the result for ``photo`` is called: with the input's suffix where that is written, else as PNG."""
    label = target if isinstance(target, str) else f"{target:g}"
    kept = photo.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
    return f"{photo.stem}-{label}{photo.suffix if kept else '.png'}"


def refuse_existing(place: Path, overwrite: bool) -> None:
    """Raises `PhotoError` before the work, not after it, where ``place`` exists and may not be overwritten, is a
    folder, or cannot be looked at: its name is too long, or its folder may not be entered."""
    try:
        mode = os.stat(place).st_mode  # unlike Path.exists, the same in every version of Python
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character in the name
        return
    except OSError as error:
        raise PhotoError(f"{str(place)!r} cannot be written: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise PhotoError(f"{place} is a folder; give the name of a file in it")
    if not overwrite:
        raise PhotoError(f"{place} exists already; pass --overwrite to replace it")


def describe(result: Result) -> list[dict[str, Any]]:
    """What was done to each face, for JSON."""
    return [
        {
            "index": change.face.index,
            "box": [round(v, 1) for v in change.face.box],
            "apparent_before": round(change.face.apparent_age, 1),
            "apparent_after": round(change.apparent_after, 1),
            "source_age": round(change.source_age, 1),
            "asked_age": round(change.asked_age, 1),
            "target_age": round(change.target_age, 1),
            "male": change.male,
        }
        for change in result.changes
    ]
