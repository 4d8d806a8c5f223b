"""The packed arrays that training reads: aligned faces (uint8), their landmarks, and the rows of the index.

A cache is a folder of ``images.npy`` (N, S, S, 3) uint8 RGB, ``landmarks.npy`` (N, 468, 2) float16 in
pixels of the aligned frame, and ``rows.parquet``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from reage.arrays import Bool, Float32, UInt8
from reage.errors import DataError
from reage.face.alignment import align_landmarks, apply_transform, utkface_template, warp
from reage.face.detection import FaceDetector
from reage.face.landmarks import LandmarkNetwork, frame_of
from reage.files import refuse_existing

MIN_PRESENCE = 0.5
"""Below this probability of a face the landmarks are not trusted and the image is left out."""


class Packed(NamedTuple):
    """What became of the kept images of an index."""

    packed: int
    no_face: int
    unreadable: int


@dataclass(frozen=True)
class Cache:
    """Aligned faces of one size. ``images`` (N, S, S, 3) uint8, ``landmarks`` (N, 468, 2), ``rows`` N rows."""

    images: UInt8
    landmarks: npt.NDArray[np.float16]
    rows: pd.DataFrame

    @property
    def size(self) -> int:
        """Side of the faces in pixels."""
        return int(self.images.shape[1])

    @property
    def dataset(self) -> str:
        """Name of the data set, as its reader is called."""
        return str(self.rows.attrs.get("dataset", "unnamed"))

    def __len__(self) -> int:
        return len(self.rows)


class Aligner:
    """Finds the face of an image of a data set, and aligns it by its landmarks to ``size`` pixels.

    The first look is where a face of UTKFace lies; where none is seen there, the whole image is searched and its
    largest face taken, so that photos of other data sets serve as well.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._network = LandmarkNetwork(threads=1)
        self._detector = FaceDetector(threads=1)

    def __call__(self, pixels: UInt8) -> tuple[UInt8, Float32] | None:
        """The picture and its landmarks (468, 2) of an image (H, W, 3), or None where no face is seen."""
        landmarks = self._landmarks(pixels)
        if landmarks is None:
            return None
        matrix = align_landmarks(landmarks, self.size)
        return warp(pixels, matrix, (self.size, self.size)), apply_transform(matrix, landmarks[:, :2])

    def _landmarks(self, pixels: UInt8) -> Float32 | None:
        template = utkface_template()
        start = template.mesh * (pixels.shape[0] / template.canvas)
        landmarks, _ = self._network.read(pixels, *frame_of(start))
        landmarks, presence = self._network.refine(pixels, landmarks)
        if presence >= MIN_PRESENCE:
            return landmarks
        found = self._detector.detect(pixels)
        return found[0].landmarks_photo if found else None


def build_cache(
    index: pd.DataFrame,
    root: Path,
    folder: Path,
    *,
    size: int,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Pack the kept rows of ``index`` whose paths are relative to ``root``.

    The folder appears whole or not at all. Raises `ExistsError` where it exists already, and `DataError`
    where nothing was packed.
    """
    refuse_existing(folder, folder=True)
    rows = index[index["keep"]].reset_index(drop=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        kept, unreadable = _pack(rows, root, scratch, size, workers, progress)
        if not kept.any():
            told = f", and {unreadable} of {len(rows)} could not be read" if unreadable else ""
            raise DataError(f"no face was found in any image of the index{told}; its folder: {root}")
        rows[kept].reset_index(drop=True).to_parquet(scratch / "rows.parquet")
        os.rename(scratch, folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    packed = int(kept.sum())
    return Packed(packed, len(rows) - packed - unreadable, unreadable)


def _pack(
    rows: pd.DataFrame,
    root: Path,
    scratch: Path,
    size: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Bool, int]:
    """Which of ``rows`` are packed, and how many images could not be read."""
    align, unreadable = Aligner(size), []

    def work(path: str) -> tuple[UInt8, Float32] | None:
        decoded = cv2.imread(str(root / path), cv2.IMREAD_COLOR)
        if decoded is None:
            unreadable.append(path)
            return None
        return align(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))

    images = np.empty((len(rows), size, size, 3), np.uint8)
    landmarks = np.empty((len(rows), 468, 2), np.float16)
    kept = np.zeros(len(rows), bool)
    with ThreadPoolExecutor(workers) as pool:
        for i, face in enumerate(pool.map(work, rows["path"])):
            if face is not None:
                images[i], landmarks[i], kept[i] = face[0], face[1], True
            if progress:
                progress(i + 1, len(rows))
    np.save(scratch / "images.npy", images[kept])
    np.save(scratch / "landmarks.npy", landmarks[kept])
    return kept, len(unreadable)


def open_cache(folder: str | os.PathLike[str], *, in_memory: bool = False) -> Cache:
    """Open a folder written by `build_cache`; raises `DataError` where it is not one.

    Training reads the whole array ``in_memory`` (1.1 GB for 22,000 faces of 128 px): random reads of a mapped
    file wait for the disk wherever the system has better uses for its page cache.
    """
    path = Path(folder)
    try:
        images: Any = np.load(path / "images.npy", mmap_mode=None if in_memory else "r")
        landmarks: Any = np.load(path / "landmarks.npy", mmap_mode="r")
        rows = pd.read_parquet(path / "rows.parquet")
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} is not a cache: {error}; make one with `reage data cache`") from error
    if not len(images) == len(landmarks) == len(rows):
        raise DataError(
            f"{path} is damaged: its arrays differ in length; make it again with `reage data cache`"
        )
    return Cache(images, landmarks, rows)
