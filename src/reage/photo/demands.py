"""Work and memory that a file can demand of decoders however few pixels it has; refused before they open it.

A JPEG may go through its pixels any number of times, and each of these scans costs as much as a picture. Each tag in a
directory of TIFF or EXIF may claim the whole file as its value, of which Pillow keeps a copy a tag.
"""

from __future__ import annotations

import os
import re
import struct
from io import BytesIO
from typing import BinaryIO

from PIL.JpegImagePlugin import JpegImageFile

from reage.errors import PhotoError

_MAX_SCANS = 100
"""Scans of a JPEG file. Programs write up to about 20; libtiff has the same limit for JPEG in TIFF."""
_MAX_TAGS = 64 << 20
"""Bytes by which the values of all tags together may exceed the size of the file that they are parts of."""
_MAX_NUMBERS = 1_000_000
"""Numbers in one tag, such as the places of strips and tiles: in memory each is far larger than in the file."""

_MARKER = re.compile(rb"\xff([\xc0-\xc7\xc9-\xcf\xd9-\xef\xfe])")
"""The two bytes that begin a segment of a JPEG file, or end the file, as libjpeg and Pillow find them.

The other markers have no segment after them.
"""
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1

_DIRECTORIES = (0x8769, 0x8825, 0xA005)
"""Tags that point to further directories: Exif, GPS, and interoperability."""
_TEXTS = (1, 2, 6, 7)
"""Types whose values are bytes."""
_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
}  # fmt: skip
"""Size of a value of each of the types of TIFF 6.0 and BigTIFF."""


def open_jpeg(file: BinaryIO, name: str) -> JpegImageFile:
    """A JPEG file as Pillow opens it; raises `PhotoError` if it has too many scans, or tags that claim too much."""
    file.seek(0)
    scans, exif = _scans_and_exif(file.read())
    if scans > _MAX_SCANS:
        raise PhotoError(f"{name} has more than the {_MAX_SCANS} scans that are read; save it anew")
    check_tags(BytesIO(exif), name)
    file.seek(0)
    return JpegImageFile(file)


def check_tags(file: BinaryIO, name: str) -> None:
    """Check that the values of all tags of a TIFF file, or EXIF block, take no more than that file and 64 MB.

    Raises `PhotoError` otherwise, and for a tag of more than a million numbers. A file that is neither TIFF nor EXIF
    passes, and so do tags that end behind the file.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16)
    order, big = "<" if head[:2] == b"II" else ">", b"+" in head[2:4]
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    counts, inline = struct.Struct(order + ("Q" if big else "H")), 8 if big else 4
    claimed, seen = 0, set()
    waiting = [_number(head[8:16] if big else head[4:8], order)]
    while waiting:
        at = waiting.pop()
        if at in seen or at + counts.size > size:
            continue
        seen.add(at)
        file.seek(at)
        (count,) = counts.unpack(file.read(counts.size))
        entries = file.read(min(count * entry.size, size))
        for tag, kind, number, content in entry.iter_unpack(
            entries[: len(entries) // entry.size * entry.size]
        ):
            length = number * _BYTES.get(kind, 0)
            if number > _MAX_NUMBERS and kind not in _TEXTS:
                raise PhotoError(f"{name} is damaged: one of its tags has {number} numbers")
            if length > inline:
                claimed += max(0, min(length, size - _number(content, order)))
            elif tag in _DIRECTORIES:
                waiting.append(_number(content[:length], order))
    if claimed > size + _MAX_TAGS:
        raise PhotoError(f"{name} is damaged: its tags claim {claimed >> 20} MB, far more than it has")


def _number(content: bytes, order: str) -> int:
    return int.from_bytes(content, "little" if order == "<" else "big")


def _scans_and_exif(data: bytes) -> tuple[int, bytes]:
    """The number of scans of a JPEG file, and the EXIF block before the first, joined from all its segments.

    Counting ends with one scan too many.
    """
    scans, exif, at = 0, [], 0
    while scans <= _MAX_SCANS and (found := _MARKER.search(data, at)):
        marker, at = found[1][0], found.end()
        if marker == _END:
            if scans:
                break
            continue  # as Pillow does
        end = at + max(2, int.from_bytes(data[at : at + 2], "big"))
        if marker == _SCAN:
            scans += 1
        elif marker == _EXIF and not scans and data.startswith(b"Exif\0\0", at + 2):
            exif.append(data[at + 8 : end])
        at = end
    return scans, b"".join(exif)
