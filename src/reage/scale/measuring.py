"""Measures the faces of an evaluation with Ray, for `reage evaluate --ray`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from reage.bundle import open_bundle
from reage.errors import DataError, ReageError
from reage.evaluation.features import open_extractor
from reage.evaluation.measurement_cache import Arrays
from reage.evaluation.measurer import Measure, Measurer
from reage.reager import Reager
from reage.scale.cluster import ENDED, map_rows, on_one_core

_INPUT = pa.schema(
    [("number", pa.int64()), ("paths", pa.list_(pa.string())), ("targets", pa.list_(pa.float64()))]
)
_OUTPUT = pa.schema(
    [
        ("number", pa.int64()),
        ("error", pa.string()),
        ("arrays", pa.binary()),
    ]  # an .npz file, or else an error
)


class MeasuringWorker:
    """Measures lists of faces with one `Measurer`, on one core.

    Args:
        root: folder that the paths start from.
        files: those of the bundle that is judged, by name.
        features: a key of `features.NAMES`.
    """

    def __init__(self, root: str, files: dict[str, bytes], features: str) -> None:
        on_one_core()
        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory(prefix="reage-") as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            bundle = open_bundle(folder)
        self._measurer = Measurer(Path(root), Reager(bundle), open_extractor(features))

    def __call__(self, lists: pa.Table) -> pa.Table:
        """The answers to ``lists``, of `_OUTPUT`."""
        return pa.Table.from_pylist([self._measure(**row) for row in lists.to_pylist()], _OUTPUT)

    def _measure(self, number: int, paths: list[str], targets: list[float] | None) -> dict[str, Any]:
        try:
            arrays = self._measurer.measure(pd.DataFrame({"path": paths}), targets)
        except ReageError as error:
            return {"number": number, "error": str(error)}
        file = BytesIO()
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return {"number": number, "arrays": file.getvalue()}


def measure_on_ray(root: Path, reager: Reager, features: str, *, workers: int) -> Measure:
    """A `Measure` by so many workers, as `one_by_one` is one; within `cluster.connected`."""
    open_extractor(features)  # what is missing is said before the work
    arguments = (str(root.absolute()), reager.bundle.files(), features)

    def measure(
        lists: Sequence[pd.DataFrame], targets: Sequence[float] | None
    ) -> Iterator[tuple[int, Arrays]]:
        rows = [
            {"number": number, "paths": list(part["path"].astype(str)), "targets": targets}
            for number, part in enumerate(lists)
        ]
        answered = 0
        for table in map_rows(
            rows, _INPUT, MeasuringWorker, arguments, key="number", block=1, workers=workers
        ):
            for answer in table.to_pylist():
                if answer["error"]:
                    raise DataError(answer["error"])
                with np.load(BytesIO(answer["arrays"]), allow_pickle=False) as arrays:
                    yield answer["number"], dict(arrays)
                answered += 1
        if answered < len(rows):
            raise DataError(f"{len(rows) - answered} lists of faces were not measured: {ENDED}")

    return measure
