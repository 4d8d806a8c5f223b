"""Files appear whole or not at all: the one way to write them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A free name in the folder of ``path`` (made if missing); what the block writes there becomes ``path``.

    If the block raises, nothing is left of it and an earlier ``path`` stays as it was. In the same folder,
    since only there is the renaming atomic; a name and not a file of `tempfile`, which only its owner may read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".reage-{secrets.token_hex(6)}.part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
