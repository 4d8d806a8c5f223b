"""Files appear whole or not at all: the one way to write them."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A free name in the folder of ``path`` (made if missing); what the block writes there becomes ``path``.

    If the block raises, nothing is left of it and an earlier ``path`` stays as it was. In the same folder,
    since only there is the renaming atomic; a name and not a file of `tempfile`, which only its owner may read.
    """
    part = _free_name(path)
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder beside ``path``; once the block has ended, it becomes ``path``.

    Into a ``path`` that exists, the files are moved one by one over those of the same names, and what else lies
    there stays. If the block raises, nothing is left of it and an earlier ``path`` stays as it was.
    """
    part = _free_name(path)
    part.mkdir()
    try:
        yield part
        if path.is_dir():
            for file in part.iterdir():
                os.replace(file, path / file.name)
        else:
            os.rename(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _free_name(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".reage-{secrets.token_hex(6)}.part")
