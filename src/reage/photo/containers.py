"""What image files say before they are decoded: their format, their size and their XMP packet."""

from __future__ import annotations

import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

from PIL import Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK

from reage.errors import PhotoError, one_line
from reage.files import checked_name
from reage.photo.demands import open_jpeg

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""The path of a file, the bytes of one, or a binary stream, which is read from its present position."""

# tifffile logs what is wrong with a file; without a handler, Python would print that on the user's screen.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_GIF_XMP = b"!\xff\x0bXMP DataXMP"
_GIF_XMP_END = bytes([1, *range(255, -1, -1), 0])
"""Programs that do not know XMP read the packet as blocks, each of which gives its own length. Whichever of these bytes
they take for a length leads to the end of this sequence."""
_UUID_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The box of an MP4 or QuickTime file that holds XMP (ISO 16684-3)."""
_MAX_XMP = 16 << 20
"""Bytes to which a compressed XMP packet may grow."""
_MAX_TEXTS = 64 << 20
"""Bytes to which all compressed texts of a PNG file may grow."""
_DEFLATE_RATIO = 1032
"""How many times its size a compressed text can grow at most."""


@contextmanager
def open_source(source: Source) -> Iterator[tuple[BinaryIO, str]]:
    """A seekable file of ``source``, and the name that messages give it; raises `PhotoError` if it cannot be opened."""
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        with _open(name) as file:
            yield (file if file.seekable() else _in_memory(file, name)), name
    elif isinstance(source, bytes):
        yield BytesIO(source), "the image data"
    else:
        name = str(getattr(source, "name", "the image data"))
        yield _in_memory(source, name), name


def _open(name: str) -> BinaryIO:
    try:
        return open(checked_name(name), "rb")
    except FileNotFoundError:
        raise PhotoError(f"{name} does not exist") from None
    except IsADirectoryError:
        raise PhotoError(f"{name} is a folder, not a photograph") from None
    except OSError as error:
        raise PhotoError(f"{name!r} cannot be read: {error.strerror or error}") from error


def _in_memory(stream: BinaryIO, name: str) -> BytesIO:
    try:
        return BytesIO(stream.read())
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise PhotoError(f"{name} cannot be read: {error}") from error


@contextmanager
def decoder_errors(name: str) -> Iterator[None]:
    """Turns whatever reading or decoding raises in the block into a `PhotoError` of one line, and silences warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except PhotoError:
            raise
        except MemoryError as error:
            raise PhotoError(f"{name} does not fit into memory") from error
        except Image.DecompressionBombError as error:  # for WebP and TIFF, Pillow has its own limit
            raise PhotoError(f"{name}: {error}; save it as JPEG or PNG, which have no such limit") from error
        except Exception as error:  # hostile bytes make decoders raise nearly any type
            if isinstance(error, OSError) and error.errno is not None:  # decoders give no number
                raise PhotoError(f"{name} cannot be read: {error.strerror}") from error
            raise PhotoError(f"{name} is truncated or damaged: {one_line(error)}") from error


def identify(file: BinaryIO, name: str) -> str:
    """The format of ``file``, as in `PhotoMeta.format`, by its first bytes; raises `PhotoError` for any other."""
    file.seek(0)
    head = file.read(12)
    file.seek(0)
    if not head:
        raise PhotoError(f"{name} is empty")
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head.startswith(b"BM"):
        return "bmp"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return "heic"
    raise PhotoError(f"{name} is not an image of a format read here (JPEG, PNG, WebP, TIFF, BMP, HEIC)")


def heif_module(name: str) -> Any:
    """The module ``pillow_heif``, which ``name`` needs; raises a `PhotoError` that says how to install it."""
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError(f'{name} needs HEIC support: pip install "reage[heic]"') from error
    return pillow_heif


def png_metadata(file: BinaryIO, name: str) -> tuple[bytes | None, bytes | None]:
    """The EXIF block and the first XMP packet of a PNG file, wherever they stand in it.

    Raises `PhotoError` if the file ends early, its header is not its first chunk and the only one, or its compressed
    texts may unpack to more than 64 MB in all: decoders unpack every one of them.
    """
    exif = xmp = None
    unpacked = 0
    for number, (kind, length) in enumerate(_png_chunks(file, name)):
        if (kind == b"IHDR") != (number == 0):
            raise PhotoError(f"{name} is damaged: its first chunk, and no other, must be its header (IHDR)")
        if kind == b"eXIf":
            exif = file.read(length)
        elif kind in (b"iTXt", b"zTXt"):
            content = file.read(length)
            if kind == b"zTXt" or content.partition(b"\0")[2][:1] == b"\1":
                unpacked += min(length * _DEFLATE_RATIO, MAX_TEXT_CHUNK)
            if unpacked > _MAX_TEXTS:
                raise PhotoError(f"{name} has compressed texts that may unpack to more than 64 MB")
            if kind == b"iTXt" and xmp is None:
                xmp = _xmp_of_text(content)
    return exif, xmp


def _png_chunks(file: BinaryIO, name: str) -> Iterator[tuple[bytes, int]]:
    """The type and length of each chunk of a PNG file; the file's position is then at the chunk's content."""
    size = file.seek(0, os.SEEK_END)
    at, kind = 8, b""
    while kind != b"IEND":
        file.seek(at)
        head = file.read(8)
        length, kind = struct.unpack(">I4s", head) if len(head) == 8 else (size, b"")
        if at + 12 + length > size:
            raise PhotoError(f"{name} is truncated")
        yield kind, length
        at += 12 + length
    file.seek(0)


def _xmp_of_text(content: bytes) -> bytes | None:
    """The XMP packet in the content of a PNG file's text chunk (iTXt), or None if it holds another text."""
    keyword, _, rest = content.partition(b"\0")
    if keyword != _XMP_KEYWORD:
        return None
    compressed = rest[:1] == b"\1"
    text = rest[2:].split(b"\0", 2)[2]  # after method, language and translated keyword
    return zlib.decompressobj().decompress(text, _MAX_XMP) if compressed else text


