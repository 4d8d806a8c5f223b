"""Reager: the object a user holds. Open a photo once, then ask for any age for the price of one small network.

sitting = Reager.default().open("me.jpg")
sitting.age(to=70).save("me70.jpg")
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import cv2
import numpy as np
import numpy.typing as npt

from reage._version import __version__
from reage.ages import MAX_AGE
from reage.arrays import Float32, UInt8
from reage.bundle import Bundle, open_bundle
from reage.edit.compositing import AlignedFace, Edit, composite, cut_face
from reage.edit.layers import write_layers
from reage.edit.masks import check_regions, face_mask, region_factor
from reage.errors import AgeError, NoFaceError
from reage.face.alignment import align_landmarks, apply_transform, compose, invert_transform, resizing
from reage.face.apparent_age import AgeReader
from reage.face.detection import Face, FaceDetector
from reage.photo.files import MAX_PIXELS, Photo, PhotoMeta, Provenance, read_photo, write_photo
from reage.photo.photo import eight_bits
from reage.video.tracking import Tracker

Target = float | Literal["older", "younger"]
"""An age in years, or a direction: "older" is 70 years and "younger" 25, or the ages that the bundle's manifest names,
and at least 15 years from the age in the photo, as far as the model goes (`reage.bundle.Manifest.goal`)."""

Faces = str | int | Sequence[int]
"""Which faces: ``"all"``, ``"largest"``, a number or several (0 is the largest face)."""


class Stopwatch:
    """Seconds per named stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Any:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class SittingFace:
    """A face of an open photo: where it is, what age it looks, and its aligned crop."""

    index: int
    face: Face
    apparent_age: float
    male_probability: float
    aligned: AlignedFace

    def told(self, source: float | None, male: float | None) -> tuple[float, float]:
        """Age and gender (0 or 1) to tell the network: as given, or as the face looks."""
        age = self.apparent_age if source is None else source
        return age, float(self.male_probability > 0.5) if male is None else male

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in pixels of the photo."""
        x0, y0, x1, y1 = (float(v) for v in self.face.box_photo)
        return x0, y0, x1, y1

    def moved(self, transform: Float32) -> SittingFace:
        """The same face in the photo seen through ``transform`` (2, 3); its aligned crop stays as it is."""
        matrix = compose(self.aligned.matrix, invert_transform(transform))
        return replace(self, face=self.face.moved(transform), aligned=replace(self.aligned, matrix=matrix))

    def factor(self, regions: Mapping[str, float]) -> Float32:
        """Factor (S, S) of an edit in the aligned frame, given factors of some of the `REGIONS`."""
        landmarks = apply_transform(self.aligned.matrix, self.face.landmarks_photo)
        return region_factor(landmarks, self.aligned.size, regions)


@dataclass(frozen=True)
class FaceChange:
    """What was asked of one face, what its age reads before and after, and the edit that was applied.

    ``target_age`` is ``asked_age``, or the nearest to it that the model can give.
    """

    face: SittingFace
    source_age: float
    asked_age: float
    target_age: float
    male: float
    apparent_after: float
    edit: Edit


@dataclass(frozen=True)
class Result:
    """An edited photo. ``pixels`` (H, W, 3) has the type of the original; ``save`` writes it with its mark."""

    photo: Photo
    original: Photo
    changes: tuple[FaceChange, ...]
    mark: Provenance
    detail_sigma: float
    """Of the edits, as in `reage.edit.compositing`."""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def pixels(self) -> npt.NDArray[Any]:
        """RGB (H, W, 3), uint8 or uint16."""
        return self.photo.pixels

    def save(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, quality: int | None = None
    ) -> Path:
        """Write the photo; raises `PhotoError` if ``path`` exists (unless ``overwrite``) or cannot be written."""
        return write_photo(self.photo, path, mark=self.mark, overwrite=overwrite, quality=quality)

    def save_layers(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the edit as layers over the original; see `write_layers`, which raises `PhotoError`."""
        edits = [(change.face.aligned, change.edit) for change in self.changes]
        return write_layers(
            self.original,
            edits,
            folder,
            mark=self.mark,
            detail_sigma=self.detail_sigma,
            overwrite=overwrite,
        )


