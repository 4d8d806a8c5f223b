"""Finds, reads and writes files on this machine and in object stores, by fsspec URLs.

A place is text: a path of this machine, or a URL such as ``s3://bucket/folder/me.jpg``. Every error is a `BatchError`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from reage.errors import BatchError, ReageError, one_line
from reage.files import writing


def is_remote(place: str) -> bool:
    """Whether ``place`` is a URL of another kind of store than the files of this machine."""
    return "://" in place and not place.startswith(("file://", "local://"))


def locate(place: str) -> tuple[Any, str]:
    """The file system of ``place``, and its path there; raises `BatchError` for a kind of store that is not known."""
    if not is_remote(place):
        local = LocalFileSystem()
        return local, local._strip_protocol(place)
    with storage_errors(place):
        file_system, path = fsspec.core.url_to_fs(place)
    return file_system, path


def url_of(file_system: Any, path: str) -> str:
    """The place that ``path`` of a file system is, as `locate` takes it."""
    return path if isinstance(file_system, LocalFileSystem) else str(file_system.unstrip_protocol(path))


def join(folder: str, name: str) -> str:
    """The file ``name``, which may lie in folders of its own, in ``folder``."""
    return f"{folder.rstrip('/')}/{name}"


def read_bytes(place: str) -> bytes:
    """The content of a file."""
    file_system, path = locate(place)
    with storage_errors(place):
        if isinstance(file_system, LocalFileSystem) and not os.path.isfile(
            path
        ):  # a pipe would be waited for
            raise BatchError(
                f"{place}: {'it is not a file' if os.path.exists(path) else 'there is no such file'}"
            )
        return bytes(file_system.cat_file(path))


def write_bytes(place: str, content: bytes) -> None:
    """Write a file, replacing one of that name: it appears whole or not at all.

    On this machine by renaming; object stores show an object only once all of it has arrived.
    """
    file_system, path = locate(place)
    if isinstance(file_system, LocalFileSystem):
        with writing(path) as part:
            part.write_bytes(content)
    else:
        with storage_errors(place):
            file_system.pipe_file(path, content)


def exists(place: str) -> bool:
    """Whether there is such a file or folder."""
    file_system, path = locate(place)
    with storage_errors(place):
        return bool(file_system.exists(path))


def list_files(place: str) -> dict[str, int]:
    """The files in the folder ``place`` itself and their sizes in bytes; none if there is no such folder."""
    return _sizes(place, maxdepth=1)


def find_files(place: str) -> dict[str, int]:
    """All files in the folder ``place`` and in its folders, and their sizes in bytes."""
    return _sizes(place)


def glob_files(pattern: str) -> dict[str, int]:
    """The files that ``pattern`` fits, with ``*``, ``**``, ``?`` and ``[…]``, and their sizes in bytes."""
    file_system, path = locate(pattern)
    with storage_errors(pattern):
        found = file_system.glob(path, detail=True)
    return _files(file_system, found)


def remove(places: list[str]) -> None:
    """Delete files."""
    for place in places:
        file_system, path = locate(place)
        with storage_errors(place):
            file_system.rm_file(path)


def _sizes(place: str, **options: Any) -> dict[str, int]:
    file_system, path = locate(place)
    with storage_errors(place):
        file_system.invalidate_cache()  # what others wrote since
        try:
            found = file_system.find(path, detail=True, **options)
        except FileNotFoundError:
            return {}
    return _files(file_system, found)


def _files(file_system: Any, found: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Places and sizes of the files among what a file system has ``found``, in the order of their names."""
    return {
        url_of(file_system, path): int(info.get("size") or 0)
        for path, info in sorted(found.items())
        if info.get("type") != "directory"
    }


@contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Turns what file systems raise about ``place`` into one line."""
    try:
        yield
    except ReageError:
        raise
    except ImportError as error:
        raise BatchError(f"{place}: {one_line(error)}") from error
    except FileNotFoundError as error:
        raise BatchError(f"{place}: there is no such file or folder") from error
    except PermissionError as error:
        raise BatchError(f"{place}: access is refused") from error
    except Exception as error:  # every kind of store has its own errors
        reason = getattr(error, "strerror", None) or one_line(error)
        raise BatchError(f"{place} cannot be reached: {reason}") from error


def is_within(place: str, folder: str) -> bool:
    """Whether the file ``place`` lies in ``folder`` or in a folder of it."""
    (_, path), (_, parent) = locate(place), locate(folder)
    return is_remote(place) == is_remote(folder) and f"{path}/".startswith(f"{parent.rstrip('/')}/")


def absolute(place: str) -> str:
    """``place`` without regard to the working directory, which other processes do not share."""
    return place if is_remote(place) else str(Path(locate(place)[1]).absolute())
