"""Measures real and edited faces, after the same processing as a user's photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from reage.arrays import Bool, Float32, Float64, UInt8
from reage.edit.masks import face_outline
from reage.errors import NoFaceError
from reage.evaluation.faces import PSNR_OF_EQUALS
from reage.evaluation.features import Extractor, open_extractor, perceptual_distances
from reage.evaluation.judges import Judges
from reage.evaluation.measurement_cache import Arrays
from reage.evaluation.metrics import sharpness
from reage.face.alignment import align_landmarks, apply_transform, warp
from reage.photo.photo import eight_bits
from reage.reager import Reager, Sitting

VIEW = 200
"""Side in pixels of the aligned crop in which realism and preservation are measured: the size of UTKFace."""


class Measure(Protocol):
    """Measures lists of rows of an index."""

    def __call__(
        self, lists: Sequence[pd.DataFrame], targets: Sequence[float] | None
    ) -> Iterator[tuple[int, Arrays]]:
        """Measure the faces as they are, or edited to ``targets``.

        Yields the number of each list and its measurements by `Measurer`, in the order in which they are ready.
        """


Measurers = Callable[[Path, Reager, str], Measure]
"""Makes a `Measure` for the images in a folder, a model to be judged, and features: a key of `features.NAMES`."""


def one_by_one(root: Path, reager: Reager, features: str) -> Measure:
    """A `Measure` in this process; raises `ReageError` if packages or weights of the features are missing."""
    measurer = Measurer(root, reager, open_extractor(features))

    def measure(
        lists: Sequence[pd.DataFrame], targets: Sequence[float] | None
    ) -> Iterator[tuple[int, Arrays]]:
        for number, rows in enumerate(lists):
            yield number, measurer.measure(rows, targets)

    return measure


class Measurer:
    """Opens and edits photos with a `Reager`, and measures them with the judges and a feature extractor.

    Args:
        root: folder that the paths of an index start from.
        reager: finds faces and edits them, with the model to be judged.
        extractor: computes the features for KID and FID.
    """

    def __init__(self, root: Path, reager: Reager, extractor: Extractor) -> None:
        self._root = root
        self._reager = reager
        self._extract = extractor
        self._judges = Judges()

    def measure(self, rows: pd.DataFrame, targets: Sequence[float] | None) -> Arrays:
        """`real`, or `edited` if there are targets."""
        return self.real(rows) if targets is None else self.edited(rows, targets)

    def real(self, rows: pd.DataFrame) -> Arrays:
        """Measure the photos in N rows of an index as they are.

        Returns:
            Arrays by name: ``found`` (N,), whether there is a face, and if there is none the others are NaN;
            ``estimated_ages`` (N, 2) in years; ``male_probability`` (N,); ``descriptors`` (N, 128);
            ``features`` (N, D).
        """
        judgements, views = [], []
        found = np.zeros(len(rows), bool)
        for i, sitting in enumerate(self._open(rows)):
            if sitting is None:
                views.append(np.zeros((VIEW, VIEW, 3), np.uint8))
                continue
            found[i] = True
            landmarks = sitting.faces[0].face.landmarks_photo
            pixels = eight_bits(sitting.photo.pixels)
            judgements.append(self._judges.look([pixels], landmarks))
            views.append(_view(pixels, align_landmarks(landmarks, VIEW)))
        return {
            "found": found,
            "estimated_ages": _in_all_rows([j.ages[0] for j in judgements], found, (2,)),
            "male_probability": _in_all_rows([j.male_probability[0] for j in judgements], found, ()),
            "descriptors": _in_all_rows([j.descriptors[0] for j in judgements], found, (128,)),
            "features": self._extract(np.stack(views)).astype(np.float32),
        }

    def edited(self, rows: pd.DataFrame, targets: Sequence[float]) -> Arrays:
        """Edit the photos in N rows of an index, from the age that each face looks to T targets, and measure that.

        Returns:
            Arrays by name: ``found`` (N,) as in `real`, and the measured attributes of `faces.EditedFaces`:
            ``estimated_ages`` (N, T, 2), ``descriptors`` (N, T, 128), ``features`` (N, T, D), ``outside`` (N, T),
            ``sharpness`` (N, T), ``perceptual`` (N, T), ``same_age`` (N, 3).
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
        shapes = {
            "estimated_ages": (count, 2),
            "descriptors": (count, 128),
            "outside": (count,),
            "sharpness": (count,),
            "perceptual": (count,),
            "same_age": (3,),
        }
        return {
            "found": found,
            "features": features.reshape(len(rows), count, -1),
            **{name: _in_all_rows([r[name] for r in kept], found, shape) for name, shape in shapes.items()},
        }

    def _open(self, rows: pd.DataFrame) -> list[Sitting | None]:
        sittings: list[Sitting | None] = []
        for path in rows["path"]:
            try:
                sittings.append(self._reager.open(self._root / str(path)))
            except NoFaceError:
                sittings.append(None)  # the report says how many
        return sittings

    def _edit(self, sitting: Sitting, targets: Sequence[float]) -> Arrays:
        face = sitting.faces[0]
        landmarks = face.face.landmarks_photo
        pictures = [eight_bits(sitting.age(to=age, faces="largest").pixels) for age in targets]
        judgement = self._judges.look(pictures, landmarks)
        matrix = align_landmarks(landmarks, VIEW)
        before = _view(eight_bits(sitting.photo.pixels), matrix)
        inside = face_outline(apply_transform(matrix, landmarks[:, :2]), VIEW) > 0.5
        views = np.stack([_view(picture, matrix) for picture in pictures])
        change = np.abs(views.astype(np.float32) - before)
        same_age = sitting.age(to=face.apparent_age, source=face.apparent_age, faces="largest").pixels
        sharp = sharpness(before, inside)
        return {
            "estimated_ages": judgement.ages,
            "descriptors": judgement.descriptors,
            "views": views,
            "outside": change[:, ~inside].mean((1, 2)),
            "sharpness": np.array([sharpness(view, inside) / max(sharp, 1e-6) for view in views]),
            "perceptual": perceptual_distances(views, np.broadcast_to(before, views.shape)),
            "same_age": _difference(before, _view(eight_bits(same_age), matrix)),
        }


def _view(pixels: UInt8, matrix: Float32) -> UInt8:
    return np.asarray(warp(pixels, matrix, (VIEW, VIEW)), np.uint8)


def _difference(before: UInt8, after: UInt8) -> Float64:
    """L1 in levels of 255, PSNR in dB and SSIM between two pictures (H, W, 3)."""
    levels = np.abs(after.astype(np.float64) - before).mean()
    decibels = peak_signal_noise_ratio(before, after, data_range=255) if levels else PSNR_OF_EQUALS
    likeness = structural_similarity(before, after, channel_axis=2, data_range=255)
    return np.array([levels, decibels, likeness])


def _in_all_rows(values: Sequence[npt.NDArray[Any] | float], found: Bool, shape: tuple[int, ...]) -> Any:
    """``values`` of the faces that were ``found``, in an array with a row for every photo; NaN in the other rows."""
    rows = np.full((len(found), *shape), np.nan, np.float32)
    if values:
        rows[found] = np.stack([np.asarray(value, np.float32) for value in values])
    return rows
