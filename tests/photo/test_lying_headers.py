"""Files whose header states a small picture, and whose decoder would find a large one, are refused."""

from __future__ import annotations

import struct
import sys
import zlib

import numpy as np
import pytest
from image_samples import XMP, chunk, exif, pixels, png, saved, saved_tiff, smooth

from reage.errors import PhotoError, PixelLimitError
from reage.photo.files import Photo, encode_photo, read_photo, read_provenance

LIMIT = 400
"""Pixels that may be read; the pictures hidden in the files have more, what their headers state has fewer."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def header(width: int, height: int, depth: int = 8) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))


def lying_pngs() -> dict[str, bytes]:
    files = {}
    for name, honest in (("8 bits", saved(pixels(), "PNG")), ("16 bits", png(pixels(dtype=np.uint16)))):
        depth, small = honest[24], header(5, 5, honest[24])
        rows = zlib.compress(b"".join(b"\0" + bytes(5 * 3 * depth // 8) for _ in range(5)))
        other = chunk(b"tIME", struct.pack(">IIBBBBB", 5, 5, depth, 2, 0, 0, 0))
        files[f"a second header, {name}"] = SIGNATURE + small + honest[8:]
        files[f"a second header behind the data, {name}"] = (
            SIGNATURE + small + chunk(b"IDAT", rows) + honest[8:]
        )
        files[f"a chunk before the header, {name}"] = SIGNATURE + other + honest[8:]
    files["a huge second header"] = (
        SIGNATURE + header(5, 5) + header(22000, 22000) + saved(pixels(), "PNG")[33:]
    )
    return files


@pytest.mark.parametrize("kind", lying_pngs())
def test_a_png_has_one_header_and_it_comes_first(kind: str) -> None:
    data = lying_pngs()[kind]
    for read in (
        lambda: read_photo(data, max_pixels=LIMIT),
        lambda: read_photo(data),
        lambda: read_provenance(data),
    ):
        with pytest.raises(PhotoError, match="its first chunk, and no other, must be its header"):
            read()


def test_a_jpeg_with_two_headers() -> None:
    honest = saved(smooth(), "JPEG")
    at = honest.index(b"\xff\xc0")
    frame = honest[at : at + 2 + int.from_bytes(honest[at + 2 : at + 4], "big")]
    small = frame[:5] + struct.pack(">HH", 5, 5) + frame[9:]
    for frames in (small + frame, frame + small):
        with pytest.raises(PhotoError):
            read_photo(honest[:at] + frames + honest[at + len(frame) :], max_pixels=LIMIT)


@pytest.mark.parametrize("options", [{}, {"lossless": True}])
def test_a_webp_that_states_another_size(options: dict[str, bool]) -> None:
    honest = saved(smooth(), "WEBP", exif=exif(), **options)
    assert honest[12:16] == b"VP8X"
    with pytest.raises(PhotoError):
        read_photo(honest[:24] + struct.pack("<HBHB", 4, 0, 4, 0) + honest[30:], max_pixels=LIMIT)
    padded = b"JUNK" + struct.pack("<I", 10) + b"\0\0\0\0\0\0\5\0\5\0"
    size = struct.pack("<I", len(honest) - 8 + len(padded))
    with pytest.raises(PhotoError):
        read_photo(honest[:4] + size + b"WEBP" + padded + honest[12:], max_pixels=LIMIT)


@pytest.mark.parametrize("tag", [256, 257, 258, 277])
@pytest.mark.parametrize("kind", ["uint8", "uint8 zlib", "uint16", "uint16 zlib"])
def test_a_tiff_that_states_its_size_twice(kind: str, tag: int) -> None:
    depth, _, compression = kind.partition(" ")
    data = bytearray(
        saved_tiff(
            pixels(dtype=np.dtype(depth)),
            photometric="rgb",
            compression=compression or None,
            resolution=(72, 72),
        )
    )
    directory = int.from_bytes(data[4:8], "little")
    entries = [
        directory + 2 + 12 * i for i in range(int.from_bytes(data[directory : directory + 2], "little"))
    ]
    for at in entries:
        if int.from_bytes(data[at : at + 2], "little") == 296:  # the resolution's unit, which can be spared
            struct.pack_into("<HHII", data, at, tag, 3, 1, 5)
    with pytest.raises(PhotoError, match="it states its size twice"):
        read_photo(bytes(data))


@pytest.mark.parametrize("kind", ["uint8", "uint8 zlib", "uint16", "uint16 zlib"])
def test_a_tiff_with_tiles_much_larger_than_itself(kind: str) -> None:
    depth, _, compression = kind.partition(" ")
    options = {"photometric": "rgb", "compression": compression or None, "tile": (32, 32)}
    data = bytearray(saved_tiff(pixels(dtype=np.dtype(depth)), **options))
    assert read_photo(bytes(data)).width == 28
    directory = int.from_bytes(data[4:8], "little")
    entries = [
        directory + 2 + 12 * i for i in range(int.from_bytes(data[directory : directory + 2], "little"))
    ]
    for at in entries:
        tag = int.from_bytes(data[at : at + 2], "little")
        if tag in (322, 323):
            struct.pack_into("<HHII", data, at, tag, 4, 1, 1 << 15)
    with pytest.raises(PixelLimitError, match="megapixels"):
        read_photo(bytes(data))


def test_a_damaged_16_bit_tiff_is_told_by_the_error_alone(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(saved_tiff(pixels(dtype=np.uint16), photometric="rgb", compression="zlib"))
    data[-200:-100] = b"\x55" * 100
    with pytest.raises(PhotoError):
        read_photo(bytes(data))
    assert capfd.readouterr() == ("", "")


def test_a_damaged_16_bit_png_is_told_by_the_error_alone(capfd: pytest.CaptureFixture[str]) -> None:
    honest = png(pixels(dtype=np.uint16))
    at = honest.index(b"IDAT") + 40
    kind, content = b"IDAT", honest[at - 36 : honest.index(b"IEND") - 8]
    damaged = chunk(kind, content[:40] + b"\x55" * 40 + content[80:])
    with pytest.raises(PhotoError):
        read_photo(honest[: at - 44] + damaged + honest[-12:])
    assert capfd.readouterr() == ("", "")
    read_photo(png(pixels(dtype=np.uint16), (b"PLTE", b"12")))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="libtiff is no library apart")
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_a_damaged_8_bit_tiff_is_told_by_the_error_alone(
    compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(saved(smooth(), "TIFF", compression=compression))
    data[8:200] = b"\x55" * 192
    with pytest.raises(PhotoError):
        read_photo(bytes(data))
    assert capfd.readouterr() == ("", "")


def test_a_heic_that_states_another_size() -> None:
    pytest.importorskip("pillow_heif")
    honest = encode_photo(Photo(smooth(160, 192)), "heic", mark=None)
    stated = struct.pack(">II", 192, 160)
    assert stated in honest
    with pytest.raises(PhotoError):
        read_photo(honest.replace(stated, struct.pack(">II", 16, 16)), max_pixels=LIMIT)


@pytest.mark.parametrize("kind", [b"iTXt", b"zTXt"])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_png_with_a_thousand_compressed_texts_is_refused_at_once(kind: bytes, damaged: bool) -> None:
    packed = zlib.compress(bytes(16 << 20), 9)
    packed = packed[:-9] if damaged else packed
    text = b"XML:com.adobe.xmp\0" + (b"\1\0\0\0" if kind == b"iTXt" else b"\0") + packed
    whole = saved(pixels(), "PNG")
    data = whole[:33] + chunk(kind, text) * 1000 + whole[33:]
    with pytest.raises(PhotoError, match="compressed texts"):
        read_photo(data)
    with pytest.raises(PhotoError, match="compressed texts"):
        read_provenance(data)


def test_of_several_xmp_packets_the_first_counts() -> None:
    plain = b"XML:com.adobe.xmp\0\0\0\0\0"
    first, second = (b"iTXt", plain + XMP), (b"iTXt", plain + XMP.replace(b"Ann", b"Bob"))
    assert read_photo(png(pixels(dtype=np.uint16), first, second)).meta.xmp == XMP
