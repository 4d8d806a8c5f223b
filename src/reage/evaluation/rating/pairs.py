"""The pairs of outputs that people compare: the same face at the same age by two models, cut from their reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from reage.arrays import UInt8
from reage.errors import ReageError
from reage.evaluation.compare import comparable_reports
from reage.evaluation.report_folder import random_faces
from reage.sheets import cut_sheet

ALIKE = 0.5
"""Outputs that differ by less than this on average, in levels of 255, are not compared, since they look identical."""


@dataclass(frozen=True)
class Pair:
    """Two outputs for one photo.

    Attributes:
        face: the photo, as the reports name it.
        target: the age asked for, in years.
        photo: (S, S, 3), what both models were given.
        models: their titles.
        outputs: (S, S, 3) each, in the same order.
    """

    face: str
    target: float
    photo: UInt8
    models: tuple[str, str]
    outputs: tuple[UInt8, UInt8]


def read_pairs(folders: Sequence[Path]) -> list[Pair]:
    """All pairs of the faces that every report shows: those on the sheet of faces drawn at random.

    Args:
        folders: those of two or more reports of `reage evaluate`.

    Raises:
        ReageError: there are fewer than two, they do not agree in protocol, faces and judges, or a sheet is missing or
            damaged.
    """
    if len(folders) < 2:
        raise ReageError("give the reports of at least two models, to compare with each other")
    reports = comparable_reports(folders)
    first = reports[0]
    count = len(first.data.sample)
    faces = [first.data.sample[i] for i in random_faces(first.protocol.seed, count)]
    ages = [float(age) for age in first.protocol.ages]
    sheets = [_read_sheet(folder, len(faces), 1 + len(ages)) for folder in folders]
    pairs = []
    for row, face in enumerate(faces):
        for column, age in enumerate(ages, 1):
            for one, other in combinations(range(len(reports)), 2):
                outputs = sheets[one][row, column], sheets[other][row, column]
                if np.abs(outputs[0].astype(float) - outputs[1]).mean() < ALIKE:
                    continue
                titles = reports[one].model.title, reports[other].model.title
                pairs.append(Pair(face, age, sheets[one][row, 0], titles, outputs))
    if not pairs:
        raise ReageError("the outputs of these models are all alike: there is nothing to compare")
    return pairs


def _read_sheet(folder: Path, rows: int, columns: int) -> UInt8:
    path = folder / "sheets" / "random.jpg"
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if picture is None:
        raise ReageError(f"{path} is missing or cannot be read: evaluate the model again")
    try:
        return cut_sheet(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), rows, columns)
    except ValueError as error:
        raise ReageError(f"{path}: {error}") from error
