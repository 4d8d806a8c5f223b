"""Packs a cache into one small file for training on another machine, and unpacks it there.

The file is a NumPy archive (``.npz``): ``faces``, all of them as WebP one after the other, and ``ends`` (N,), where
each ends; ``landmarks`` (N, 468, 2) int8, their distance from the template of the aligned frame in 1/512 of the side;
``size``, the side of a face in pixels; and ``rows``, the bytes of the cache's ``rows.parquet``. Nothing is pickled.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from reage.arrays import Float32, UInt8
from reage.data.cache import Cache
from reage.errors import DataError, one_line
from reage.face.alignment import rescale_points, utkface_template
from reage.files import refuse_existing, writing, writing_folder

QUALITIES = (90, 80, 70, 60, 50)
"""Qualities of WebP that are tried, best first."""
LANDMARK_UNITS = 512
"""Landmarks are stored in this part of the side."""
THREADS = 2


class Packed(NamedTuple):
    """The result of packing: number of faces, WebP quality, and size of the file in bytes."""

    faces: int
    quality: int
    size: int


def pack_cache(
    cache: Cache,
    path: str | os.PathLike[str],
    *,
    megabytes: float,
    min_sharpness: float = 0.0,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Write the faces of a cache into one file of at most ``megabytes`` million bytes, at the best quality that fits.

    Args:
        cache: the faces.
        path: the file to write.
        megabytes: the most that it may have.
        min_sharpness: leave out faces with a smaller variance of the Laplacian, as `FacePool` does.
        overwrite: replace the file if it exists.
        progress: called as ``progress(done, total)`` after each face, from the start again for each quality.

    Raises:
        ExistsError, WriteError: the file exists already, or cannot be written.
        DataError: no face is as sharp as that, or they do not fit even at the lowest quality.
    """
    refuse_existing(path, overwrite)
    chosen = np.flatnonzero(cache.rows["sharpness"] >= min_sharpness)
    if not len(chosen):
        raise DataError(f"none of the {len(cache)} faces in the cache has a sharpness of {min_sharpness:g}")
    parts = {
        "landmarks": _coded(cache.landmarks[chosen].astype(np.float32), cache.size),
        "size": np.array(cache.size),
        "rows": np.frombuffer(_parquet(cache.rows.iloc[chosen]), np.uint8),
    }
    most = int(megabytes * 1e6)
    room = most - len(_archive(parts))
    for quality in QUALITIES:
        encode = partial(_webp, quality=quality)
        with ThreadPoolExecutor(THREADS) as pool:
            encoded = pool.map(encode, (cache.images[i] for i in chosen))
            faces = _taken(encoded, len(chosen), room, progress)
        if faces is None:
            continue
        ends = np.cumsum([len(face) for face in faces])
        whole = _archive({"faces": np.frombuffer(b"".join(faces), np.uint8), "ends": ends, **parts})
        if len(whole) <= most:
            with writing(path) as part:
                part.write_bytes(whole)
            return Packed(len(faces), quality, len(whole))
    raise DataError(
        f"{len(chosen):,} faces do not fit into {megabytes:g} MB at quality {QUALITIES[-1]}; raise --min-sharpness"
    )


def unpack_cache(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the faces of a file of `pack_cache` as a cache folder; returns how many there are.

    Args:
        path: the file.
        folder: the folder to make; it appears whole or not at all.
        progress: called as ``progress(done, total)`` after each face.

    Raises:
        ExistsError, WriteError: the folder exists already, or cannot be written.
        DataError: the file is not a packed cache, or is damaged.
    """
    refuse_existing(folder, folder=True)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            faces, ends, size = stored["faces"], stored["ends"], int(stored["size"])
            landmarks, table = stored["landmarks"], stored["rows"].tobytes()
        rows = pd.read_parquet(io.BytesIO(table))
    except Exception as error:  # damaged files lead numpy, pyarrow and pandas to raise nearly any type
        raise DataError(f"{path} is not a packed cache: {one_line(error)}") from error
    starts = np.concatenate([[0], ends[:-1]])
    images = np.empty((len(rows), size, size, 3), np.uint8)
    if not len(rows) == len(ends) == len(landmarks):
        raise DataError(f"{path} is damaged: its parts differ in length")
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        face = cv2.imdecode(faces[start:end], cv2.IMREAD_COLOR) if start < end <= len(faces) else None
        if face is None or face.shape != images[i].shape:
            raise DataError(f"{path} is damaged: face {i} cannot be read")
        images[i] = cv2.cvtColor(face, cv2.COLOR_BGR2RGB)
        if progress:
            progress(i + 1, len(rows))
    with writing_folder(folder) as part:
        np.save(part / "images.npy", images)
        np.save(part / "landmarks.npy", _decoded(landmarks, size).astype(np.float16))
        Path(part / "rows.parquet").write_bytes(table)
    return len(rows)


def _taken(
    encoded: Iterable[bytes], count: int, room: int, progress: Callable[[int, int], None] | None
) -> list[bytes] | None:
    """The ``count`` faces of ``encoded``, or None as soon as they have more than ``room`` bytes."""
    faces: list[bytes] = []
    for face in encoded:
        faces.append(face)
        room -= len(face)
        if room < 0:
            return None
        if progress:
            progress(len(faces), count)
    return faces


def _webp(image: UInt8, quality: int) -> bytes:
    _, code = cv2.imencode(
        ".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality]
    )
    return code.tobytes()


def _coded(landmarks: Float32, size: int) -> npt.NDArray[np.int8]:
    """Landmarks (N, 468, 2) in pixels of faces of ``size`` px as they are stored; those far away come nearer."""
    template = utkface_template()
    away = (landmarks - rescale_points(template.mesh, template.canvas, size)) * (LANDMARK_UNITS / size)
    return np.clip(np.round(away), -127, 127).astype(np.int8)


def _decoded(stored: npt.NDArray[np.int8], size: int) -> Float32:
    template = utkface_template()
    mesh = rescale_points(template.mesh, template.canvas, size)
    return np.asarray(mesh + stored.astype(np.float32) * (size / LANDMARK_UNITS), np.float32)


def _parquet(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.reset_index(drop=True).to_parquet(buffer)
    return buffer.getvalue()


def _archive(parts: dict[str, npt.NDArray[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **parts)
    return buffer.getvalue()
