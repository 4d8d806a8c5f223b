"""Aligns the faces of a data set with Ray, for `reage data cache --ray`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from reage.data.cache import FaceReader, ReadFace
from reage.scale.cluster import connected, map_rows, on_one_core

_BLOCK_ROWS = 64
"""Images that a worker takes at once: a second of work, and 3 MB of faces of 128 px."""
_INPUT = pa.schema([("number", pa.int64()), ("path", pa.string())])
_OUTPUT = pa.schema(
    [("number", pa.int64()), ("readable", pa.bool_()), ("image", pa.binary()), ("landmarks", pa.binary())]
)


class AligningWorker:
    """Aligns faces to ``size`` pixels with one `FaceReader`, on one core; paths start from the folder ``root``."""

    def __init__(self, root: str, size: int) -> None:
        on_one_core()
        self._read = FaceReader(Path(root), size)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The faces of ``rows``, of `_OUTPUT`."""
        return pa.Table.from_pylist([self._align(**row) for row in rows.to_pylist()], _OUTPUT)

    def _align(self, number: int, path: str) -> dict[str, Any]:
        readable, face = self._read(path)
        answer: dict[str, Any] = {"number": number, "readable": readable}
        if face is not None:
            image, landmarks = face
            answer |= {"image": image.tobytes(), "landmarks": landmarks.astype(np.float32).tobytes()}
        return answer


def read_faces_on_ray(
    paths: Sequence[str], root: Path, size: int, *, workers: int | None
) -> Iterator[tuple[int, ReadFace]]:
    """As `reage.data.cache.read_faces`, by so many workers of Ray, or one for every core.

    An image that ends its process, although nothing else runs there, counts as one that cannot be read.
    """
    rows = [{"number": number, "path": path} for number, path in enumerate(paths)]
    waiting = set(range(len(paths)))
    arguments = (str(root.absolute()), size)
    with connected(None, workers) as count:
        for table in map_rows(
            rows, _INPUT, AligningWorker, arguments, key="number", block=_BLOCK_ROWS, workers=count
        ):
            for answer in table.to_pylist():
                waiting.discard(answer["number"])
                yield answer["number"], _face(answer, size)
    for number in sorted(waiting):
        yield number, ReadFace(readable=False)


def _face(answer: dict[str, Any], size: int) -> ReadFace:
    if answer["image"] is None:
        return ReadFace(answer["readable"])
    image = np.frombuffer(answer["image"], np.uint8).reshape(size, size, 3)
    return ReadFace(True, (image, np.frombuffer(answer["landmarks"], np.float32).reshape(-1, 2)))
