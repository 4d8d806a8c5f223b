"""The faces of an open photo (`SittingFace`), and an edited photo that can be saved (`Result`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from reage.arrays import Float32
from reage.edit.compositing import AlignedFace, Edit
from reage.edit.layers import write_layers
from reage.edit.surroundings import LARGEST_SURROUNDINGS, Surroundings
from reage.face.alignment import apply_transform, compose, invert_transform
from reage.face.detection import Face
from reage.face.sureness import Sureness
from reage.photo.files import write_photo
from reage.photo.photo import Photo
from reage.photo.provenance import Provenance

if TYPE_CHECKING:
    from reage.sign.signer import Signer


def no_surroundings() -> None:
    """For a model that edits the face alone: hair and neck are not edited."""
    return


@dataclass(frozen=True)
class SittingFace:
    """A face of an open photo: its position, apparent age and aligned crop."""

    index: int
    face: Face
    apparent_age: float
    male_probability: float
    sureness: Sureness
    """How reliable the estimated age is."""
    aligned: AlignedFace
    look_around: Callable[[], Surroundings | None] = no_surroundings
    """Computes `around`, once."""

    @property
    def around(self) -> Surroundings | None:
        """Its hair and neck, or None if they are not edited; computed on first use."""
        return self.look_around()

    @property
    def nbytes(self) -> int:
        """Bytes of memory for its crop and its surroundings, even if these are not computed yet."""
        around = 0 if self.look_around is no_surroundings else LARGEST_SURROUNDINGS
        return self.aligned.pixels.nbytes + self.aligned.mask.nbytes + around

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in pixels of the photo."""
        x0, y0, x1, y1 = (float(v) for v in self.face.box_photo)
        return x0, y0, x1, y1

    def moved(self, transform: Float32) -> SittingFace:
        """The same face in the photo transformed by ``transform`` (2, 3); its aligned crop does not change."""
        matrix = compose(self.aligned.matrix, invert_transform(transform))
        look_around = self.look_around
        if look_around is not no_surroundings:
            look_around = partial(_moved, look_around, transform)
        return replace(
            self,
            face=self.face.moved(transform),
            aligned=replace(self.aligned, matrix=matrix),
            look_around=look_around,
        )

    @property
    def landmarks_aligned(self) -> Float32:
        """Landmarks (468, 2) in the aligned frame."""
        return apply_transform(self.aligned.matrix, self.face.landmarks_photo[:, :2])


def _moved(look_around: Callable[[], Surroundings | None], transform: Float32) -> Surroundings | None:
    around = look_around()
    return None if around is None else around.moved(transform)


@dataclass(frozen=True)
class FaceChange:
    """The edit of one face: the ages asked for and estimated, and how to find what was composited.

    ``target_age`` is ``asked_age`` clamped to the model's range.
    """

    face: SittingFace
    source_age: float
    asked_age: float
    target_age: float
    male: float
    edit_again: Callable[[], tuple[tuple[AlignedFace, Edit], ...]]
    """Computes `edits`."""
    read_again: Callable[[], float]
    """Computes `apparent_after`."""

    @property
    def edits(self) -> tuple[tuple[AlignedFace, Edit], ...]:
        """What was composited: the edit of the face comes last, after those of hair and neck if there are any.

        Computed each time: they take 7 MB for each face, and a photo can have hundreds.
        """
        return self.edit_again()

    @cached_property
    def apparent_after(self) -> float:
        """The apparent age of the edited face in years; computed on first use."""
        return self.read_again()


@dataclass(frozen=True)
class Result:
    """An edited photo. ``pixels`` (H, W, 3) has the dtype of the original; ``save`` writes it with its mark."""

    photo: Photo
    original: Photo
    changes: tuple[FaceChange, ...]
    mark: Provenance
    detail_sigma: float
    """Blur of the edits, as in `reage.edit.compositing`."""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def pixels(self) -> npt.NDArray[Any]:
        """RGB (H, W, 3), uint8 or uint16."""
        return self.photo.pixels

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        quality: int | None = None,
        signer: Signer | None = None,
    ) -> Path:
        """Write the photo with the AI-edited mark, and with Content Credentials if there is a ``signer``.

        Raises `ExistsError` if ``path`` exists (unless ``overwrite``), `WriteError` or `PhotoError` if it cannot be
        written, and `SignatureError` if it cannot be signed.
        """
        finish = None
        if signer:
            signer.check_format(path)
            suffix = Path(path).suffix
            finish = partial(signer.sign, suffix=suffix, mark=self.mark, original=self.original)
        return write_photo(
            self.photo, path, mark=self.mark, overwrite=overwrite, quality=quality, finish=finish
        )

    def save_layers(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the edit as layers over the original; see `write_layers`, which raises `PhotoError`."""
        edits = [part for change in self.changes for part in change.edits]
        return write_layers(
            self.original,
            edits,
            folder,
            mark=self.mark,
            detail_sigma=self.detail_sigma,
            overwrite=overwrite,
        )
