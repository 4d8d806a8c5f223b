"""Reading and writing photographs: the one door between the package and the file formats.

JPEG, PNG, WebP, TIFF and BMP are read, and HEIC with the extra ``heic``. All of these are written but BMP. Whatever a
file holds, the only error is `PhotoError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reage.files import refuse_existing, writing
from reage.photo.containers import Source, open_source
from reage.photo.decoding import decode
from reage.photo.encoding import WRITABLE_SUFFIXES, check_format, encode_photo
from reage.photo.photo import JpegCoding, Photo, PhotoMeta
from reage.photo.provenance import Provenance, read_provenance

__all__ = [
    "MAX_PIXELS",
    "WRITABLE_SUFFIXES",
    "JpegCoding",
    "Photo",
    "PhotoMeta",
    "Provenance",
    "check_format",
    "encode_photo",
    "read_photo",
    "read_provenance",
    "write_photo",
]

MAX_PIXELS = 200_000_000
"""The most pixels of a photograph that is read, unless the caller says otherwise."""


def read_photo(source: Source, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a photograph.

    The pixels are upright: the EXIF orientation is applied, then reset. 16-bit PNG and TIFF files keep 16 bits. CMYK
    is converted to sRGB through the embedded profile; any other profile is kept, and the pixels stay in its colours.
    An animation gives its first frame, a file of several pages its first page.

    Args:
        source: the path of a file, the bytes of one, or a binary stream.
        max_pixels: the most pixels that the photograph may have; this is checked before any of them is decoded.

    Raises:
        PhotoError: there is no such file, or it is not an image, damaged, or of a kind that is not read.
        PixelLimitError: it has more than ``max_pixels``; this is a `PhotoError`, too.

    Example:
        >>> photo = read_photo("me.jpg")
        >>> photo.width, photo.height, str(photo.pixels.dtype)
        (512, 512, 'uint8')
    """
    with open_source(source) as (file, name):
        photo = decode(file, name, max_pixels)
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    return replace(photo, meta=replace(photo.meta, path=path))


def write_photo(
    photo: Photo,
    path: str | os.PathLike[str],
    *,
    mark: Provenance | None,
    overwrite: bool = False,
    quality: int | None = None,
    finish: Callable[[Path], None] | None = None,
) -> Path:
    """Write a photograph in the format that the suffix of ``path`` names; returns ``path``.

    Folders are made as needed. The file appears whole or not at all: whatever goes wrong, an earlier file of that
    name stays as it was.

    Args:
        photo: what to write.
        path: where to; the suffix is one of `WRITABLE_SUFFIXES`.
        mark: what the file says about its making, in its XMP; None adds nothing.
        overwrite: whether to replace a file of that name.
        quality: 1 to 100, as in `encode_photo`.
        finish: is given the complete file, under a temporary name, and may change it, as signing does.

    Raises:
        ExistsError: there is a file of that name and ``overwrite`` is not set.
        WriteError: the system refuses to write there.
        PhotoError: the format is unknown, or cannot hold the photograph.

    Example:
        >>> photo = read_photo("me.jpg")
        >>> mark = Provenance(tool="reage 0.2", model="delta 1", faces=((34, 70),))
        >>> write_photo(photo, "new/me.png", mark=mark).name
        'me.png'
        >>> read_provenance("new/me.png")["faces"]
        [{'source_age': 34.0, 'target_age': 70.0}]
    """
    target = Path(path)
    refuse_existing(target, overwrite)
    data = encode_photo(photo, target.suffix, mark=mark, quality=quality)
    with writing(target) as part:
        with open(part, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if finish:
            finish(part)
    return target
