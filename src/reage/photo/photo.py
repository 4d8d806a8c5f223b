"""A decoded photograph: its pixels, and what else a file of it needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reage.arrays import Pixels, UInt8


def eight_bits(pixels: Pixels) -> UInt8:
    """``pixels`` with 8 bits, for networks and sheets: the upper bytes of ``uint16``; ``uint8`` as it is."""
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG file was coded. Coding it again in the same way changes the untouched parts least."""

    tables: tuple[list[int], list[int]]
    """Quantisation tables of luma and chroma, 64 values each, in natural order."""
    subsampling: int
    """0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0."""
    progressive: bool
    """Whether the file shows the whole picture coarsely first."""


@dataclass(frozen=True)
class PhotoMeta:
    """What is kept of a source file beside its pixels. The defaults suit pixels that came from no file."""

    format: str | None = None
    """``jpeg``, ``png``, ``webp``, ``tiff``, ``bmp`` or ``heic``."""
    path: Path | None = None
    """Where the file lies, if it was read from a path."""
    icc: bytes | None = field(default=None, repr=False)
    """ICC profile of the pixels; None means sRGB."""
    exif: bytes | None = field(default=None, repr=False)
    """EXIF block from its TIFF header on, with orientation 1 and without thumbnail."""
    xmp: bytes | None = field(default=None, repr=False)
    """XMP packet as found in the source."""
    dpi: tuple[float, float] | None = None
    """Horizontal and vertical resolution in pixels per inch."""
    was_greyscale: bool = False
    """Whether the source had one channel of brightness, which became three equal ones."""
    jpeg: JpegCoding | None = field(default=None, repr=False)
    """How the source was coded, if it is a JPEG of the usual kind."""
    lossless_webp: bool = False
    """Whether the source is a WebP coded without loss."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photograph, upright. Treat its arrays as read-only: edited copies share them.

    Shape: ``pixels`` (H, W, 3) RGB, ``uint8`` or ``uint16``, greyscale replicated to three channels;
    ``alpha`` (H, W) of the same type, not premultiplied, or None.
    Raises ValueError for arrays of other shapes or types.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    meta: PhotoMeta = field(default_factory=PhotoMeta)

    def __post_init__(self) -> None:
        pixels, alpha = self.pixels, self.alpha
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"pixels must be (H, W, 3) uint8 or uint16, not {pixels.shape} {pixels.dtype}")
        if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
            raise ValueError(
                f"alpha must be {pixels.shape[:2]} {pixels.dtype}, not {alpha.shape} {alpha.dtype}"
            )

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    def with_pixels(self, pixels: Pixels) -> Photo:
        """The same photograph with other ``pixels``; raises ValueError unless their shape and type are the same."""
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise ValueError(
                f"edited pixels must stay {self.pixels.shape} {self.pixels.dtype}, "
                f"not {pixels.shape} {pixels.dtype}"
            )
        return replace(self, pixels=pixels)
