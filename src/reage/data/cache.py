"""Caches: the kept faces of an index, aligned and packed into arrays that training reads quickly.

A cache is a folder of ``images.npy`` (N, S, S, 3) uint8 RGB, ``landmarks.npy`` (N, 468, 2) float16 in pixels of the
aligned frame, and ``rows.parquet``, the N rows of the index.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from reage.arrays import Bool, Float32, UInt8
from reage.data.image_quality import decode, read_file
from reage.errors import DataError, one_line
from reage.face.alignment import align_landmarks, apply_transform, utkface_template, warp
from reage.face.detection import FaceDetector
from reage.face.landmarks import LandmarkNetwork, crop_around
from reage.files import refuse_existing, writing_folder

MIN_PRESENCE = 0.5
"""Landmarks found with a lower probability of a face are not trusted."""
_USUAL_THREADS = 2


class PackedCounts(NamedTuple):
    """The numbers of images of an index that were packed, and that were left out, by reason."""

    packed: int
    no_face: int
    unreadable: int


@dataclass(frozen=True)
class Cache:
    """An opened cache: aligned faces of one size.

    ``images`` (N, S, S, 3) uint8 RGB, ``landmarks`` (N, 468, 2) in pixels of the aligned frame, and ``rows``, the rows
    of the index in the same order.
    """

    images: UInt8
    landmarks: npt.NDArray[np.float16]
    rows: pd.DataFrame

    @property
    def size(self) -> int:
        """Side of the faces in pixels."""
        return int(self.images.shape[1])

    @property
    def dataset(self) -> str:
        """Name of the data set: that of its reader, such as "utkface"."""
        return str(self.rows.attrs.get("dataset", "unnamed"))

    def __len__(self) -> int:
        return len(self.rows)


class Aligner:
    """Finds the face in an image of a data set and aligns it by its landmarks, to a square of ``size`` pixels.

    It looks first where the faces of UTKFace lie. If there is none, it searches the whole image and takes the largest
    face, so that photos of other data sets serve as well.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._network = LandmarkNetwork(threads=1)
        self._detector = FaceDetector(threads=1)

    def __call__(self, pixels: UInt8) -> tuple[UInt8, Float32] | None:
        """Align the face of an image (H, W, 3) uint8 RGB.

        Returns the aligned face (S, S, 3) uint8 and its landmarks (468, 2) in its own pixels, or None if there is no
        face.
        """
        landmarks = self._landmarks(pixels)
        if landmarks is None:
            return None
        matrix = align_landmarks(landmarks, self.size)
        return warp(pixels, matrix, (self.size, self.size)), apply_transform(matrix, landmarks[:, :2])

    def _landmarks(self, pixels: UInt8) -> Float32 | None:
        template = utkface_template()
        start = template.mesh * (pixels.shape[0] / template.canvas)
        landmarks, _ = self._network.read(pixels, *crop_around(start))
        landmarks, presence = self._network.refine(pixels, landmarks)
        if presence >= MIN_PRESENCE:
            return landmarks
        found = self._detector.detect(pixels, only_largest=True)
        return found[0].landmarks_photo if found else None


class ReadFace(NamedTuple):
    """Whether an image is ``readable``, and if there is one, its aligned ``face``, as `Aligner` answers."""

    readable: bool
    face: tuple[UInt8, Float32] | None = None


class FaceReader:
    """Reads images, whose paths start from the folder ``root``, and aligns their faces to ``size`` pixels."""

    def __init__(self, root: Path, size: int) -> None:
        self._root = root
        self._align = Aligner(size)

    def __call__(self, path: str) -> ReadFace:
        """The face of one image."""
        decoded = decode(read_file(self._root / path))
        if decoded is None:
            return ReadFace(readable=False)
        return ReadFace(True, self._align(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)))


