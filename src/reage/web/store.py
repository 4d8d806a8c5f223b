"""Open photos in memory, each behind an unguessable token, forgotten when they are not used."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
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
    _made: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of its pixels."""
        photos = (self.sitting.photo, self.small.photo)
        return sum(p.pixels.nbytes + (0 if p.alpha is None else p.alpha.nbytes) for p in photos)

    def place(self, name: str, kind: str = "result") -> Path:
        """Where a new file called ``name`` belongs, in a folder that nobody can guess.

        The oldest of that kind beyond `KEPT` is deleted.
        """
        made = self._made.setdefault(kind, [])
        made.append(self.folder / secrets.token_hex(8))
        while len(made) > KEPT:
            shutil.rmtree(made.pop(0), ignore_errors=True)
        made[-1].mkdir(parents=True, exist_ok=True)
        return made[-1] / name


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

    def add(self, name: str, sitting: Sitting, small: Sitting, owner: str | None = None) -> OpenPhoto:
        """Keep a photo open under a new token, and close what ``owner`` had open before.

        Raises `PhotoError` for one larger than all there is room for.
        """
        folder = self.folder / secrets.token_hex(16)
        photo = OpenPhoto(secrets.token_urlsafe(24), name, sitting, small, folder, self._clock(), owner)
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

    def stray_bytes(self) -> int:
        """Bytes of the files that belong to no open photo: uploads, which `sweep` deletes."""
        with self._lock:
            kept = {photo.folder for photo in self._photos.values()}
        strays = (entry for entry in self.folder.iterdir() if entry not in kept)
        files = (file for entry in strays for file in ([entry] if entry.is_file() else entry.rglob("*")))
        return sum(file.stat().st_size for file in files if file.is_file())

    def sweep(self) -> None:
        """Close what has not been used for `seconds`, and delete every other file that old from the folder."""
        limit = self._clock() - self.seconds
        with self._lock:
            closed = [photo for photo in self._photos.values() if photo.used < limit]
            for photo in closed:
                del self._photos[photo.token]
            kept = {photo.folder for photo in self._photos.values()}
        _delete(closed)
        for entry in self.folder.iterdir():
            try:
                if entry not in kept and entry.stat().st_mtime < limit:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            except FileNotFoundError:  # deleted meanwhile
                continue


def _delete(photos: list[OpenPhoto]) -> None:
    for photo in photos:
        shutil.rmtree(photo.folder, ignore_errors=True)
