"""Open photos in memory, each behind an unguessable token; nobody's photo has to go for another visitor's."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reage.errors import NoFaceError, PhotoError
from reage.reager import Sitting
from reage.web.closeup import CloseUp
from reage.web.history import Asked, History

GRACE = 60.0
"""Seconds that a photo stays open after its page was left.

A browser also reports a page as left when its user is asked whether to leave, and stays, or when the connection is
lost for a moment.
"""
KEPT = 6
"""Files of each kind kept of a photo: the last, and those that a browser may still be fetching."""


@dataclass(eq=False)
class OpenPhoto:
    """A photo that somebody has open."""

    token: str
    """The secret by which its visitor, and nobody else, asks for it."""
    name: str
    """File name that the visitor gave."""
    sitting: Sitting
    """The whole photo with its faces."""
    small: Sitting
    """A reduced copy of it, for previews."""
    folder: Path
    """Holds every file made of it. Its name is not the token, so that a picture's address does not tell that."""
    used: float
    """When it was last used, in seconds by the clock of the store."""
    visitor: str
    """Who opened it, as far as the server can tell people apart: the address that the request came from."""
    page: str | None = None
    """The open page (a session of Gradio) that it belongs to; None for photos opened over HTTP."""
    upload: Path | None = None
    """The file that it was read from, which need not exist any more."""
    is_left: bool = False
    """Whether the page that it belongs to was left, and it was not used since."""
    near: CloseUp | None = None
    """The face that was looked at from near last."""
    asked: Asked = field(default_factory=dict)
    """What its visitor asked of each face on the page."""
    history: History = field(default_factory=History)
    """What was asked before, and what was undone."""
    waiting: tuple[Path, ...] = ()
    """Photos that were uploaded together with it, and come after it."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a change of it is worked out, so that answers come in the order in which they were asked for."""
    _made: dict[str, list[Path]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int:
        """Bytes of memory that it takes: pixels, and the faces cut from them with what lies around these."""
        photos = [self.sitting.photo, self.small.photo, *([self.near.sitting.photo] if self.near else [])]
        pixels = sum(p.pixels.nbytes + (0 if p.alpha is None else p.alpha.nbytes) for p in photos)
        return pixels + sum(face.nbytes for face in self.sitting.faces)

    def check_face(self, index: object) -> int:
        """``index``, if it is that of a face; raises `NoFaceError` otherwise, since browsers send it."""
        if not isinstance(index, int) or not 0 <= index < len(self.sitting.faces):
            raise NoFaceError(f"there is no face {str(index)[:20]!r} in {self.name}")
        return index

    def ask(self, asked: Asked, *, by_slider: bool = False) -> None:
        """Ask something else of the faces, in a step that can be undone.

        The moves of a slider that follow one another (``by_slider``) are one step.
        """
        self.history = self.history.after(self.asked, asked, time.monotonic() if by_slider else None)
        self.asked = asked

    def place(self, name: str, kind: str = "result") -> Path:
        """Path for a new file called ``name``, in a new folder whose name nobody can guess.

        Of the files of each ``kind`` the newest `KEPT` stay; older ones are deleted. Safe to use from several threads.
        """
        new = self.folder / secrets.token_hex(8)
        new.mkdir(parents=True)
        with self._lock:
            made = self._made.setdefault(kind, [])
            made.append(new)
            old = made[:-KEPT]
            del made[:-KEPT]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return new / name


class Store:
    """Open photos, least recently used first; safe to use from several threads.

    All photos together take at most ``max_bytes`` of memory. A visitor whose photos take more than ``share`` bytes
    loses the least recently used of their own; other visitors' photos stay, and when there is no room for another
    photo, it is refused. Photos whose page was left make room for anybody's, and are closed after `GRACE` seconds.
    Photos that nobody has used for ``seconds`` are closed by `sweep`, which also deletes files of that age from
    ``folder``, such as uploads that were never opened.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        share: int,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.seconds = seconds
        self._max_bytes = max_bytes
        self._share = share
        self._clock = clock
        self._photos: dict[str, OpenPhoto] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._photos)

    def add(
        self,
        name: str,
        sitting: Sitting,
        small: Sitting,
        *,
        visitor: str,
        page: str | None = None,
        upload: Path | None = None,
    ) -> OpenPhoto:
        """Keep a photo open under a new token, and close what ``page`` had open before.

        Arguments are those of `OpenPhoto`. Raises `PhotoError` for a photo that needs more memory than there is, or
        than other visitors' photos leave; then nothing is closed.
        """
        folder = self.folder / secrets.token_hex(16)
        token = secrets.token_urlsafe(24)
        photo = OpenPhoto(token, name, sitting, small, folder, self._clock(), visitor, page, upload)
        if photo.size > self._max_bytes:
            raise PhotoError(f"{name} needs more memory than this page has; make it smaller")
        with self._lock:
            closed = self._make_room(photo)
            folder.mkdir(parents=True)
            self._photos[token] = photo
        _delete(closed)
        return photo

    def _make_room(self, photo: OpenPhoto) -> list[OpenPhoto]:
        """Take out what ``photo`` replaces: the photo of its page, and as many others of its visitor as need be."""
        replaced = [other for other in self._photos.values() if photo.page and other.page == photo.page]
        gone = [other for other in self._photos.values() if other.is_left and other not in replaced]
        own = [o for o in self._photos.values() if o.visitor == photo.visitor and o not in replaced]
        free = self._max_bytes - sum(other.size for other in self._photos.values() if other not in replaced)
        left = self._share - sum(other.size for other in own)
        if photo.size > free:
            free += sum(other.size for other in gone)
            replaced += gone
            own = [other for other in own if other not in gone]
        while own and photo.size > min(free, left):
            replaced.append(own.pop(0))  # the least recently used
            free += replaced[-1].size
            left += replaced[-1].size
        if photo.size > free:
            raise PhotoError(
                f"there is no memory left for {photo.name}, since others have photos open; try again in a few minutes"
            )
        for other in replaced:
            del self._photos[other.token]
        return replaced

    def get(self, token: str | None) -> OpenPhoto:
        """The photo of ``token``, now the most recently used; raises `PhotoError` if it is not open any more."""
        if not token:
            raise PhotoError("no photo is open; open one first")
        with self._lock:
            photo = self._photos.pop(token, None)
            if photo is None or photo.used < self._clock() - self.seconds:
                closed = [photo] if photo else []
            else:
                photo.used, photo.is_left = self._clock(), False
                self._photos[photo.token] = photo
                return photo
        _delete(closed)
        raise PhotoError(
            f"this photo is not open: photos are forgotten after {self.seconds / 60:g} minutes without use, and when "
            "their visitor opens too many others; open it again"
        )

    def close(self, token: str | None) -> None:
        """Forget a photo and delete its files; no matter if it is forgotten already."""
        with self._lock:
            photo = self._photos.pop(token or "", None)
        _delete([photo] if photo else [])

    def leave(self, page: str | None) -> None:
        """Forget, after `GRACE` seconds without use, what the visitor of ``page`` has open there, who left it."""
        with self._lock:
            for photo in self._photos.values():
                if page and photo.page == page:
                    photo.is_left = True
                    photo.used = min(photo.used, self._clock() - self.seconds + GRACE)

    def opened_from(self, upload: Path) -> OpenPhoto | None:
        """An open photo that was read from the file ``upload``, or None."""
        with self._lock:
            return next((photo for photo in self._photos.values() if photo.upload == upload), None)

    def discard(self, upload: Path) -> None:
        """Delete an upload; a file outside `folder`, or one that belongs to an open photo, stays."""
        around = upload.resolve().parents
        if self.folder.resolve() not in around or any(kept.resolve() in around for kept in self._kept()):
            return
        with suppress(OSError):  # deleted already; whatever else stands in the way, `sweep` tries again
            upload.unlink()

    def stray_bytes(self) -> int:
        """Bytes of the files that belong to no open photo: uploads not read yet, which `sweep` deletes."""
        kept = self._kept()
        return sum(_bytes(entry) for entry in self.folder.iterdir() if entry not in kept)

    def sweep(self) -> None:
        """Close what has not been used for `seconds`, and delete every other file that old from the folder."""
        limit = self._clock() - self.seconds
        with self._lock:
            closed = [photo for photo in self._photos.values() if photo.used < limit]
            for photo in closed:
                del self._photos[photo.token]
        _delete(closed)
        kept = self._kept()
        for entry in self.folder.iterdir():
            with suppress(OSError):  # deleted meanwhile, or not to be deleted now: the next sweep tries again
                if entry not in kept and entry.stat().st_mtime < limit:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _kept(self) -> set[Path]:
        with self._lock:
            return {photo.folder for photo in self._photos.values()}


def _bytes(entry: Path) -> int:
    """Size of a file, or of all files in a folder; what is deleted meanwhile counts nothing."""
    inside = (Path(folder, name) for folder, _, names in os.walk(entry) for name in names)
    total = 0
    for file in [entry] if entry.is_file() else inside:
        with suppress(OSError):
            total += file.stat().st_size
    return total


def _delete(photos: list[OpenPhoto]) -> None:
    for photo in photos:
        shutil.rmtree(photo.folder, ignore_errors=True)
