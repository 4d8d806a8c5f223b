"""What is measured of each face, real or edited; a face goes through the same path as a user's photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from reage.arrays import Bool, Float32, Float64, UInt8
from reage.edit.masks import face_outline
from reage.errors import NoFaceError
from reage.evaluation.features import Extractor
from reage.evaluation.judges import Judges
from reage.evaluation.measurement_cache import Arrays
from reage.evaluation.measures import sharpness
from reage.evaluation.people import PSNR_OF_EQUALS
from reage.face.alignment import align_landmarks, apply_transform, warp
from reage.photo.photo import eight_bits
from reage.reager import Reager, Sitting

VIEW = 200
"""Side in pixels of the aligned crop in which realism and preservation are measured: the size of UTKFace."""


class Measurer:
    """Opens the images of an index below ``root``; its judges and ``extractor`` never taught."""

    def __init__(self, root: Path, reager: Reager, extractor: Extractor) -> None:
        self._root = root
        self._reager = reager
        self._extract = extractor
        self._judges = Judges()

    def real(self, rows: pd.DataFrame) -> Arrays:
        """Of N faces as they are: found (N,), ages (N, 2), male (N,), descriptors (N, 128), features (N, D)."""
        verdicts, views = [], []
        found = np.zeros(len(rows), bool)
        for i, sitting in enumerate(self._open(rows)):
            if sitting is None:
                views.append(np.zeros((VIEW, VIEW, 3), np.uint8))
                continue
            found[i] = True
            landmarks = sitting.faces[0].face.landmarks_photo
            pixels = eight_bits(sitting.photo.pixels)
            verdicts.append(self._judges.look([pixels], landmarks))
            views.append(_view(pixels, align_landmarks(landmarks, VIEW)))
        return {
            "found": found,
            "ages": _spread([v.ages[0] for v in verdicts], found, (2,)),
            "male": _spread([v.male[0] for v in verdicts], found, ()),
            "descriptors": _spread([v.descriptors[0] for v in verdicts], found, (128,)),
            "features": self._extract(np.stack(views)).astype(np.float32),
        }

    def edited(self, rows: pd.DataFrame, targets: Sequence[float]) -> Arrays:
        """Of N faces aged to T ``targets`` from the age they look, as `reage photo` does.

        found (N,), ages (N, T, 2), descriptors (N, T, 128), features (N, T, D); outside (N, T): mean change outside
        the face's outline, in levels of 255; sharp (N, T): sharpness over that of the input, inside it; same (N, 3):
        L1 in levels, PSNR in dB and SSIM of the edit to the very age the face looks.
        """
        results: list[Arrays | None] = []
        for sitting in self._open(rows):
            results.append(None if sitting is None else self._edit(sitting, targets))
        found = np.array([result is not None for result in results])
        kept = [result for result in results if result is not None]
        count = len(targets)
        views = np.zeros((len(rows), count, VIEW, VIEW, 3), np.uint8)
        if kept:
            views[found] = np.stack([result["views"] for result in kept])
        features = self._extract(views.reshape(-1, VIEW, VIEW, 3)).astype(np.float32)
        shapes = {"ages": (count, 2), "descriptors": (count, 128), "outside": (count,), "sharp": (count,)}
        return {
            "found": found,
            "features": features.reshape(len(rows), count, -1),
            "same": _spread([result["same"] for result in kept], found, (3,)),
            **{name: _spread([r[name] for r in kept], found, shape) for name, shape in shapes.items()},
        }

    def _open(self, rows: pd.DataFrame) -> list[Sitting | None]:
        sittings: list[Sitting | None] = []
        for path in rows["path"]:
            try:
                sittings.append(self._reager.open(self._root / str(path)))
            except NoFaceError:
                sittings.append(None)  # counted as lost in the report
        return sittings

    def _edit(self, sitting: Sitting, targets: Sequence[float]) -> Arrays:
        face = sitting.faces[0]
        landmarks = face.face.landmarks_photo
        pictures = [eight_bits(sitting.age(to=age, faces="largest").pixels) for age in targets]
        verdict = self._judges.look(pictures, landmarks)
        matrix = align_landmarks(landmarks, VIEW)
        before = _view(eight_bits(sitting.photo.pixels), matrix)
        inside = face_outline(apply_transform(matrix, landmarks[:, :2]), VIEW) > 0.5
        views = np.stack([_view(picture, matrix) for picture in pictures])
        change = np.abs(views.astype(np.float32) - before)
        unchanged = sitting.age(to=face.apparent_age, source=face.apparent_age, faces="largest").pixels
        sharp = sharpness(before, inside)
        return {
            "ages": verdict.ages,
            "descriptors": verdict.descriptors,
            "views": views,
            "outside": change[:, ~inside].mean((1, 2)),
            "sharp": np.array([sharpness(view, inside) / max(sharp, 1e-6) for view in views]),
            "same": _preserved(before, _view(eight_bits(unchanged), matrix)),
        }


def _view(pixels: UInt8, matrix: Float32) -> UInt8:
    return np.asarray(warp(pixels, matrix, (VIEW, VIEW)), np.uint8)


def _preserved(before: UInt8, after: UInt8) -> Float64:
    difference = np.abs(after.astype(np.float64) - before).mean()
    decibels = peak_signal_noise_ratio(before, after, data_range=255) if difference else PSNR_OF_EQUALS
    likeness = structural_similarity(before, after, channel_axis=2, data_range=255)
    return np.array([difference, decibels, likeness])


def _spread(values: Sequence[npt.NDArray[Any] | float], found: Bool, shape: tuple[int, ...]) -> Any:
    """``values`` of the faces that were found, in rows of all; NaN for the others."""
    rows = np.full((len(found), *shape), np.nan, np.float32)
    if values:
        rows[found] = np.stack([np.asarray(value, np.float32) for value in values])
    return rows
