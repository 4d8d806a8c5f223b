"""Edits photo files one after another, for the commands ``photo`` and ``strip``.

One bad file does not stop the others; there is an `Outcome` for each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from reage.errors import PhotoError, ReageError, one_line
from reage.face.framing import head_tile
from reage.face.sureness import doubt_about
from reage.files import refuse_existing
from reage.photo.files import check_format, write_photo
from reage.pipes import NO_NAME, PIPE, content_of, place_beside, sending
from reage.reager import Reager, Sitting
from reage.request import ANYTHING, USUAL, FileOptions, Request, check_age
from reage.result import FaceChange, SittingFace
from reage.stopwatch import Stopwatch

_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif"}
"""What is sent to standard output, by the format of the photo; else PNG."""


@dataclass(frozen=True)
class Outcome:
    """The result for one photo: its output or an error; both if only its layers failed."""

    input: Path
    output: Path | None = None
    layers: Path | None = None
    error: ReageError | None = None
    faces: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    """The device that ran the networks, as in `Reager.device`."""

    def about(self, text: str) -> str:
        """The error ``text``, preceded by the name of the photo unless it contains that already."""
        return text if str(self.input) in text else f"{self.input}: {text}"

    def doubts(self) -> list[str]:
        """A sentence for each face whose estimated age was used and may be wrong, with the reason."""
        return [
            doubt_about(face["index"], face["doubts"])
            for face in self.faces
            if face["doubts"] and face["source_age"] == face["apparent_before"]
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "input": str(self.input),
            "output": str(self.output) if self.output else None,
            "layers": str(self.layers) if self.layers else None,
            "error": self.about(str(self.error)) if self.error else None,
            "faces": self.faces,
            "device": self.device,
            "seconds": {stage: round(seconds, 4) for stage, seconds in self.seconds.items()},
        }


def age_photos(
    photos: Sequence[Path],
    request: Request,
    output: str | os.PathLike[str] | None = None,
    options: FileOptions = USUAL,
    *,
    layers: bool = False,
    ages_after: bool = True,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Apply ``request`` to each of ``photos``; returns one outcome per photo, in their order.

    ``output`` is a file for a single photo, else a folder (always, if it ends in a slash); None writes beside each
    photo. One of the photos, and ``output``, may be `PIPE`. With ``layers``, the edit is also written as layers to the
    folder ``<stem of the output>-layers`` beside the output. Without ``ages_after``, the apparent ages of edited faces
    are not estimated. Raises `ReageError` only for errors of the call itself (an age, the bundle), not of single
    photos.
    """
    places = _output_paths(photos, request, output)
    if layers and PIPE in places:
        raise PhotoError("layers are written beside the output file; give -o FILE instead of standard output")
    folders = [place.with_name(f"{place.stem}-layers") if layers else None for place in places]
    _refuse_doubled([folder for folder in folders if folder])
    reager = Reager.from_bundle(options.model)
    outcomes = []
    for path, place, folder in zip(photos, places, folders, strict=True):
        outcome = age_photo(reager, path, place, request, options, layers=folder, ages_after=ages_after)
        outcomes.append(outcome)
        if on_outcome:
            on_outcome(outcome)
    return outcomes


def age_photo(
    reager: Reager,
    path: Path,
    place: Path,
    request: Request,
    options: FileOptions = USUAL,
    *,
    layers: Path | None = None,
    ages_after: bool = True,
) -> Outcome:
    """Edit one photo and write it to ``place``, and its layers to a folder if given; ``ages_after`` as in `age_photos`.

    Errors of this photo become the outcome's ``error``, so that others can continue. Raises only BrokenPipeError, if
    nobody reads standard output any more.
    """
    try:
        outcome = _age_photo(reager, path, place, layers, request, options, ages_after)
    except ReageError as error:
        outcome = Outcome(path, error=error)
    except BrokenPipeError:
        raise
    except Exception as error:  # whatever this photo leads the system or a network to
        outcome = Outcome(path, error=_unexpected(error))
    return replace(outcome, device=reager.device)


def _unexpected(error: Exception) -> ReageError:
    """An unexpected ``error`` as a `ReageError` of one line, with the original as its cause."""
    line = ReageError(f"it cannot be aged: {one_line(error)}")
    line.__cause__ = error
    return line


def _age_photo(
    reager: Reager,
    path: Path,
    place: Path,
    layers: Path | None,
    request: Request,
    options: FileOptions,
    ages_after: bool,
) -> Outcome:
    watch, failed = Stopwatch(), None
    with watch("total"):
        if place != PIPE:
            options.check_output(place)
        if layers:
            refuse_existing(layers, options.overwrite, folder=True)
        sitting = reager.open(content_of(path), max_pixels=options.max_pixels, faces=request.faces_or("all"))
        suffix = place.suffix if place != PIPE else _SUFFIXES.get(sitting.photo.meta.format or "", ".png")
        check_format(sitting.photo, suffix)
        result = sitting.apply(request)
        faces, seconds = describe(result.changes, ages_after), {**sitting.seconds, **result.seconds}
        if not options.signer and not layers:  # the unedited photo has done its part: room for the encoder
            del sitting
            result = replace(result, original=result.photo, changes=())
        with watch("write"), sending(place, suffix) as file:
            result.save(file, overwrite=options.overwrite, quality=options.quality, signer=options.signer)
        if layers:
            try:
                with watch("layers"):
                    result.save_layers(layers, overwrite=options.overwrite)
            except ReageError as error:  # the photo stands
                layers, failed = None, error
    return Outcome(path, place, layers, failed, faces, {**seconds, **watch.seconds})


