"""What ``reage data`` does: readers, catalogue and cache together, with a progress bar."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reage.data.cache import build_cache
from reage.data.catalog import index_dataset, read_index, summary, write_index
from reage.progress import progress_bar


def make_index(name: str, source: Path | None, folder: Path | None, output: Path, workers: int) -> str:
    """Index the data set ``name`` into ``output``; returns a summary for people. Raises `DataError`."""
    with progress_bar() as progress:
        index, problems = index_dataset(
            name, source, folder=folder, workers=workers, progress=partial(progress, "reading")
        )
    write_index(index, output)
    return f"{summary(index, problems)}\n{output}: written"


def make_cache(index: Path, output: Path, size: int, workers: int) -> str:
    """Pack the kept faces of an index into a cache folder; returns a line for people. Raises `DataError`."""
    table = read_index(index)
    with progress_bar() as progress:
        counts = build_cache(
            table,
            Path(table.attrs["root"]),
            output,
            size=size,
            workers=workers,
            progress=partial(progress, "aligning"),
        )
    told = f"{output}: {counts.packed} faces of {size} px; {counts.no_face} left out, no face seen"
    return f"{told}; {counts.unreadable} could not be read" if counts.unreadable else told
