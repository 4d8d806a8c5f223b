"""A cache of measurements on disk, so that a stopped evaluation can continue and reports share measurements."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reage.files import writing

CHUNK = 20
"""Faces per file, and the most that a stopped evaluation measures again."""

VERSION = 3
"""Version of the measurements; raise it when their meaning changes, and no file of an earlier one is used again."""

Arrays = dict[str, npt.NDArray[Any]]

Work = Callable[[Sequence[pd.DataFrame]], Iterator[tuple[int, Arrays]]]
"""Measures lists of rows: yields the number of each list, and its arrays of one row for each, in whatever order."""


class MeasurementCache:
    """Measurements in a ``folder`` of files ``KIND-KEY.npz``; the key is a hash of everything that they depend on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def measure(
        self,
        kind: str,
        depends_on: Mapping[str, Any],
        rows: pd.DataFrame,
        work: Work,
        progress: Callable[[int, int], None],
    ) -> Arrays:
        """The measurements of the images in ``rows``, from the cache if it has them.

        Args:
            kind: begins the names of the files, for people who look into the folder.
            depends_on: whatever the measurements depend on beside the images: hashes of networks, settings.
            rows: rows of an index; the column ``md5`` stands for the content of an image.
            work: measures those of the rows that the cache does not have.
            progress: called after each file with the number of rows done and their total.

        Returns:
            The arrays of ``work``, with one row for each of ``rows``, in their order.
        """
        chunks = [rows.iloc[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        paths = [self.folder / f"{kind}-{_key(depends_on, chunk)}.npz" for chunk in chunks]
        parts = [_load(path) for path in paths]
        missing = [number for number, part in enumerate(parts) if part is None]
        done = sum(len(chunk) for chunk, part in zip(chunks, parts, strict=True) if part is not None)
        progress(done, len(rows))
        for at, arrays in work([chunks[number] for number in missing]) if missing else ():
            number = missing[at]
            with writing(paths[number]) as part, part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            parts[number] = arrays
            done += len(chunks[number])
            progress(done, len(rows))
        every = [part for part in parts if part is not None]
        return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def _key(depends_on: Mapping[str, Any], rows: pd.DataFrame) -> str:
    content = json.dumps([VERSION, depends_on, list(rows["md5"])], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def _load(path: Path) -> Arrays | None:
    """The arrays in a file; None if there is no such file, or only part of one."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return dict(stored)
    except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
        return None
