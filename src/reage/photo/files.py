"""Photographs in and out of files: the one door between the package and the file formats.

Read: JPEG, PNG, WebP, TIFF, BMP, and HEIC with the extra ``heic``. Written: the same but BMP. Whatever a file
holds, the only error is PhotoError.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reage.files import refuse_existing, writing
from reage.photo.containers import Source, opened
from reage.photo.decoding import decode
from reage.photo.encoding import WRITABLE_SUFFIXES, encode_photo
from reage.photo.photo import JpegCoding, Photo, PhotoMeta
from reage.photo.provenance import Provenance, read_provenance

__all__ = [
    "MAX_PIXELS",
    "WRITABLE_SUFFIXES",
    "JpegCoding",
    "Photo",
    "PhotoMeta",
    "Provenance",
    "encode_photo",
    "read_photo",
    "read_provenance",
    "write_photo",
]

MAX_PIXELS = 200_000_000
"""Pixels of the largest photograph read by default."""


def read_photo(source: Source, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode a photograph: a path, the bytes of a file, or a binary stream.

    The pixels come upright (EXIF orientation applied, then reset). 16-bit PNG and TIFF stay 16-bit; CMYK
    becomes sRGB through its embedded profile; any other profile is kept and the pixels are left in its
    colours. Of an animation or a file with several pages, the first is read.

    Raises PhotoError, and nothing else, for what is missing, no image, truncated, of a kind not read, or
    larger than ``max_pixels``, which is checked before any pixel is decoded.
    """
    with opened(source) as (file, name):
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
) -> Path:
    """Write ``photo`` in the format of the suffix of ``path``, as ``encode_photo`` does, and return the path.

    Folders are created as needed. The file appears whole or not at all: whatever goes wrong, an earlier file
    of that name stays as it was. Raises ExistsError if there is one and ``overwrite`` is not set, WriteError if
    the place cannot be written to, and PhotoError if the photo cannot be encoded in that format.
    """
    target = Path(path)
    refuse_existing(target, overwrite)
    data = encode_photo(photo, target.suffix, mark=mark, quality=quality)
    with writing(target) as part, open(part, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return target
