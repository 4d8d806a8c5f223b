"""A small labelled set of generated faces, with an index, for evaluations from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from faces import write_faces
from reage.data.catalog import index_dataset, write_index


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """84 faces in the splits test and val, half and half; six people of the test split are there twice."""
    folder = tmp_path_factory.mktemp("labelled")
    write_faces(folder / "faces")
    table, _ = index_dataset("utkface", folder / "faces")
    order = table["age"].rank(method="first").astype(int)
    table["split"] = order.map(lambda number: ("test", "val")[number % 2])
    table["keep"] = True
    tested = table.index[table["split"] == "test"][:12]
    table.loc[tested, "subject"] = [f"person {i // 2}" for i in range(len(tested))]
    write_index(table, folder / "index.parquet")
    return folder / "index.parquet"
