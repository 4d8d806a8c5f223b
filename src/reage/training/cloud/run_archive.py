"""Run folders in an archive: where they are, how they are downloaded, and the thread that copies them there."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reage.errors import ArchiveError, ConfigError, one_line
from reage.files import writing
from reage.training.checkpoint import checkpoints
from reage.training.cloud.archive import Archive
from reage.training.console import say

PLACE = "archive.json"
"""The file in a run folder with the URL of its archive."""
PAUSES = (1.0, 4.0, 16.0)
"""Seconds to wait before each further attempt at what failed."""


def place_of(folder: Path) -> str | None:
    """The URL of the archive of the run in ``folder``, if there is one."""
    try:
        return str(json.loads((folder / PLACE).read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def open_run_archive(prefix: str, folder: Path) -> Archive:
    """The archive of the run in ``folder``: ``prefix`` and ``run-<8 hex>``, the same whenever that run goes on.

    Raises:
        ArchiveError: it cannot be written.
        WriteError: the folder cannot be written.
    """
    prefix, url = prefix.rstrip("/"), place_of(folder)
    if url is None or url.rpartition("/")[0] != prefix:
        url = f"{prefix}/run-{secrets.token_hex(4)}"
    archive, content = Archive(url), json.dumps({"url": url}) + "\n"
    archive.write(
        PLACE, content.encode()
    )  # here, and not after hours, it turns out that it cannot be written
    with writing(folder / PLACE) as part:
        part.write_text(content)
    return archive


def read_settings(url: str) -> str:
    """The text of ``settings.json`` of the archived run at ``url``, with its archive where it lies now.

    Raises:
        ArchiveError: it cannot be read.
    """
    url = url.rstrip("/")
    try:
        stored: dict[str, Any] = json.loads(Archive(url).read("settings.json"))
        return json.dumps({**stored, "archive": url.rpartition("/")[0]})
    except (ValueError, TypeError) as error:
        raise ArchiveError(f"the archive {url} contains no run: its settings.json is damaged") from error


def fetch_run(url: str, folder: Path) -> None:
    """Bring the archived run at ``url`` into ``folder``, unless that has it in the same or in a later state.

    The checkpoint comes last, so that an attempt that was cut short is repeated.

    Raises:
        ArchiveError: the archive cannot be read, or has no checkpoint.
        ConfigError: the folder holds another run.
        WriteError: the folder cannot be written.
    """
    archive = Archive(url)
    names = archive.names()
    saved = [name for name in names if _is_checkpoint(name)]
    if not saved:
        raise ArchiveError(f"the archive {archive.url} has no checkpoint to resume from")
    here = checkpoints(folder)
    if here and place_of(folder) != archive.url:
        raise ConfigError(
            f"{folder} contains another run: choose another folder for the one at {archive.url}"
        )
    if here and here[-1].name >= saved[-1].rpartition("/")[2]:
        return
    for name in [each for each in names if not _is_checkpoint(each) and each != PLACE]:
        archive.get(name, folder / name)
    with writing(folder / PLACE) as part:
        part.write_text(json.dumps({"url": archive.url}) + "\n")
    archive.get(saved[-1], folder / saved[-1])


class Synchroniser:
    """Copies a run folder to its archive in a thread of its own, whenever it is asked to.

    Only what changed is copied, of the checkpoints the newest only and after everything else. What fails is tried
    again after pauses; what still fails is warned of, once, and tried again the next time. Nothing is deleted in the
    archive.

    Args:
        folder: the run folder.
        archive: where it is kept.
        pauses: seconds before each further attempt; default: `PAUSES`.
        warn: is given each warning, a line.
    """

    def __init__(
        self,
        folder: Path,
        archive: Archive,
        *,
        pauses: tuple[float, ...] | None = None,
        warn: Callable[[str], None] = say,
    ) -> None:
        self.archive = archive
        self._folder = folder
        self._pauses = PAUSES if pauses is None else pauses
        self._warn = warn
        self._copied: dict[str, tuple[int, int]] = {}
        self._failure: ArchiveError | None = None
        self._wanted, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="archive", daemon=True)
        self._thread.start()

    def request(self) -> None:
        """Let the folder be copied soon. Returns at once."""
        self._wanted.set()

    def finish(self) -> ArchiveError | None:
        """Copy what is missing, and wait for that; returns why something is missing still, None if nothing is."""
        self._ending.set()
        self._wanted.set()
        self._thread.join()
        return self._failure

    def _work(self) -> None:
        ended = False
        while not ended:
            self._wanted.wait()
            self._wanted.clear()
            ended = self._ending.is_set()  # asked before the copying, so that the last one has everything
            self._failure = self._attempt_all()
            if self._failure and not ended:
                self._warn(f"warning: {self._failure}; training continues, and the copy will be tried again")

    def _attempt_all(self) -> ArchiveError | None:
        """Copy what changed, in several attempts; returns the last failure."""
        failed: set[str] = set()
        failure: ArchiveError | None = None
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            try:
                failure = self._attempt(failed)
            except Exception as error:  # whatever it is: the thread has to live
                failure = ArchiveError(
                    f"{self._folder} cannot be copied to {self.archive.url}: {one_line(error)}"
                )
            if failure is None:
                break
        return failure

    def _attempt(self, failed: set[str]) -> ArchiveError | None:
        """Copy what changed until something fails, what is in ``failed`` last; adds to ``failed``."""
        for name in sorted(
            files_to_keep(self._folder), key=lambda name: (name in failed, _is_checkpoint(name))
        ):
            path = self._folder / name
            try:
                status = path.stat()
                state = (status.st_mtime_ns, status.st_size)
                if self._copied.get(name) != state:
                    self.archive.put(path, name)
                    self._copied[name] = state
            except OSError:  # deleted meanwhile, as old checkpoints are
                continue
            except ArchiveError as error:
                if path.exists():
                    failed.add(name)
                    return error
        return None


def files_to_keep(folder: Path) -> list[str]:
    """The names of the files of a run that its archive holds: all but old checkpoints and what is being written."""
    old = set(checkpoints(folder)[:-1])
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and path not in old
        and not path.name.startswith(".reage-")
    )


def _is_checkpoint(name: str) -> bool:
    return name.startswith("checkpoints/")
