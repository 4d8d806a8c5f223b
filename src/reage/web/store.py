"""Open photos in memory, each behind an unguessable token, forgotten when they are not used."""

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

from reage.errors import PhotoError
from reage.reager import Sitting

KEPT = 6
"""Files of each kind kept of a photo: the last, and those that a browser may still be fetching."""


@dataclass(eq=False)
class OpenPhoto:
    """A photo that somebody has open.

    ``sitting`` is of the whole photo and ``small`` of its reduced copy for previews; ``folder`` holds every
    file made for it and has a name of its own, so that whoever is shown a picture's address learns no token.
    """

    token: str
    name: str
    """File name that the user gave."""
    sitting: Sitting
    small: Sitting
    folder: Path
    used: float
    owner: str | None = None
    """The session of the page that it belongs to."""
    upload: Path | None = None
    """The file that it was read from, which need not be there any more."""
    _made: dict[str, list[Path]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int:
        """Bytes of its pixels."""
        photos = (self.sitting.photo, self.small.photo)
        return sum(p.pixels.nbytes + (0 if p.alpha is None else p.alpha.nbytes) for p in photos)

    def place(self, name: str, kind: str = "result") -> Path:
        """Where a new file called ``name`` belongs, in a folder that nobody can guess.

        The oldest of that kind beyond `KEPT` is deleted. Safe to use from several threads.
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

    ``folder`` is for their files. Beyond ``max_bytes`` of pixels the least recently used are closed; so are
    those not used for ``seconds``, by `sweep`, which also deletes other files of that age, such as uploads.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.seconds = seconds
        self._max_bytes = max_bytes
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
        owner: str | None = None,
        upload: Path | None = None,
    ) -> OpenPhoto:
        """Keep a photo open under a new token, and close what ``owner`` had open before.

        Raises `PhotoError` for one larger than all there is room for.
        """
        folder = self.folder / secrets.token_hex(16)
        token = secrets.token_urlsafe(24)
        photo = OpenPhoto(token, name, sitting, small, folder, self._clock(), owner, upload)
        if photo.size > self._max_bytes:
            raise PhotoError(f"{name} needs more memory than this page has; make it smaller")
        folder.mkdir(parents=True)
        self.leave(owner)
        with self._lock:
            self._photos[photo.token] = photo
            closed = []
            while sum(p.size for p in self._photos.values()) > self._max_bytes:
                closed.append(self._photos.pop(next(iter(self._photos))))
        _delete(closed)
        return photo

    def get(self, token: str | None) -> OpenPhoto:
        """The photo of ``token``, now the most recently used; raises `PhotoError` if it is not open (any more)."""
        with self._lock:
            photo = self._photos.pop(token or "", None)
            if photo is None or photo.used < self._clock() - self.seconds:
                closed = [photo] if photo else []
            else:
                photo.used = self._clock()
                self._photos[photo.token] = photo
                return photo
        _delete(closed)
        raise PhotoError(
            f"this photo is not open: one is forgotten after {self.seconds / 60:g} minutes without use, or when "
            "memory runs short; open it again"
        )

    def close(self, token: str | None) -> None:
        """Forget a photo and delete its files; no matter if it is forgotten already."""
        with self._lock:
            photo = self._photos.pop(token or "", None)
        _delete([photo] if photo else [])

    def leave(self, owner: str | None) -> None:
        """Forget what ``owner`` has open."""
        with self._lock:
            tokens = [photo.token for photo in self._photos.values() if photo.owner == owner is not None]
        for token in tokens:
            self.close(token)

    def opened_from(self, upload: Path) -> OpenPhoto | None:
        """An open photo that was read from ``upload``."""
        with self._lock:
            return next((photo for photo in self._photos.values() if photo.upload == upload), None)

    def discard(self, upload: Path) -> None:
        """Delete an upload; what lies outside `folder`, or belongs to an open photo, stays."""
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
            with suppress(OSError):  # deleted meanwhile, or not to be deleted: the next sweep tries again
                if entry not in kept and entry.stat().st_mtime < limit:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _kept(self) -> set[Path]:
        with self._lock:
            return {photo.folder for photo in self._photos.values()}


def _bytes(entry: Path) -> int:
    """Of a file, or of the files in a folder; what is deleted meanwhile counts nothing."""
    inside = (Path(folder, name) for folder, _, names in os.walk(entry) for name in names)
    total = 0
    for file in [entry] if entry.is_file() else inside:
        with suppress(OSError):
            total += file.stat().st_size
    return total


def _delete(photos: list[OpenPhoto]) -> None:
    for photo in photos:
        shutil.rmtree(photo.folder, ignore_errors=True)
