"""The slow parts of an evaluation, kept in files: a stopped one goes on where it was, and models share real faces."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reage.files import atomic_path

CHUNK = 20
"""Faces in one file: what a stopped evaluation loses at most."""

VERSION = 1
"""Of the measurements in the files; raised when their meaning changes."""

Arrays = dict[str, npt.NDArray[Any]]


class Stages:
    """A folder of ``NAME-KEY.npz``; the key is a hash of everything the content depends on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self,
        name: str,
        depends: Mapping[str, Any],
        rows: pd.DataFrame,
        work: Callable[[pd.DataFrame], Arrays],
        progress: Callable[[int, int], None],
    ) -> Arrays:
        """``work`` on chunks of ``rows`` of an index, or what an earlier run of it left: arrays, a row a face.

        ``depends`` names what the result depends on beside the images themselves, whose MD5 is in ``rows``.
        """
        parts = []
        for start in range(0, len(rows), CHUNK):
            chunk = rows.iloc[start : start + CHUNK]
            path = self.folder / f"{name}-{_key(depends, chunk)}.npz"
            arrays = _load(path)
            if arrays is None:
                arrays = work(chunk)
                with atomic_path(path) as part, part.open("wb") as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
            parts.append(arrays)
            progress(start + len(chunk), len(rows))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _key(depends: Mapping[str, Any], rows: pd.DataFrame) -> str:
    told = json.dumps([VERSION, depends, list(rows["md5"])], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:20]


def _load(path: Path) -> Arrays | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return dict(stored)
    except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
        return None
