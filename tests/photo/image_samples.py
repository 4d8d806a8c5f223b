"""Small image files made on the spot for the tests of reading and writing."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]
"""Bytes that call themselves a greyscale profile; nothing here evaluates it."""
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="uuid:1" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' xmp:Rating="4" xmp:CreatorTool="Camera" tiff:Orientation="1">'
    b"<dc:creator><rdf:Seq><rdf:li>Ann</rdf:li></rdf:Seq></dc:creator>"
    b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def pixels(height: int = 20, width: int = 28, channels: int = 3, dtype: Any = np.uint8) -> Any:
    """(H, W, C) with nothing symmetrical about it."""
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype)


def smooth(height: int = 40, width: int = 48) -> Any:
    """(H, W, 3) that lossy formats keep well."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([x * 4, y * 5, 255 - 2 * x - 2 * y]).astype(np.uint8)


def saved(array: Any, format: str, **options: Any) -> bytes:
    """The file that Pillow makes of an array or image."""
    file = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(file, format, **options)
    return file.getvalue()


def saved_tiff(array: Any, **options: Any) -> bytes:
    """The file that tifffile makes of an array."""
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, software=False, **options)
    return file.getvalue()


def png(array: Any, *extra: tuple[bytes, bytes], before: bool = True) -> bytes:
    """A 16-bit PNG of (H, W, C), unfiltered, with further chunks before or behind its data."""
    height, width, channels = array.shape
    rows = b"".join(b"\0" + row.tobytes() for row in array.astype(">u2").reshape(height, -1))
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))]
    data = (b"IDAT", zlib.compress(rows))
    chunks += [*extra, data] if before else [data, *extra]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in [*chunks, (b"IEND", b"")])


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def exif(orientation: int = 1, *, thumbnail: bytes = b"", order: str = "<") -> bytes:
    """An EXIF block: make, orientation, date, a maker note at a fixed place, and a thumbnail in IFD1."""

    def entry(tag: int, kind: int, count: int, value: Any) -> bytes:
        packed = struct.pack(order + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value]))
        return struct.pack(order + "HHI", tag, kind, count) + packed

    def directory(entries: list[bytes], following: int) -> bytes:
        body = struct.pack(order + "H", len(entries)) + b"".join(entries)
        return body + struct.pack(order + "I", following)

    ifd0, sub = 8, 8 + 2 + 3 * 12 + 4
    make, date = sub + 2 + 2 * 12 + 4, sub + 2 + 2 * 12 + 4 + 6
    note = date + 20
    ifd1 = note + 8
    picture = ifd1 + 2 + 2 * 12 + 4
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", ifd0)
    block += directory(
        [entry(0x10F, 2, 6, make), entry(0x112, 3, 1, orientation), entry(0x8769, 4, 1, sub)],
        ifd1 if thumbnail else 0,
    )
    block += directory([entry(0x9003, 2, 20, date), entry(0x927C, 7, 8, note)], 0)
    block += b"Canon\0" + b"2024:05:06 07:08:09\0" + b"makernot"
    if thumbnail:
        block += directory([entry(0x201, 4, 1, picture), entry(0x202, 4, 1, len(thumbnail))], 0) + thumbnail
    return block


def cmyk_profile() -> bytes:
    """A CMYK printer profile (ICC.1:2001, lut8Type) whose paper is white and whose every ink is mid-grey."""
    table = b"".join(
        bytes([255 if corner == 0 else 128, 128, 128])  # L*, a*, b* at the corners of the ink cube
        for corner in range(16)
    )
    identity = b"".join(struct.pack(">i", 65536 if index % 4 == 0 else 0) for index in range(9))
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags, body = b"", b""
    for name, content in ((b"A2B0", lut), (b"A2B1", lut), (b"wtpt", white)):
        tags += name + struct.pack(">II", 128 + 4 + 3 * 12 + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I", 128 + 4 + len(tags) + len(body)) + b"lcms" + b"\x02\x20\0\0" + b"prtrCMYKLab "
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", 3) + tags + body
