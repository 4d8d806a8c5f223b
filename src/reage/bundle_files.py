"""Reads the files of a bundle from a folder or a zip file, up to a given size."""

from __future__ import annotations

import errno
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reage.errors import BundleError, NoBundleError, one_line
from reage.files import checked_name

MANIFEST = "manifest.json"
"""The file that describes a bundle and lists its other files."""

Read = Callable[[str, int], bytes]
"""Reads a file of a bundle by its name; raises `BundleError` if it has more than so many bytes."""


@contextmanager
def opened(path: Path) -> Iterator[Read]:
    """How to read the files of the bundle at ``path``.

    Raises:
        BundleError: it or a file of it cannot be read. Every error names ``path``, those of the block, too.
    """
    try:
        if checked_name(path).is_dir():
            yield lambda name, most: _read_file(path / name, most)
        else:
            with zipfile.ZipFile(path) as archive:
                root = _root_of(archive.namelist())
                yield lambda name, most: _read_member(archive, root, name, most)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    # RuntimeError: encrypted, or packed in an unusual way; the others: damaged.
    except (
        OSError,
        RuntimeError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise NoBundleError(path, reason) from error


def _read_file(path: Path, most: int) -> bytes:
    if not path.is_file():  # a pipe, say, would be waited for
        raise _missing(path.name)
    _refuse_large(path.name, path.stat().st_size, most)
    return path.read_bytes()


def _read_member(archive: zipfile.ZipFile, folder: str, name: str, most: int) -> bytes:
    info = archive.NameToInfo.get(folder + name)
    if info is None:
        raise _missing(name)
    _refuse_large(name, info.file_size, most)
    return archive.read(info)  # no more than that size, whatever is packed


def _missing(name: str) -> OSError:
    return FileNotFoundError(errno.ENOENT, f"it has no file {name}")


def _refuse_large(name: str, size: int, most: int) -> None:
    if size > most:
        raise BundleError(f"{name} is larger than the {most} bytes that are read")


def _root_of(names: list[str]) -> str:
    """Where in an archive the manifest lies: at the top, or in one folder, whose name with its slash is returned."""
    folders = [name.removesuffix(MANIFEST) for name in names if name.rpartition("/")[2] == MANIFEST]
    return min(folders, key=len, default="")
