"""The main Python API: `Reager` opens a photo once; its `Sitting` then gives any age by running one small network.

sitting = Reager.default().open("me.jpg")
sitting.age(to=70).save("me70.jpg")
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, UInt8
from reage.bundle import Bundle, open_bundle
from reage.devices import find_device
from reage.edit.compositing import AlignedFace, Edit, composite, cut_face
from reage.edit.greying import greying
from reage.edit.masks import face_mask
from reage.edit.occlusion import uncovered
from reage.edit.surroundings import Masks, Surroundings, survey
from reage.errors import AgeError, NoFaceError
from reage.face.alignment import align_landmarks, apply_transform, resizing
from reage.face.apparent_age import AgeReader
from reage.face.detection import Face, FaceDetector
from reage.face.person import PersonNetwork
from reage.face.sureness import doubt_about, read_sureness
from reage.hub.models import HubModel, open_model, pull
from reage.onnx_session import load_in_background, meanwhile
from reage.photo.files import MAX_PIXELS, Photo, PhotoMeta, read_photo
from reage.photo.photo import eight_bits
from reage.photo.provenance import joint_mark
from reage.request import FaceChoice, Request, Target
from reage.result import FaceChange, Result, SittingFace, no_surroundings
from reage.stopwatch import Stopwatch

_CROWD = 64
"""Faces in a photo up to which hair and neck, once found, are kept: they take 5 MB for each face."""


class Reager:
    """A model bundle and the networks that find and analyse faces. Reusable; loads each network once.

    ``threads`` limits the threads of the networks that find and analyse faces. ``device`` is one of
    `reage.devices.DEVICES`; None means the environment variable ``REAGE_DEVICE``, or else the CPU. If the device is not
    available, the CPU is used, with a `RuntimeWarning`; the attribute `device` is the one in use. Raises `ReageError`
    for an unknown device.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None, device: str | None = None) -> None:
        found = find_device(device)
        if found.note:
            warnings.warn(found.note, RuntimeWarning, stacklevel=2)
        self.device = found.name
        self.bundle = bundle.on(found)
        self.detector = FaceDetector(threads=threads, device=found)
        self.age_reader = AgeReader(threads=threads, device=found)
        self._person_network = PersonNetwork(threads=threads, device=found)
        loads = [self.detector.load, self.age_reader.load, self.bundle.load]
        if self.bundle.manifest.reach == "head":
            loads.append(self._person_network.load)
        load_in_background(loads)  # while the caller reads a photo

    @classmethod
    def default(cls, *, device: str | None = None) -> Reager:
        """A Reager with the embedded bundle; ``device`` as in `Reager`."""
        return cls(open_bundle(), device=device)

    @classmethod
    def from_bundle(cls, path: str | os.PathLike[str] | None, *, device: str | None = None) -> Reager:
        """A Reager with the bundle at ``path``: a folder, a zip file or ``hf://owner/name@revision``.

        None is the embedded bundle; ``device`` is as in `Reager`. Raises `BundleError`.
        """
        return cls(open_model(path), device=device)

    @classmethod
    def from_pretrained(cls, name: str, *, revision: str | None = None, device: str | None = None) -> Reager:
        """A Reager with the model ``owner/name`` of the Hugging Face Hub, downloaded unless it is in the cache.

        ``revision`` is a branch, a tag or a commit (None: the branch ``main``), ``device`` as in `Reager`. Needs the
        extra ``hub``; raises `HubError`.

            Reager.from_pretrained("owner/name", revision="v1").open("me.jpg").age(to=70).save("me-70.jpg")
        """
        return cls(pull(HubModel(name, revision)), device=device)

    def open(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        max_pixels: int | None = None,
        faces: FaceChoice = "all",
    ) -> Sitting:
        """Decode a photo, find its faces and estimate their ages.

        Photos of more than ``max_pixels`` (None: 200 million) are refused. With ``faces`` "largest", the sitting has
        only that face, which is faster. Raises `PhotoError` if it is not a readable photo, `NoFaceError` if it has no
        face.
        """
        watch = Stopwatch()
        with watch("read"):
            photo = read_photo(source, max_pixels=max_pixels or MAX_PIXELS)
        return self.sit(photo, watch, faces=faces)

    def sit(
        self,
        photo: Photo,
        watch: Stopwatch | None = None,
        *,
        faces: FaceChoice = "all",
        most: int | None = None,
    ) -> Sitting:
        """Like `open`, for a photo that is already decoded; raises `PhotoError` if it has more than ``most`` faces."""
        watch = watch or Stopwatch()
        pixels = eight_bits(photo.pixels)
        with watch("detect"):
            # If hair is edited, the others have to be found, too, so that their hair is not taken for this person's.
            alone = faces == "largest" and self.bundle.manifest.reach == "face"
            found = self.detector.detect(pixels, only_largest=alone, most=most)
        if not found:
            raise NoFaceError(
                "no face found; try a photo where a face is at least 40 pixels high, upright and not covered"
            )
        with watch("analyse"):
            manifest = self.bundle.manifest
            matrices = [align_landmarks(face.landmarks_photo, manifest.size, manifest.zoom) for face in found]
            wanted = found[:1] if faces == "largest" else found
            prepared = tuple(self._prepare(i, face, matrices, photo, pixels) for i, face in enumerate(wanted))
        return Sitting(self, photo, prepared, dict(watch.seconds))

    def read_age(self, pixels: npt.NDArray[Any], face: Face) -> float:
        """Apparent age in years of ``face`` in a photo (H, W, 3)."""
        return self.age_reader.read(eight_bits(pixels), face.landmarks_photo).age

    def align(self, pixels: npt.NDArray[Any], matrix: Float32, landmarks: Float32) -> AlignedFace:
        """The face that ``matrix`` (2, 3) cuts from a photo (H, W, 3); aligned ``landmarks`` (468, 2) give its mask."""
        manifest = self.bundle.manifest
        face = cut_face(pixels, matrix, face_mask(landmarks, manifest.size, manifest.reach))
        return replace(face, uncovered=uncovered(face.pixels, landmarks))

    def survey(
        self,
        pixels: npt.NDArray[Any],
        face: AlignedFace,
        landmarks: Float32,
        others: Sequence[Float32] = (),
        steady: Callable[[Callable[[], Masks], float], Masks] | None = None,
    ) -> Surroundings | None:
        """Hair and neck of ``face`` in a photo (H, W, 3), with ``landmarks`` (468, 2) in its aligned frame.

        ``others`` are the transforms (2, 3) from the photo to the aligned frames of the other faces, and ``steady`` is
        as in `reage.edit.surroundings.survey`. Returns None if hair and neck are not edited: the model edits the face
        alone, or they cannot be segmented reliably.
        """
        if self.bundle.manifest.reach == "face":
            return None
        return survey(pixels, face, landmarks, others, self._person_network, steady)

    def edit(self, face: AlignedFace, *, to: float, source: float, male: float) -> Edit:
        """The network's edit of an aligned face: luma only for a grey face, and zero where something is in front."""
        edit = self.bundle.edit(face.pixels, source_age=source, target_age=to, male=male)
        if face.uncovered is not None:
            edit = edit.scaled(face.uncovered)
        return edit.without_colour() if face.is_grey else edit

    def _prepare(
        self, index: int, face: Face, matrices: Sequence[Float32], photo: Photo, pixels: UInt8
    ) -> SittingFace:
        """Face ``index`` of a photo; ``matrices`` (2, 3) map from the photo to the aligned frame of each face."""
        estimate = self.age_reader.read(pixels, face.landmarks_photo)
        landmarks = apply_transform(matrices[index], face.landmarks_photo[:, :2])
        aligned = self.align(photo.pixels, matrices[index], landmarks)
        look_around: Callable[[], Surroundings | None] = no_surroundings
        if self.bundle.manifest.reach == "head":
            others = [*matrices[:index], *matrices[index + 1 :]]
            look_around = partial(self.survey, photo.pixels, aligned, landmarks, others)
            if len(matrices) <= _CROWD:
                look_around = cache(look_around)
        sureness = read_sureness(pixels, face.landmarks_photo)
        seen = estimate.age, estimate.male_probability, sureness
        return SittingFace(index, face, *seen, aligned, look_around)