def age_strip(
    photo: Path,
    ages: Sequence[float],
    output: Path | None = None,
    request: Request = ANYTHING,
    options: FileOptions = USUAL,
    *,
    tile: int = 320,
    on_doubt: Callable[[str], None] | None = None,
) -> Path:
    """Write one sheet of the chosen face (default: the largest) at each age; returns where.

    ``photo`` and ``output`` may be `PIPE`.

    A row a face; the first column is the input. Ages that the model cannot give become the nearest that it can;
    each is shown once. ``on_doubt`` is called for each face whose estimated age may be wrong, as in `Sitting.doubts`.
    """
    for age in ages:
        check_age(age)
    place = output or place_beside(photo, f"{photo.stem}-strip.jpg")
    with sending(place, ".jpg") as file:
        options.check_output(file)
        reager = Reager.from_bundle(options.model)
        source = content_of(photo)
        sitting = reager.open(source, max_pixels=options.max_pixels, faces=request.faces_or("largest"))
        if on_doubt:
            for doubt in sitting.doubts(request):
                on_doubt(doubt)
        write_strip(sitting, ages, file, request, options, tile=tile)
    return place


def write_strip(
    sitting: Sitting,
    ages: Sequence[float],
    place: Path,
    request: Request = ANYTHING,
    options: FileOptions = USUAL,
    *,
    tile: int = 320,
    first_number: int = 0,
) -> Path:
    """As `age_strip`, of a photo that is open already; the labels of several faces count from ``first_number``."""
    from reage.sheets import sheet_photo  # brings fonts along, which photos do not need

    manifest = sitting.reager.bundle.manifest
    chosen = sitting.choose(request.faces_or("largest"))
    ages = list(dict.fromkeys(float(manifest.nearest(age)) for age in ages))
    rows = []
    for face in chosen:
        pictures = [sitting.apply(request.at(age, face.index)).pixels for age in ages]
        rows.append(
            np.stack(
                [
                    head_tile(pixels, face.face.landmarks_photo, tile)
                    for pixels in (sitting.photo.pixels, *pictures)
                ]
            )
        )
    first = f"input (looks {chosen[0].apparent_age:.0f})" if len(chosen) == 1 else "input"
    labels = [f"face {face.index + first_number}" for face in chosen] if len(chosen) > 1 else None
    sheet = sheet_photo(np.stack(rows), labels, [first, *(f"{age:g}" for age in ages)])
    shown = [(request.source_age(face.apparent_age), age) for face in chosen for age in ages]
    mark = request.mark(sitting.reager.bundle.title, shown)
    finish = None
    if options.signer:
        sign = options.signer.sign
        finish = partial(sign, suffix=place.suffix, mark=mark, original=sitting.photo)
    return write_photo(
        sheet, place, mark=mark, overwrite=options.overwrite, quality=options.quality, finish=finish
    )


def _output_paths(
    photos: Sequence[Path], request: Request, output: str | os.PathLike[str] | None
) -> list[Path]:
    folder = output is not None and (os.path.isdir(output) or not os.path.basename(output))
    place = None if output is None else Path(output)
    if place == PIPE:
        if len(photos) > 1:
            raise PhotoError("standard output takes one photo; several photos need a folder")
        return [PIPE]
    if place is not None and place.suffix and len(photos) == 1 and not folder:
        return [place]
    if PIPE in photos:
        raise PhotoError(NO_NAME)
    names = [output_name(photo, request.label) for photo in photos]
    if place is None:
        places = [place_beside(photo, name) for photo, name in zip(photos, names, strict=True)]
    elif os.path.exists(place) and not folder:
        raise PhotoError(f"{place} is a file; several photos need a folder")
    else:
        places = [place / name for name in names]
    _refuse_doubled(places)
    return places


def _refuse_doubled(places: Sequence[Path]) -> None:
    seen = set()
    for place in places:
        whole = (os.path.realpath(place.parent), place.name)  # however the folder is spelt
        if whole in seen:
            raise PhotoError(
                f"two inputs would both be written to {place}; rename one, or run them separately"
            )
        seen.add(whole)


def output_name(photo: PurePath, label: str) -> str:
    """Name of the result for ``photo``, with ``label`` added; formats that are not written become ``.png``."""
    kept = photo.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
    return f"{photo.stem}-{label}{photo.suffix if kept else '.png'}"


def describe_sureness(face: SittingFace) -> dict[str, Any]:
    """The reliability of the estimated age, 0 to 1, and the reasons for doubt, for JSON."""
    return {"sureness": round(face.sureness.value, 2), "doubts": list(face.sureness.doubts)}


def describe(changes: Iterable[FaceChange], ages_after: bool = True) -> list[dict[str, Any]]:
    """The change of each face, for JSON; ``apparent_after`` is None without ``ages_after``."""
    return [
        {
            "index": change.face.index,
            "box": [round(v, 1) for v in change.face.box],
            "apparent_before": round(change.face.apparent_age, 1),
            "apparent_after": round(change.apparent_after, 1) if ages_after else None,
            "source_age": round(change.source_age, 1),
            "asked_age": round(change.asked_age, 1),
            "target_age": round(change.target_age, 1),
            "male": change.male,
            **describe_sureness(change.face),
        }
        for change in changes
    ]
