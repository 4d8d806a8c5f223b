"""What the page and the HTTP interface have in common: photos are opened, aged, shown and written.

It knows neither browsers nor Gradio. Numbers of faces count from 0.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from reage.ages import DIRECTIONS
from reage.batch import describe_sureness, output_name, write_strip
from reage.bundle import Bundle, find_bundles
from reage.errors import AgeError, BundleError, NoFaceError, PhotoError, PixelLimitError, VideoError
from reage.face.framing import head_tile
from reage.hub.models import open_model
from reage.photo.files import Photo, Provenance, encode_photo, read_photo
from reage.reager import Reager
from reage.request import Request, check_age
from reage.result import FaceChange
from reage.video.film import Look, write_film
from reage.web.closeup import CloseUp, frame_face
from reage.web.store import OpenPhoto, Store

PREVIEW = 1280
"""Longest side of a preview in pixels."""
_PREVIEW_QUALITY = 88
"""JPEG quality of previews and thumbnails."""
_THUMBNAIL = 160
"""Side of a thumbnail in pixels."""
STRIP_AGES = 12
"""The most ages in a life strip."""
FILM_RATES = {"mp4": 24, "gif": 10, "webp": 12}
"""Frames a second of each kind of film."""
FILM_SECONDS = 12
"""The greatest length of a film in seconds."""


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask of the machine."""

    max_pixels: int = 50_000_000
    """Pixels of one photo."""
    max_faces: int = 100
    """Faces in one photo; each takes 6 MB of memory while the photo is open, and tens of milliseconds to open it."""
    max_upload: int = 40 << 20
    """Bytes of one file."""
    max_memory: int = 1 << 30
    """Bytes of memory for all open photos together."""
    share: int = 1 << 28
    """Bytes of memory that one visitor's photos may take; a single photo may take more."""
    seconds: float = 900
    """How long a photo that is not used stays open, and its files stay on disk."""
    queue: int = 40
    """Requests that may wait; further ones are refused."""


@dataclass(frozen=True)
class Preview:
    """A reduced photo before and after an edit."""

    before: Path
    """The photo as it is: a JPEG file."""
    after: Path
    """The photo as it was asked for, marked as AI-edited: a JPEG file."""
    changes: tuple[FaceChange, ...]
    """What was done to each changed face."""


