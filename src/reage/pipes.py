"""Reads a photo from standard input, and writes an output file to standard output."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reage.errors import PhotoError, WriteError
from reage.files import beside

PIPE = Path("-")
"""Names standard input or standard output."""
NO_NAME = "standard input has no name; give -o FILE, or -o - for standard output"


def content_of(path: Path) -> Path | bytes:
    """``path``, or for `PIPE` everything in standard input."""
    return sys.stdin.buffer.read() if path == PIPE else path


def place_beside(photo: Path, name: str) -> Path:
    """The file ``name`` in the folder of ``photo``; raises `PhotoError` for `PIPE`, which has none."""
    if photo == PIPE:
        raise PhotoError(NO_NAME)
    return beside(photo, name)


@contextmanager
def sending(place: Path, suffix: str) -> Iterator[Path]:
    """Where to write a file for ``place``: for `PIPE` a temporary one with ``suffix``, which is sent at the end.

    Raises `WriteError` if standard output cannot take it, and BrokenPipeError if nobody reads it any more.
    """
    if place != PIPE:
        yield place
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"output{suffix}"
        yield file
        try:
            sys.stdout.buffer.write(file.read_bytes())
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise WriteError(Path("standard output"), error.strerror or str(error)) from error