def webp_size(file: BinaryIO, name: str) -> tuple[int, int]:
    """Width and height in pixels of a WebP file, by its header; raises `PhotoError` if that is cut short or damaged."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(30)
    if len(head) < 30 or int.from_bytes(head[4:8], "little") + 8 > size:
        raise PhotoError(f"{name} is truncated")
    file.seek(0)
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] != b"VP8 ":
        raise PhotoError(f"{name} is damaged: it does not begin with its size")
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def xmp_packet(file: BinaryIO, name: str) -> bytes | None:
    """The XMP packet of a photograph or of a film (GIF, MP4, QuickTime), without decoding it; None if it has none."""
    with decoder_errors(name):
        file.seek(0)
        head = file.read(12)
        if head.startswith((b"GIF87a", b"GIF89a")):
            return _gif_packet(file)
        if head[4:8] == b"ftyp" and head[8:12] not in _HEIC_BRANDS:
            return _box_packet(file)
        kind = identify(file, name)
        if kind == "jpeg":
            return open_jpeg(file, name).info.get("xmp")
        if kind == "png":
            return png_metadata(file, name)[1]
        if kind == "webp":
            return _riff_chunk(file, b"XMP ")
        if kind == "tiff":
            return tiff_tag(file, 700)
        if kind == "heic":
            found: bytes | None = heif_module(name).HeifImageFile(file).info.get("xmp")
            return found
    return None


def webp_is_lossless(file: BinaryIO) -> bool:
    """Whether a WebP file, or the first frame of an animated one, is coded without loss."""
    kinds = (kind for kind, _ in _riff_chunks(file))
    return next((kind for kind in kinds if kind in (b"VP8 ", b"VP8L")), None) == b"VP8L"


def _riff_chunk(file: BinaryIO, wanted: bytes) -> bytes | None:
    return next((file.read(length) for kind, length in _riff_chunks(file) if kind == wanted), None)


def _riff_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The type and length of each chunk of a WebP file, those inside its frames included.

    The file's position is then at the chunk's content.
    """
    size = file.seek(0, os.SEEK_END)
    at = 12
    while at + 8 <= size:
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        yield kind, min(length, size)
        at += 8 + (
            16 if kind == b"ANMF" else length + length % 2
        )  # in a frame, its own chunks follow after 16 bytes


def _gif_packet(file: BinaryIO) -> bytes | None:
    file.seek(0)
    _, found, rest = file.read().partition(_GIF_XMP)
    packet, ended, _ = rest.partition(_GIF_XMP_END)
    return packet if found and ended else None


def _box_packet(file: BinaryIO) -> bytes | None:
    """The XMP packet in a box at the top level of an ISO base media file (MP4, QuickTime)."""
    size = file.seek(0, os.SEEK_END)
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:  # the true length follows, in 64 bits
            length = int.from_bytes(file.read(8), "big")
        if kind == b"uuid" and file.read(16) == _UUID_XMP:
            return file.read(min(at + length, size) - file.tell())
        at += length if length >= 8 else size
    return None


def gif_with_xmp(content: bytes, packet: bytes) -> bytes:
    """The ``content`` of a GIF file with an XMP packet added before its last byte, which ends the file."""
    return b"".join((content[:-1], _GIF_XMP, packet, _GIF_XMP_END, content[-1:]))


def xmp_box(packet: bytes) -> bytes:
    """A box with an XMP packet, to be appended to an MP4 or QuickTime file; nothing else in that file moves."""
    return struct.pack(">I4s", 24 + len(packet), b"uuid") + _UUID_XMP + packet


def tiff_tag(file: BinaryIO, code: int) -> bytes | None:
    """The bytes of the tag ``code`` in the first directory of a TIFF file; None if it has none."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tag = tiff.pages.first.tags.get(code)
        return bytes(tag.value) if tag is not None and isinstance(tag.value, bytes) else None


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file: length, type, content and checksum."""
    check = zlib.crc32(content, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(content)), kind, content, struct.pack(">I", check)))