class Service:
    """Open photos and the models that edit them; safe to use from several threads.

    Files are made in ``folder``, which whoever made it deletes in the end. ``model`` is the bundle that photos are
    edited with unless another is chosen, a path or a name on the Hub; None is the embedded one. ``models`` is a folder
    of further bundles, of which those that cannot be opened are left out. Raises `BundleError` if ``model`` cannot be
    opened or ``models`` is no folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        model: Path | str | None = None,
        models: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        if models is not None and not models.is_dir():
            raise BundleError(f"{models} is not a folder of model bundles")
        self.limits = limits or Limits()
        self.store = Store(
            folder, max_bytes=self.limits.max_memory, share=self.limits.share, seconds=self.limits.seconds
        )
        first = [open_model(model)] if model else []
        self.bundles = _by_title([*first, *find_bundles(models, logging.getLogger(__name__).warning)])
        self._reagers: dict[Bundle, Reager] = {}
        self._lock = threading.Lock()

    @property
    def default(self) -> str:
        """Title of the bundle that photos are edited with unless another is chosen."""
        return next(iter(self.bundles))

    def bundle(self, model: str | None) -> Bundle:
        """The bundle with the title ``model`` (None: the default); raises `BundleError` if there is none."""
        if (model or self.default) not in self.bundles:
            raise BundleError(f"there is no model '{model}' here, only {', '.join(self.bundles)}")
        return self.bundles[model or self.default]

    def open(
        self, file: Path, *, model: str | None = None, visitor: str = "", page: str | None = None
    ) -> OpenPhoto:
        """Open a photo, and close the one that was open on the same page.

        Args:
            file: The photo. An upload is deleted, whether it is opened or refused.
            model: Title of the model to edit it with; None is the default.
            visitor: Who opens it, as in `OpenPhoto`.
            page: The page that it is opened on, as in `OpenPhoto`.

        Raises:
            PhotoError: The file is no photo, is too large, has too many faces, or there is no memory left for it.
            NoFaceError: No face was found.
            BundleError: There is no such model.
        """
        reager = self._reager(model)
        try:
            pixels = self._read(file)
            try:
                sitting = reager.sit(pixels, most=self.limits.max_faces)
            except (NoFaceError, PhotoError) as error:  # say which of several photos it is
                raise type(error)(f"{file.name}: {error}") from error
            photo = self.store.add(
                file.name, sitting, sitting.reduced(PREVIEW), visitor=visitor, page=page, upload=file
            )
        finally:
            self.store.discard(file)
        self.before(photo).write_bytes(_shown(photo.small.photo, None))
        return photo

    def _read(self, file: Path) -> Photo:
        """The photo in ``file``, or in the open photo that was read from it.

        Gradio gives equal uploads of two visitors one path, and the first to open the file deletes it.
        """
        try:
            if file.stat().st_size > self.limits.max_upload:
                raise PhotoError(f"{file.name} is larger than {self.limits.max_upload >> 20} MB")
            source = BytesIO(file.read_bytes())
        except OSError as error:
            opened = self.store.opened_from(file)
            if opened is None:
                raise PhotoError(f"{file.name} is not here any more; upload it again") from error
            return opened.sitting.photo
        source.name = file.name  # what messages call it: of the path, only the name is the user's
        try:
            return read_photo(source, max_pixels=self.limits.max_pixels)
        except PixelLimitError as error:
            raise PhotoError(f"{error}; make it smaller") from error

    def use(self, token: str | None, model: str) -> OpenPhoto:
        """Edit an open photo with another model from now on; raises `PhotoError` and `BundleError` as `open` does."""
        photo = self.store.get(token)
        photo.sitting = self._reager(model).sit(photo.sitting.photo)
        photo.small = photo.sitting.reduced(PREVIEW)
        return photo

    def close(self, token: str | None) -> None:
        """Forget a photo and delete its files."""
        self.store.close(token)

    def faces(self, photo: OpenPhoto) -> list[dict[str, Any]]:
        """Facts about each face, for JSON.

        ``index``, ``box`` (x0, y0, x1, y1 in pixels of the photo), ``apparent_age`` in years, ``male_probability``,
        ``sureness`` of the reading from 0 to 1, ``doubts`` about it (`reage.face.sureness.DOUBTS`).
        """
        return [
            {
                "index": face.index,
                "box": [round(v, 1) for v in face.box],
                "apparent_age": round(face.apparent_age, 1),
                "male_probability": round(face.male_probability, 3),
                **describe_sureness(face),
            }
            for face in photo.sitting.faces
        ]

    def thumbnails(self, photo: OpenPhoto) -> list[Path]:
        """A small picture of each face, in the order of the faces: JPEG files."""
        place = photo.place("face.jpg", "thumbnails")
        paths = []
        for face in photo.sitting.faces:
            tile = head_tile(photo.sitting.photo.pixels, face.face.landmarks_photo, _THUMBNAIL)
            paths.append(place.with_name(f"face{face.index}.jpg"))
            paths[-1].write_bytes(encode_photo(Photo(tile), "jpeg", mark=None, quality=_PREVIEW_QUALITY))
        return paths

    def preview(self, token: str | None, *requests: Request) -> Preview:
        """What ``requests`` ask, done to the reduced photo; without any, the photo as it is.

        Raises what `Sitting.apply` does, and `PhotoError` if the photo is not open any more.
        """
        photo = self.store.get(token)
        if not requests:
            return Preview(self.before(photo), self.before(photo), ())
        result = photo.small.apply(*requests)
        after = photo.place("after.jpg", "preview")
        after.write_bytes(_shown(result.photo, result.mark))
        return Preview(self.before(photo), after, result.changes)

    def near(self, token: str | None, index: int, *requests: Request) -> Preview:
        """As `preview`, framed on the face ``index`` at the resolution of the photo; each request names one face.

        Faces outside the frame are changed all the same, and told.
        """
        photo = self.store.get(token)
        view = self._close_up(photo, index)
        shown = [request for request in requests if request.faces in view.touched]
        # Ages of faces that the frame cuts, or leaves out, are read in the whole photo.
        others = [request for request in requests if request.faces not in view.whole]
        changes = photo.small.apply(*others).changes if others else ()
        after = view.before
        if shown:
            result = view.sitting.apply(*shown)
            changes += tuple(change for change in result.changes if change.face.index in view.whole)
            after = photo.place("after.jpg", "preview")
            after.write_bytes(_shown(result.photo, result.mark))
        return Preview(view.before, after, tuple(sorted(changes, key=lambda change: change.face.index)))

    def _close_up(self, photo: OpenPhoto, index: int) -> CloseUp:
        sitting = photo.sitting
        view = photo.near
        if view is not None and view.face == index and view.sitting.reager is sitting.reager:
            return view
        view = frame_face(sitting, index, PREVIEW, photo.place("before.jpg", "near"))
        view.before.write_bytes(_shown(view.sitting.photo, None))
        photo.near = view
        return view

    def before(self, photo: OpenPhoto) -> Path:
        """The reduced photo as it is: a JPEG file."""
        return photo.folder / "before.jpg"

    def download(self, token: str | None, *requests: Request) -> Path:
        """What ``requests`` ask, done to the whole photo, and written as `reage photo` writes it.

        Raises what `Sitting.apply` does, and `PhotoError` if the photo is not open any more.
        """
        photo = self.store.get(token)
        result = photo.sitting.apply(*requests)
        labels = {request.label for request in requests}
        return result.save(
            photo.place(output_name(Path(photo.name), labels.pop() if len(labels) == 1 else "aged"))
        )

    def strip(
        self, token: str | None, ages: Sequence[float], request: Request, *, first_number: int = 0
    ) -> Path:
        """A sheet of the chosen faces at 1 to `STRIP_AGES` ages, as `reage strip` writes it.

        Several faces are labelled with their numbers, counted from ``first_number``. Raises `AgeError` for ages, and
        otherwise as `download` does.
        """
        photo = self.store.get(token)
        if not 1 <= len(ages) <= STRIP_AGES:
            raise AgeError(f"a strip here has 1 to {STRIP_AGES} ages, not {len(ages)}")
        for age in ages:
            check_age(age)
        place = photo.place(f"{Path(photo.name).stem}-strip.jpg")
        return write_strip(photo.sitting, ages, place, request, first_number=first_number)

    def film(
        self, token: str | None, ages: tuple[float, float], request: Request, *, kind: str, seconds: float = 5
    ) -> Path:
        """A film of one face from the first of ``ages`` to the last and back.

        ``kind`` is one of `film_kinds`, ``seconds`` the length of the film. Raises `VideoError` for a film that cannot
        be made here, `NoFaceError` if ``request`` names several faces, and otherwise as `download` does.
        """
        photo = self.store.get(token)
        if kind not in film_kinds():
            raise VideoError(f"films here are of the kinds {', '.join(film_kinds())}, not '{kind}'")
        if not 1 <= seconds <= FILM_SECONDS:
            raise VideoError(f"a film here takes 1 to {FILM_SECONDS} seconds, not {seconds:g}")
        place = photo.place(f"{Path(photo.name).stem}-film.{kind}")
        look = Look(seconds=seconds, fps=FILM_RATES[kind], there_and_back=True)
        return write_film(photo.sitting, ages, place, request, look)

    def models(self) -> list[dict[str, Any]]:
        """Facts about each model, for JSON; the first is the default.

        ``title``, ``family``, ``size`` of its faces in pixels, ``target_ages`` in years, ``directions`` where it knows
        these and no ages, ``data``, ``licence``.
        """
        return [
            {
                "title": title,
                "family": bundle.manifest.family,
                "size": bundle.manifest.size,
                "target_ages": list(bundle.manifest.target_ages),
                "directions": list(DIRECTIONS) if bundle.manifest.full_ages else [],
                "data": bundle.manifest.data,
                "licence": bundle.manifest.licence,
            }
            for title, bundle in self.bundles.items()
        ]

    def _reager(self, model: str | None) -> Reager:
        bundle = self.bundle(model)
        with self._lock:
            if bundle not in self._reagers:
                self._reagers[bundle] = Reager(bundle)
            return self._reagers[bundle]


def film_kinds() -> list[str]:
    """Kinds of film that can be written here: MP4 only where PyAV is installed."""
    return [kind for kind in FILM_RATES if kind != "mp4" or find_spec("av") is not None]


def _shown(photo: Photo, mark: Provenance | None) -> bytes:
    """A preview as JPEG, which is quick to make; what is transparent shows white."""
    if photo.alpha is not None:
        weight = photo.alpha[..., None] / np.float32(255)
        white = photo.pixels * weight + 255 * (1 - weight)
        photo = Photo(np.rint(white).astype(np.uint8), None, photo.meta)
    return encode_photo(photo, "jpeg", mark=mark, quality=_PREVIEW_QUALITY)


def _by_title(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    """Bundles by their titles; where several have one title, the later ones are named by title and file name."""
    named: dict[str, Bundle] = {}
    for bundle in bundles:
        title = bundle.title
        named[title if title not in named else f"{title} ({bundle.path.name})"] = bundle
    return named