class ReadFaces(Protocol):
    """Reads the faces of many images with several ``workers``, or None: as many as are usual."""

    def __call__(
        self, paths: Sequence[str], root: Path, size: int, *, workers: int | None
    ) -> Iterator[tuple[int, ReadFace]]:
        """Yield the place of each of ``paths`` and its face, as `FaceReader`, in whatever order they are ready."""


def read_faces(
    paths: Sequence[str], root: Path, size: int, *, workers: int | None
) -> Iterator[tuple[int, ReadFace]]:
    """`ReadFaces` in threads of this process, usually two."""
    with ThreadPoolExecutor(workers or _USUAL_THREADS) as pool:
        yield from enumerate(pool.map(FaceReader(root, size), paths))


def build_cache(
    index: pd.DataFrame,
    root: Path,
    folder: Path,
    *,
    size: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    read: ReadFaces = read_faces,
) -> PackedCounts:
    """Align the kept faces of an index and write them as a cache; the folder appears whole or not at all.

    Args:
        index: what `read_index` returned.
        root: the folder that the paths in the index are relative to.
        folder: the cache to write.
        size: side of the aligned faces in pixels.
        workers: threads or processes that decode and align; None is as many as are usual.
        progress: called as ``progress(done, total)`` after each image.
        read: what decodes and aligns.

    Raises:
        ExistsError: ``folder`` exists already.
        WriteError: it cannot be written.
        DataError: no face was found in any image.
    """
    refuse_existing(folder, folder=True)
    rows = index[index["keep"]].reset_index(drop=True)
    with writing_folder(folder) as part:
        faces = read(rows["path"].astype(str).tolist(), root, size, workers=workers)
        found, unreadable = _pack(faces, len(rows), part, size, progress)
        if not found.any():
            also = f", and {unreadable} of {len(rows)} could not be read" if unreadable else ""
            raise DataError(f"no face was found in any image of the index{also}; its folder: {root}")
        rows[found].reset_index(drop=True).to_parquet(part / "rows.parquet")
    packed = int(found.sum())
    return PackedCounts(packed, len(rows) - packed - unreadable, unreadable)


def _pack(
    faces: Iterator[tuple[int, ReadFace]],
    count: int,
    folder: Path,
    size: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Bool, int]:
    """Write the arrays of ``count`` images; returns which of them have a face (N,), and how many are unreadable."""
    images = np.empty((count, size, size, 3), np.uint8)
    landmarks = np.empty((count, 468, 2), np.float16)
    found, unreadable = np.zeros(count, bool), 0
    for done, (i, (readable, face)) in enumerate(faces, 1):
        unreadable += not readable
        if face is not None:
            images[i], landmarks[i], found[i] = face[0], face[1], True
        if progress:
            progress(done, count)
    np.save(folder / "images.npy", images[found])
    np.save(folder / "landmarks.npy", landmarks[found])
    return found, unreadable


def open_cache(folder: str | os.PathLike[str], *, in_memory: bool = False) -> Cache:
    """Open a folder written by `build_cache`.

    Args:
        folder: the cache.
        in_memory: read all images now (1.1 GB for 22,000 faces of 128 px) instead of mapping the file. Training does,
            since random reads of a mapped file wait for the disk whenever the system needs its page cache elsewhere.

    Raises:
        DataError: the folder is not a cache, or is damaged.
    """
    path = Path(folder)
    try:
        images: Any = np.load(path / "images.npy", mmap_mode=None if in_memory else "r")
        landmarks: Any = np.load(path / "landmarks.npy", mmap_mode="r")
        rows = pd.read_parquet(path / "rows.parquet")
    except Exception as error:  # damaged files lead pyarrow and pandas to raise nearly any type
        raise DataError(
            f"{path} is not a cache: {one_line(error)}; make one with `reage data cache`"
        ) from error
    if not len(images) == len(landmarks) == len(rows):
        raise DataError(
            f"{path} is damaged: its arrays differ in length; make it again with `reage data cache`"
        )
    return Cache(images, landmarks, rows)