class Sitting:
    """An open photo with its faces. Each further age only needs the network and the compositing."""

    def __init__(
        self, reager: Reager, photo: Photo, faces: tuple[SittingFace, ...], seconds: dict[str, float]
    ) -> None:
        self.reager = reager
        self.photo = photo
        self.faces = faces
        self.seconds = seconds

    def choose(self, which: FaceChoice) -> tuple[SittingFace, ...]:
        """The faces that ``which`` names; raises `NoFaceError` if one does not exist."""
        if which == "all":
            return self.faces
        if which == "largest":
            return self.faces[:1]
        numbers: Iterable[int]
        if isinstance(which, str):
            try:
                numbers = [int(part) for part in which.split(",")]
            except ValueError:
                raise NoFaceError(f"faces '{which}': give all, largest, or numbers such as 0,2") from None
        else:
            numbers = [which] if isinstance(which, int) else which
        numbers = list(dict.fromkeys(numbers))
        for number in numbers:
            if not 0 <= number < len(self.faces):
                raise NoFaceError(
                    f"there is no face {number}: the photo has {len(self.faces)}, counted from 0"
                )
        return tuple(self.faces[number] for number in numbers)

    def doubts(self, request: Request) -> list[str]:
        """A sentence for each face of a strip or film whose estimated age is used and may be wrong."""
        chosen = self.choose(request.faces_or("largest")) if request.source is None else ()
        return [doubt_about(face.index, face.sureness.doubts) for face in chosen if face.sureness.doubts]

    def age(
        self,
        *,
        to: Target | None = None,
        by: float | None = None,
        source: float | None = None,
        faces: FaceChoice = "all",
        strength: float = 1.0,
        male: float | None = None,
        regions: Mapping[str, float] | None = None,
    ) -> Result:
        """The photo with the chosen faces edited ``to`` an age (or "older", "younger"), or ``by`` a number of years.

        ``source`` is the age in the photo (default: the apparent age of each face). ``strength``, 0 to 1.5, scales the
        edit; ``regions`` scales it further, 0 to 1.5, in some of the `reage.edit.masks.REGIONS`. ``male`` (0 or 1)
        replaces the estimated gender that the model is told. Raises `AgeError` for ages outside 0 to 116,
        `NoFaceError` and `RegionError` for faces and regions that do not exist.

            sitting = Reager.default().open("me.jpg")
            sitting.age(to=70, strength=0.8).save("me-70.jpg")
            sitting.age(by=-10, faces="largest").save("me-younger.jpg")
        """
        return self.apply(Request(to, by, source, male, strength, regions or {}, faces))

    def apply(self, *requests: Request) -> Result:
        """The photo with ``requests`` applied to their faces (default: all); for each face the last request counts.

        Raises as `age` does, and `AgeError` if there is no request.
        """
        asked = {face.index: request for request in requests for face in self.choose(request.faces_or("all"))}
        if not asked:
            raise AgeError("nothing is asked of any face; choose an age first")
        watch, manifest = Stopwatch(), self.reager.bundle.manifest
        out = self.photo.pixels.copy()
        changes = []
        for index, request in asked.items():
            face = self.faces[index]
            source = request.source_age(face.apparent_age)
            goal = request.goal(source, manifest)
            edits = self._edits(face, request, watch)
            with watch("composite"):
                for area, part in edits:
                    composite(self.photo.pixels, out, area, part, detail_sigma=manifest.detail_sigma)
            changes.append(
                FaceChange(
                    face=face,
                    source_age=source,
                    asked_age=goal,
                    target_age=manifest.reached(source, goal),
                    male=request.gender(face.male_probability),
                    edit_again=partial(self._edits, face, request, Stopwatch()),
                    read_again=partial(self.reager.read_age, out, face.face),
                )
            )
        mark = joint_mark(
            asked[change.face.index].mark(self.reager.bundle.title, [(change.source_age, change.target_age)])
            for change in changes
        )
        return Result(
            self.photo.with_pixels(out),
            self.photo,
            tuple(changes),
            mark,
            manifest.detail_sigma,
            watch.seconds,
        )

    def _edits(
        self, face: SittingFace, request: Request, watch: Stopwatch
    ) -> tuple[tuple[AlignedFace, Edit], ...]:
        """What ``request`` composites for a face: edits of hair and neck, if there are any, then that of the face."""
        manifest = self.reager.bundle.manifest
        source, male = request.source_age(face.apparent_age), request.gender(face.male_probability)
        goal = request.goal(source, manifest)
        with meanwhile(face.look_around) as looking:
            with watch("network"):
                edit = self.reager.edit(face.aligned, to=goal, source=source, male=male)
            with watch("surroundings"):
                around = looking.result()
        with watch("composite"):
            white = greying(source, manifest.reached(source, goal))
            return tuple(request.applied(face.aligned, edit, face.landmarks_aligned, around, greying=white))

    def cropped(self, box: tuple[int, int, int, int]) -> Sitting:
        """A sitting on a crop of the photo, x0, y0, x1, y1 in pixels, which shares the photo's memory.

        It keeps all faces of the photo, with their ages and aligned crops; some may lie outside.
        """
        x0, y0, x1, y1 = box
        photo = self.photo
        alpha = None if photo.alpha is None else photo.alpha[y0:y1, x0:x1]
        part = Photo(photo.pixels[y0:y1, x0:x1], alpha, photo.meta)
        moving = np.array([[1, 0, -x0], [0, 1, -y0]], np.float32)
        faces = tuple(face.moved(moving) for face in self.faces)
        return Sitting(self.reager, part, faces, self.seconds)

    def reduced(self, side: int) -> Sitting:
        """A sitting on an 8-bit copy of the photo whose longest side is at most ``side`` pixels, for previews.

        Faces, ages and aligned crops are those of the whole photo, so an edit is the same edit at a lower resolution.
        Of the metadata, the copy keeps only the colour profile.
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
