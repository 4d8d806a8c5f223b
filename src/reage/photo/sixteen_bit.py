"""Reading PNG and TIFF files with 16 bits a sample, and writing such PNG files: Pillow has no mode for their colours.

Samples are (H, W, C) ``uint16``: grey, grey and alpha, RGB, or RGB and alpha.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from reage.arrays import Pixels
from reage.errors import PhotoError
from reage.photo.containers import png_chunk

_ROWS = 64
"""Rows of a PNG filtered at a time."""
_ONE_AT_A_TIME = threading.Lock()
_SILENT = 0
"""OpenCV's level of logging for nothing at all."""


def read_png16(data: BinaryIO, name: str, colour: int) -> Pixels:
    """The samples of a 16-bit PNG with the colour type ``colour``; raises `PhotoError` if it is damaged."""
    samples = _through_opencv(_everything(data), name)
    return samples[..., [0, 3]] if colour == 4 else samples  # greyscale with alpha came as RGB with alpha


def read_tiff16(page: Any, data: BinaryIO, name: str) -> Pixels:
    """The samples of a 16-bit TIFF file, with white as the largest value and colours not multiplied by alpha.

    ``page`` is the file's first page, as tifffile gives it. Raises `PhotoError` if the file is damaged, or compressed
    in a way that is not read.
    """
    if page.compression == 1:
        samples: Pixels = page.asarray()
        samples = np.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples
        samples = samples if samples.ndim == 3 else samples[..., None]
    elif page.samplesperpixel == 1 or (page.samplesperpixel != 2 and page.planarconfig == 1):
        # Without imagecodecs, tifffile cannot read LZW; and it does not limit how large a strip may unpack.
        samples = _through_opencv(_without_orientation(page, data), name)
    else:
        raise PhotoError(
            f"{name} is a compressed 16-bit TIFF in separate planes or with greyscale and alpha, "
            "which is not read here; save it uncompressed or as PNG"
        )
    expected = (page.imagelength, page.imagewidth, page.samplesperpixel)
    if samples.shape != expected or samples.dtype != np.uint16:
        raise PhotoError(f"{name} is a TIFF of a kind not read here; save it as 16-bit PNG")
    if page.photometric == 0:
        samples = np.invert(samples)
    extra = int(page.extrasamples[0]) if page.extrasamples else None
    if extra == 0:  # a further channel, but not transparency
        return samples[..., :-1]
    return _not_premultiplied(samples) if extra == 1 else samples


def write_png16(samples: Pixels) -> bytes:
    """The bytes of a 16-bit PNG of samples (H, W) or (H, W, C).

    Written here because OpenCV cannot write greyscale with alpha.
    """
    height, width = samples.shape[:2]
    channels = samples.size // (height * width)
    rows = samples.reshape(height, width * channels)
    step = 2 * channels  # bytes to the same byte of the pixel on the left
    packer, packed = zlib.compressobj(4), []
    for top in range(0, height, _ROWS):
        raw = rows[top : top + _ROWS].astype(">u2").view(np.uint8)
        filtered = np.empty((len(raw), raw.shape[1] + 1), np.uint8)
        filtered[:, 0] = 1  # filter type Sub
        filtered[:, 1 : 1 + step] = raw[:, :step]
        np.subtract(raw[:, step:], raw[:, :-step], out=filtered[:, 1 + step :])
        packed.append(packer.compress(filtered.tobytes()))
    packed.append(packer.flush())
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    data = [png_chunk(b"IDAT", part) for part in packed if part]
    return b"".join((b"\x89PNG\r\n\x1a\n", header, *data, png_chunk(b"IEND", b"")))


def _without_orientation(page: Any, data: BinaryIO) -> bytes | bytearray:
    """The file with its orientation set to 1, because releases of OpenCV differ in whether they apply it."""
    tag = page.tags.get(274)
    everything = _everything(data)
    if tag is None:
        return everything
    patched = bytearray(everything)
    struct.pack_into(tag.parent.byteorder + "H", patched, tag.valueoffset, 1)
    return patched


def _not_premultiplied(samples: Pixels) -> Pixels:
    colour, alpha = samples[..., :-1], samples[..., -1:]
    scale = np.float32(65535) / np.maximum(alpha, 1)
    colour = np.minimum(colour * scale + 0.5, 65535).astype(np.uint16)
    return np.concatenate([colour, alpha], axis=2)


def _through_opencv(encoded: bytes | bytearray, name: str) -> Pixels:
    import cv2

    log = getattr(cv2.utils, "logging", cv2)  # where OpenCV 5 has it, and where 4 does
    level = log.getLogLevel()
    log.setLogLevel(_SILENT)  # the error below says in one line what is wrong
    try:
        with _without_words_of_libpng():
            samples: Pixels | None = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        log.setLogLevel(level)
    if samples is None:
        raise PhotoError(f"{name} is truncated or damaged")
    if samples.ndim == 2:
        return samples[..., None]
    swap = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}[samples.shape[2]]
    return np.asarray(cv2.cvtColor(samples, swap, dst=samples))


@contextmanager
def _without_words_of_libpng() -> Iterator[None]:
    """Suppress what libpng prints on standard error in the block, since OpenCV has no setting for that.

    What other threads print there meanwhile is printed after the block.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as said:
        before = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            said.seek(0)
            others = [line for line in said if not line.startswith(b"libpng ")]
            os.write(2, b"".join(others))


def _everything(data: BinaryIO) -> bytes:
    data.seek(0)
    return data.read()