class Reager:
    """A model bundle and the networks that find and read faces. Safe to keep; loads each network once."""

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        self.bundle = bundle
        self._detector = FaceDetector(threads=threads)
        self._reader = AgeReader(threads=threads)

    @classmethod
    def default(cls) -> Reager:
        """With the bundle that the package ships."""
        return cls(open_bundle())

    @classmethod
    def from_bundle(cls, path: str | os.PathLike[str] | None) -> Reager:
        """With the bundle at ``path`` (None: the embedded one); raises `BundleError`."""
        return cls(open_bundle(path))

    def open(
        self, source: str | os.PathLike[str] | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS
    ) -> Sitting:
        """Decode a photo, find its faces and read their ages.

        Raises `PhotoError` for what is not a photo and `NoFaceError` where no face is found.
        """
        watch = Stopwatch()
        with watch("read"):
            photo = read_photo(source, max_pixels=max_pixels)
        return self.sit(photo, watch)

    def sit(self, photo: Photo, watch: Stopwatch | None = None) -> Sitting:
        """As `open`, for a photo already decoded."""
        watch = watch or Stopwatch()
        pixels = eight_bits(photo.pixels)
        with watch("detect"):
            found = self._detector.detect(pixels)
        if not found:
            raise NoFaceError(
                "no face found; try a photo where a face is at least 40 pixels high, upright and not covered"
            )
        with watch("analyse"):
            faces = tuple(self._prepare(i, face, photo, pixels) for i, face in enumerate(found))
        return Sitting(self, photo, faces, dict(watch.seconds))

    def read_age(self, pixels: npt.NDArray[Any], face: Face) -> float:
        """Apparent age in years of ``face`` in a photo (H, W, 3)."""
        return self._reader.read(eight_bits(pixels), face.landmarks_photo).age

    def tracker(self) -> Tracker:
        """What follows the faces of one video, with the networks that are loaded already."""
        return Tracker(self._detector, self._reader)

    def align(self, pixels: npt.NDArray[Any], matrix: Float32, landmarks: Float32) -> AlignedFace:
        """The face that ``matrix`` (2, 3) cuts from a photo (H, W, 3); ``landmarks`` (468, 2) are in its own frame."""
        return cut_face(pixels, matrix, face_mask(landmarks, self.bundle.manifest.size))

    def edit(self, face: AlignedFace, *, to: float, source: float, male: float) -> Edit:
        """The network's edit of an aligned face; of luma alone where the face has no colour."""
        edit = self.bundle.edit(face.pixels, source_age=source, target_age=to, male=male)
        return edit.without_colour() if face.is_grey else edit

    def _prepare(self, index: int, face: Face, photo: Photo, pixels: UInt8) -> SittingFace:
        reading = self._reader.read(pixels, face.landmarks_photo)
        matrix = align_landmarks(face.landmarks_photo, self.bundle.manifest.size)
        aligned = self.align(photo.pixels, matrix, apply_transform(matrix, face.landmarks_photo))
        return SittingFace(index, face, reading.age, reading.male_probability, aligned)


