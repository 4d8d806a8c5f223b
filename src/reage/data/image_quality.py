"""Measures one image of a data set: damage, size, colour, sharpness, and a thumbnail to compare."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from reage.arrays import UInt8
from reage.data.duplicates import THUMBNAIL, thumbnail

MAX_GRAY_SPREAD = 5.0
"""Mean difference of the channels, in levels, up to which an image counts as grey: JPEG noise and faint toning stay
below."""


@dataclass(frozen=True)
class Measurement:
    """The measurements of one image; of a corrupt one only ``md5`` is valid."""

    width: int = 0
    height: int = 0
    corrupt: bool = True
    """Whether it cannot be decoded, or is truncated."""
    gray: bool = False
    """Whether it has no colour."""
    sharpness: float = 0.0
    """Variance of the Laplacian of the grey image, in squared levels: comparable between images of one size only."""
    md5: str = ""
    """The MD5 of the file, in hexadecimal; empty if there is no file, or nothing in it."""
    thumb: UInt8 = field(default_factory=lambda: np.zeros((THUMBNAIL, THUMBNAIL), np.uint8))
    """The grey image, reduced to (32, 32)."""


def measure(path: Path) -> Measurement:
    """Decode an image file and measure it. A file that is missing or no image is corrupt, not an error."""
    data = read_file(path)
    if not data:  # without an MD5, since empty files are not copies of one another
        return Measurement()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    image = None if _is_truncated(data) else decode(data)
    if image is None:
        return Measurement(md5=md5)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return Measurement(
        width=image.shape[1],
        height=image.shape[0],
        corrupt=False,
        gray=bool(np.ptp(image, axis=2).mean() < MAX_GRAY_SPREAD),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
        md5=md5,
        thumb=thumbnail(grey),
    )


def measure_all(
    paths: Sequence[Path], *, workers: int, progress: Callable[[int, int], None] | None = None
) -> Iterator[Measurement]:
    """`measure` the images at ``paths``, in order, in ``workers`` threads, for OpenCV releases the interpreter's lock.

    ``progress(done, total)`` is called after each image.
    """
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for done, result in enumerate(pool.map(measure, paths), start=1):
            if progress is not None:
                progress(done, len(paths))
            yield result


def read_file(path: Path) -> bytes:
    """The bytes of a file; none if there is no file, or it is a device or a pipe, which may have no end."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except (OSError, ValueError):  # ValueError: no file can have that name
        return b""


def decode(data: bytes) -> UInt8 | None:
    """The image (H, W, 3) BGR in the bytes of a file, or None if it is none."""
    try:
        image: UInt8 | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # raised for an empty buffer and for absurd sizes
        return None
    return image


def _is_truncated(data: bytes) -> bool:
    """Whether a part of the file is missing: OpenCV fills it with grey and says nothing, but Pillow raises."""
    if data.rstrip(b"\0").endswith((b"\xff\xd9", b"IEND\xaeB`\x82")):
        return False  # ends as JPEG and PNG must: spared the second decoding
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return True
    return False
