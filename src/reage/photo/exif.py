"""EXIF blocks: resetting the orientation, removing the thumbnail, and moving a block into and out of TIFF files.

After the Exif 2.32 and TIFF 6.0 standards. A block is changed in place rather than written anew, because the notes of
camera makers hold offsets that break when anything in the block moves.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any, BinaryIO

from reage.photo.demands import check_tags

_ORIENTATION = 0x0112
_THUMBNAIL_OFFSETS = (0x0201, 0x0111)
_THUMBNAIL_LENGTHS = (0x0202, 0x0117)
_SUB_IFDS = (0x8769, 0x8825)
"""Exif and GPS directories."""
_INTEROPERABILITY = 0xA005
_TEXT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
"""Description, make, model, software, date, artist, host, copyright."""


def clean_exif(exif: bytes | None) -> tuple[bytes | None, int | None]:
    """An EXIF block with its orientation reset to 1 and its thumbnail erased, and the orientation that it had.

    The orientation is None where the block has no valid one (1 to 8). A block that cannot be parsed gives (None, None),
    because its orientation cannot be reset.
    """
    block = bytearray((exif or b"").removeprefix(b"Exif\0\0"))
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None:
        return None, None
    try:
        orientation = _clean(block, order)
    except struct.error:
        return None, None
    return bytes(block), orientation


def _clean(block: bytearray, order: str) -> int | None:
    (ifd0,) = struct.unpack_from(order + "I", block, 4)
    orientation = None
    for tag, at in _entries(block, order, ifd0):
        if tag == _ORIENTATION:
            (value,) = struct.unpack_from(order + "H", block, at + 8)
            orientation = value if orientation is None and 1 <= value <= 8 else orientation
            struct.pack_into(order + "HIHH", block, at + 2, 3, 1, 1, 0)
    end = _end(block, order, ifd0)
    if end + 4 <= len(block):  # some writers leave out the pointer to a next directory
        (ifd1,) = struct.unpack_from(order + "I", block, end)
        struct.pack_into(order + "I", block, end, 0)
        if ifd1:
            _erase_thumbnail(block, order, ifd1, after=end + 4)
    return orientation


def _erase_thumbnail(block: bytearray, order: str, ifd1: int, *, after: int) -> None:
    """Erase the second directory (IFD1) and the thumbnail that it points to, which shows the unedited face.

    Bytes at the end of the block are cut off, others become zero.
    """
    values: dict[int, int] = {}
    for tag, at in _entries(block, order, ifd1):
        (kind,) = struct.unpack_from(order + "H", block, at + 2)
        values[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), block, at + 8)[0]
    regions = [(ifd1, _end(block, order, ifd1) + 4)]
    for offset_tag, length_tag in zip(_THUMBNAIL_OFFSETS, _THUMBNAIL_LENGTHS, strict=True):
        start = values.get(offset_tag, 0)
        regions.append((start, start + values.get(length_tag, 0)))
    for start, stop in sorted(regions, reverse=True):
        if not after <= start < stop:
            continue
        if stop >= len(block):
            del block[start:]
        else:
            block[start:stop] = bytes(stop - start)


def _entries(block: bytearray, order: str, ifd: int) -> list[tuple[int, int]]:
    """For each entry of the directory at ``ifd``, its tag and the position of its 12 bytes."""
    (count,) = struct.unpack_from(order + "H", block, ifd)
    positions = [ifd + 2 + 12 * index for index in range(count)]
    if positions and positions[-1] + 12 > len(block):
        raise struct.error("a directory runs past the end of the EXIF block")
    return [(struct.unpack_from(order + "H", block, at)[0], at) for at in positions]


def _end(block: bytearray, order: str, ifd: int) -> int:
    return ifd + 2 + 12 * int(struct.unpack_from(order + "H", block, ifd)[0])


def exif_of_tiff(file: BinaryIO) -> bytes | None:
    """The EXIF block that describes the picture in a TIFF file: texts, Exif and GPS directories, but not the coding."""
    from PIL import Image

    file.seek(0)
    source, kept = Image.Exif(), Image.Exif()
    try:
        source.load_from_fp(file)
        for tag in _TEXT_TAGS:
            if isinstance(source.get(tag), str):
                kept[tag] = source[tag]
        for tag in _SUB_IFDS:
            if tag in source and (directory := _without_links(source.get_ifd(tag))):
                kept[tag] = directory
        return kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else None
    except Exception:  # a damaged description must not keep a whole photograph from being read
        return None


def tiff_texts(exif: bytes | None) -> list[tuple[int, bytes]]:
    """The tags of an EXIF block that hold text, with that text, for the main directory of a TIFF file."""
    source = _load(exif)
    texts = [(tag, source.get(tag)) for tag in _TEXT_TAGS] if source else []
    return [(tag, text.encode()) for tag, text in texts if isinstance(text, str) and text]


def append_exif(tiff: bytes, exif: bytes | None) -> bytes:
    """A little-endian TIFF file with the Exif and GPS directories of ``exif`` added.

    They are appended, with a new main directory that points to them; nothing in the file moves.
    """
    (main,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, main)
    entries = [tiff[main + 2 + 12 * index : main + 14 + 12 * index] for index in range(count)]
    tail = bytearray(len(tiff) % 2)
    for tag, directory in _directories(exif, len(tiff) + len(tail)):
        entries.append(struct.pack("<HHII", tag, 4, 1, len(tiff) + len(tail)))
        tail += directory
    if len(entries) == count:
        return tiff
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    header = tiff[:4] + struct.pack("<I", len(tiff) + len(tail))
    tail += struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"".join((header, memoryview(tiff)[8:], tail))


def _directories(exif: bytes | None, offset: int) -> list[tuple[int, bytes]]:
    """The tag and bytes of the Exif and GPS directories of a block, to stand one after the other from ``offset`` on."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    source = _load(exif)
    if source is None:
        return []
    directories: list[tuple[int, bytes]] = []
    try:
        for tag in _SUB_IFDS:
            directory = ImageFileDirectory_v2(b"II\x2a\0\x08\0\0\0", group=tag)
            directory.update(_without_links(source.get_ifd(tag)))
            if len(directory):
                data = directory.tobytes(offset)
                data += bytes(len(data) % 2)
                directories.append((tag, data))
                offset += len(data)
    except Exception:  # Pillow cannot write some values again: a photo without them is better than none
        return []
    return directories


def _without_links(directory: dict[int, Any]) -> dict[int, Any]:
    return {tag: value for tag, value in directory.items() if tag != _INTEROPERABILITY}


def _load(exif: bytes | None) -> Any:
    from PIL import Image

    if not exif:
        return None
    loaded = Image.Exif()
    try:
        check_tags(BytesIO(exif), "EXIF")
        loaded.load(exif)
    except Exception:  # as above
        return None
    return loaded