class Sitting:
    """An open photo. Each further age costs only the network and the compositing."""

    def __init__(
        self, reager: Reager, photo: Photo, faces: tuple[SittingFace, ...], seconds: dict[str, float]
    ) -> None:
        self.reager = reager
        self.photo = photo
        self.faces = faces
        self.seconds = seconds

    def choose(self, which: Faces) -> tuple[SittingFace, ...]:
        """The faces meant by ``which``; raises `NoFaceError` for a number that there is not."""
        if which == "all":
            return self.faces
        if which == "largest":
            return self.faces[:1]
        numbers: Iterable[int]
        if isinstance(which, str):
            try:
                numbers = [int(part) for part in which.split(",")]
            except ValueError:
                raise NoFaceError(f"faces '{which}': say all, largest, or numbers such as 0,2") from None
        else:
            numbers = [which] if isinstance(which, int) else which
        numbers = list(dict.fromkeys(numbers))
        for number in numbers:
            if not 0 <= number < len(self.faces):
                raise NoFaceError(
                    f"there is no face {number}: the photo has {len(self.faces)}, numbered from 0"
                )
        return tuple(self.faces[number] for number in numbers)

    def age(
        self,
        *,
        to: Target,
        source: float | None = None,
        faces: Faces = "all",
        strength: float = 1.0,
        male: float | None = None,
        regions: Mapping[str, float] | None = None,
    ) -> Result:
        """The photo with the chosen faces ``to`` years old (or "older", "younger").

        ``source`` is the age in the photo (default: the apparent age of each face); ``strength`` 0 to 1.5
        scales the edit; ``male`` (0 or 1) overrides the estimated gender, which steers what ageing looks
        like; ``regions`` scales the edit further, 0 to 1.5, in some of the `reage.edit.masks.REGIONS`.
        Raises `AgeError` for ages outside 0 to 116, `NoFaceError` for faces and `RegionError` for regions that
        there are not.
        """
        check_target(to)
        check_wish(source, strength)
        apart = apart_regions(regions)
        watch, manifest = Stopwatch(), self.reager.bundle.manifest
        chosen = self.choose(faces)
        out = self.photo.pixels.copy()
        told: list[tuple[SittingFace, float, float, float, float, Edit]] = []
        for face in chosen:
            age, gender = face.told(source, male)
            goal = manifest.goal(to, age) if isinstance(to, str) else to
            with watch("network"):
                edit = self.edit(face, to=goal, source=age, male=gender)
            with watch("composite"):
                edit = edit.scaled(strength * face.factor(apart) if apart else strength)
                composite(self.photo.pixels, out, face.aligned, edit, detail_sigma=manifest.detail_sigma)
            told.append((face, age, goal, manifest.reached(age, goal), gender, edit))
        with watch("verify"):
            changes = tuple(
                FaceChange(face, age, goal, reached, gender, self.reager.read_age(out, face.face), edit)
                for face, age, goal, reached, gender, edit in told
            )
        mark = Provenance(
            tool=f"reage {__version__}",
            model=manifest.title,
            faces=tuple((round(c.source_age, 1), round(float(c.target_age), 1)) for c in changes),
            edits=edits_in_words(strength, apart),
        )
        photo = self.photo.with_pixels(out)
        return Result(photo, self.photo, changes, mark, manifest.detail_sigma, watch.seconds)

    def reduced(self, side: int) -> Sitting:
        """This sitting on a copy of the photo whose longest side is at most ``side`` pixels, in 8 bits.

        For previews: faces, ages and what the networks see are those of the whole photo, so an edit is the same
        edit, put into fewer pixels. Of what came with the file, the copy keeps the colour profile only.
        """
        photo = self.photo
        ratio = min(1.0, side / max(photo.width, photo.height))
        size = max(1, round(photo.width * ratio)), max(1, round(photo.height * ratio))
        pixels, alpha = (
            None if plane is None else cv2.resize(eight_bits(plane), size, interpolation=cv2.INTER_AREA)
            for plane in (photo.pixels, photo.alpha)
        )
        small = Photo(np.asarray(pixels), alpha, PhotoMeta(icc=photo.meta.icc))
        transform = resizing((photo.width, photo.height), size)
        faces = tuple(face.moved(transform) for face in self.faces)
        return Sitting(self.reager, small, faces, self.seconds)

    def edit(self, face: SittingFace, *, to: float, source: float, male: float) -> Edit:
        """The network's edit of one face in its aligned frame; of luma alone where the face has no colour."""
        return self.reager.edit(face.aligned, to=to, source=source, male=male)


def check_target(target: Target) -> None:
    """Raises `AgeError` for what is neither an age from 0 to 116 years nor a direction."""
    if not isinstance(target, str):
        check_age(target)
    elif target not in ("older", "younger"):
        raise AgeError(f"'{target}' is neither an age nor 'older' or 'younger'")


def check_wish(source: float | None, strength: float) -> None:
    """Raises `AgeError` for an impossible age in the photo, or a strength outside 0 to 1.5."""
    if source is not None:
        check_age(source)
    if not 0 <= strength <= 1.5:
        raise AgeError(f"strength {strength:g} is outside 0 to 1.5")


def apart_regions(regions: Mapping[str, float] | None) -> dict[str, float]:
    """Those of ``regions`` that change anything; raises `RegionError` for what is none, or out of range."""
    check_regions(regions or {})
    return {name: factor for name, factor in (regions or {}).items() if factor != 1}


def edits_in_words(strength: float, regions: Mapping[str, float]) -> tuple[str, ...]:
    """For the mark: what differs from the whole edit."""
    words = [] if strength == 1 else [f"strength {strength:g}"]
    if regions:
        words.append("regions " + ", ".join(f"{name} {factor:g}" for name, factor in regions.items()))
    return tuple(words)


def check_age(age: float) -> None:
    """Raises `AgeError` for an age outside 0 to 116 years (or not a number)."""
    if not 0 <= age <= MAX_AGE:
        raise AgeError(f"age {age:g} is outside 0 to {MAX_AGE:g} years")
