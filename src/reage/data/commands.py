"""The functions behind ``reage data``: make indexes, caches and packed caches, with a progress bar and a summary."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reage.data.cache import ReadFaces, build_cache, open_cache, read_faces
from reage.data.catalog import index_dataset, read_index, summary, write_index
from reage.data.packing import pack_cache, unpack_cache
from reage.progress import progress_bar


def make_index(name: str, source: Path | None, folder: Path | None, output: Path, workers: int) -> str:
    """Index the data set ``name`` and write the index to ``output``; returns a summary to print.

    The arguments are those of `index_dataset`. Raises `DataError` and `WriteError`.
    """
    with progress_bar() as progress:
        index, problems = index_dataset(
            name, source, folder=folder, workers=workers, progress=partial(progress, "reading")
        )
    write_index(index, output)
    return f"{summary(index, problems)}\n{output}: written"


def make_cache(
    index: Path, output: Path, size: int, workers: int | None, read: ReadFaces = read_faces
) -> str:
    """Pack the kept faces of the index at ``index`` into the cache folder ``output``; returns a line to print.

    ``size``, ``workers`` and ``read`` are those of `build_cache`. Raises `DataError` and `WriteError`.
    """
    table = read_index(index)
    with progress_bar() as progress:
        counts = build_cache(
            table,
            Path(table.attrs["root"]),
            output,
            size=size,
            workers=workers,
            progress=partial(progress, "aligning"),
            read=read,
        )
    line = f"{output}: {counts.packed} faces of {size} px; {counts.no_face} images left out, no face found"
    return f"{line}; {counts.unreadable} could not be read" if counts.unreadable else line


def pack(cache: Path, output: Path, megabytes: float, min_sharpness: float, overwrite: bool) -> str:
    """Pack the cache folder ``cache`` into one file; returns a line to print.

    The other arguments are those of `pack_cache`. Raises `DataError` and `WriteError`.
    """
    with progress_bar() as progress:
        packed = pack_cache(
            open_cache(cache),
            output,
            megabytes=megabytes,
            min_sharpness=min_sharpness,
            overwrite=overwrite,
            progress=partial(progress, "packing"),
        )
    return f"{output}: {packed.faces:,} faces at quality {packed.quality}, {packed.size / 1e6:.1f} MB"


def unpack(path: Path, output: Path) -> str:
    """Unpack the file ``path`` into the cache folder ``output``; returns a line to print.

    Raises `DataError` and `WriteError`.
    """
    with progress_bar() as progress:
        count = unpack_cache(path, output, partial(progress, "unpacking"))
    return f"{output}: {count:,} faces"
