"""Cuts out the face for a network that paints a picture, and writes that picture."""

from __future__ import annotations

import os

import cv2
import numpy as np

from reage._version import __version__
from reage.arrays import UInt8
from reage.errors import ConfigError, NoFaceError
from reage.face.alignment import align_landmarks, warp
from reage.face.detection import FaceDetector
from reage.photo.files import Photo, Provenance, read_photo, write_photo
from reage.photo.photo import eight_bits

LARGEST = 4096
"""Largest side in pixels of an enlarged picture."""


def largest_face(image_path: str | os.PathLike[str], size: int, zoom: float = 1.0) -> UInt8:
    """The largest face of a picture in the aligned frame of ``size`` px, ``zoom`` times as large as there.

    Raises:
        PhotoError: the picture cannot be read.
        NoFaceError: it has no face.
    """
    pixels = eight_bits(read_photo(image_path).pixels)
    faces = FaceDetector().detect(pixels, only_largest=True)
    if not faces:
        raise NoFaceError(f"{image_path}: no face found")
    return warp(pixels, align_landmarks(faces[0].landmarks_photo, size, zoom), (size, size))


def require_enlargeable(size: int, upscale: int | None) -> None:
    """Raises `ConfigError` if pictures of ``size`` px cannot be enlarged to ``upscale`` px (None: as they are)."""
    if upscale is not None and not size <= upscale <= LARGEST:
        raise ConfigError(f"upscale must be {size} to {LARGEST} px for this picture, not {upscale}")


def enlarge(painted: UInt8, upscale: int | None) -> UInt8:
    """The picture (S, S, 3) enlarged to a side of ``upscale`` px; None leaves it as it is."""
    if upscale is None:
        return painted
    enlarged: UInt8 = cv2.resize(painted, (upscale, upscale), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    return enlarged


def write_painted(
    painted: UInt8, path: str | os.PathLike[str], *, model: str, edit: str, overwrite: bool
) -> None:
    """Write ``painted`` (S, S, 3), marked as edited by AI: with which ``model``, and what the ``edit`` was.

    Raises `ExistsError` and `WriteError`.
    """
    mark = Provenance(tool=f"reage {__version__}", model=model, edits=(edit,))
    write_photo(Photo(painted), path, mark=mark, overwrite=overwrite)
