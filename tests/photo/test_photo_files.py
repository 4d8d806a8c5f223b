"""Photographs survive reading and writing; bad files give PhotoError and nothing else."""

from __future__ import annotations

import builtins
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from image_samples import (
    GREY_PROFILE,
    SRGB,
    XMP,
    chunk,
    cmyk_profile,
    exif,
    pixels,
    png,
    saved,
    saved_tiff,
    smooth,
)
from PIL import Image, ImageOps, JpegImagePlugin

from reage.errors import ExistsError, PhotoError, PixelLimitError, WriteError
from reage.photo.files import Photo, PhotoMeta, encode_photo, read_photo, write_photo

HEADED = b"Exif\0\0"


def reread(photo: Photo, format: str, quality: int | None = None) -> Photo:
    return read_photo(encode_photo(photo, format, mark=None, quality=quality))


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


# --- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_decode_exactly(format: str) -> None:
    array = pixels()
    photo = read_photo(saved(array, format))
    assert np.array_equal(photo.pixels, array)
    assert photo.alpha is None
    assert (photo.width, photo.height) == (28, 20)
    assert photo.meta.format == format.lower()
    assert not photo.meta.was_greyscale


def test_a_path_a_stream_and_bytes_are_the_same_photo(tmp_path: Path) -> None:
    data = saved(smooth(), "JPEG")
    path = tmp_path / "photo.of.a.jpeg.called.png"  # the content decides
    path.write_bytes(data)
    by_path, by_text = read_photo(path), read_photo(str(path))
    by_stream, by_bytes = read_photo(io.BytesIO(data)), read_photo(data)
    assert by_path.meta.format == "jpeg"
    assert by_path.meta.path == by_text.meta.path == path
    assert by_bytes.meta.path is None
    for other in (by_text, by_stream, by_bytes):
        assert np.array_equal(by_path.pixels, other.pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied_and_reset(format: str, orientation: int, order: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    data = saved(pixels(), format, exif=HEADED + exif(orientation, order=order), **options)
    photo = read_photo(data)
    upright = ImageOps.exif_transpose(opened(data))
    assert np.array_equal(photo.pixels, np.asarray(upright))
    for out in ("jpeg", "png", "webp", "tiff"):
        again = opened(encode_photo(photo, out, mark=None))
        assert again.size == upright.size
        assert again.getexif().get(0x112, 1) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_orientation_of_tiff(orientation: int, dtype: Any, compression: str | None) -> None:
    array = pixels(dtype=dtype)
    tag = [(274, 3, 1, orientation, True)]
    photo = read_photo(saved_tiff(array, photometric="rgb", compression=compression, extratags=tag))
    flagged = saved(
        (array >> 8 if dtype == np.uint16 else array).astype(np.uint8), "PNG", exif=exif(orientation)
    )
    upright = np.asarray(ImageOps.exif_transpose(opened(flagged)))
    assert np.array_equal(photo.pixels >> 8 if dtype == np.uint16 else photo.pixels, upright)


def test_xmp_orientation_counts_only_where_exif_has_none() -> None:
    xmp = XMP.replace(b'tiff:Orientation="1"', b'tiff:Orientation="6"')
    turned = read_photo(saved(pixels(), "JPEG", xmp=xmp))
    assert (turned.width, turned.height) == (20, 28)
    again = opened(encode_photo(turned, "jpeg", mark=None))
    assert ImageOps.exif_transpose(again).size == (20, 28)
    straight = read_photo(saved(pixels(), "JPEG", xmp=xmp, exif=HEADED + exif(1)))
    assert (straight.width, straight.height) == (28, 20)


def test_alpha_is_kept_apart() -> None:
    array = pixels(channels=4)
    for data in (saved(array, "PNG"), saved(array, "TIFF"), saved(array, "WEBP", lossless=True, exact=True)):
        photo = read_photo(data)
        assert np.array_equal(photo.pixels, array[..., :3])
        assert np.array_equal(photo.alpha, array[..., 3])


def test_greyscale_with_alpha() -> None:
    array = pixels(channels=2)
    photo = read_photo(saved(array, "PNG"))
    assert photo.meta.was_greyscale
    assert np.array_equal(photo.pixels, np.repeat(array[..., :1], 3, axis=2))
    assert np.array_equal(photo.alpha, array[..., 1])


@pytest.mark.parametrize("transparent", [False, True])
def test_palette(transparent: bool) -> None:
    image = Image.fromarray(smooth()).quantize(16)
    data = saved(image, "PNG", **({"transparency": 3} if transparent else {}))
    photo = read_photo(data)
    assert np.array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    expected = np.where(np.asarray(image) == 3, 0, 255)
    assert np.array_equal(photo.alpha, expected) if transparent else photo.alpha is None


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_transparent_colour_becomes_alpha(mode: str) -> None:
    image = Image.fromarray(smooth()).convert(mode)
    colour = image.getpixel((5, 5))
    photo = read_photo(saved(image, "PNG", transparency=colour))
    assert photo.alpha is not None
    assert photo.alpha[5, 5] == 0
    assert photo.alpha.max() == 255


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_decodes_exactly(channels: int) -> None:
    array = pixels(channels=channels, dtype=np.uint16)
    photo = read_photo(png(array))
    assert photo.pixels.dtype == np.uint16
    assert np.array_equal(photo.pixels, array[..., :3] if channels > 2 else np.repeat(array[..., :1], 3, 2))
    assert np.array_equal(photo.alpha, array[..., -1]) if channels in (2, 4) else photo.alpha is None


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}, {"byteorder": ">"}])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_decodes_exactly(channels: int, options: dict[str, Any]) -> None:
    array = pixels(channels=channels, dtype=np.uint16)
    kind: dict[str, Any] = {"photometric": "minisblack" if channels == 1 else "rgb"}
    if channels == 4:
        kind["extrasamples"] = ["unassalpha"]
    photo = read_photo(saved_tiff(array[..., 0] if channels == 1 else array, **kind, **options))
    assert photo.pixels.dtype == np.uint16
    assert np.array_equal(photo.pixels, array[..., :3] if channels > 1 else np.repeat(array, 3, 2))
    assert np.array_equal(photo.alpha, array[..., 3]) if channels == 4 else photo.alpha is None


def test_16_bit_tiff_of_other_programs() -> None:
    array = pixels(40, 56, dtype=np.uint16)
    ok, lzw = cv2.imencode(".tif", array[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert ok
    planes = saved_tiff(np.moveaxis(array, 2, 0).copy(), photometric="rgb", planarconfig="separate")
    tiles = saved_tiff(array, photometric="rgb", tile=(16, 16), compression="zlib")
    for data in (lzw.tobytes(), planes, tiles):
        assert np.array_equal(read_photo(data).pixels, array)
    dark = read_photo(saved_tiff(array[..., 0], photometric="miniswhite"))
    assert np.array_equal(dark.pixels[..., 0], 65535 - array[..., 0])


def test_premultiplied_alpha_is_undone() -> None:
    array = np.full((4, 4, 4), 16384, np.uint16)
    array[..., 3] = 32768
    photo = read_photo(saved_tiff(array, photometric="rgb", extrasamples=["assocalpha"]))
    assert np.all(abs(photo.pixels.astype(int) - 32767) <= 1)
    assert np.all(photo.alpha == 32768)


def test_tiff_kinds_that_are_refused() -> None:
    planes = np.moveaxis(pixels(dtype=np.uint16), 2, 0).copy()
    refused = [
        saved_tiff(pixels().astype(np.float32), photometric="rgb"),
        saved_tiff(pixels()[..., 0].astype(np.float32), photometric="minisblack"),
        saved_tiff(pixels()[..., 0].astype(np.int16), photometric="minisblack"),
        saved_tiff(pixels()[..., 0].astype(np.uint32), photometric="minisblack"),
        saved_tiff(pixels(channels=4, dtype=np.uint16), photometric="separated"),
        saved_tiff(planes, photometric="rgb", planarconfig="separate", compression="zlib"),
    ]
    for data in refused:
        with pytest.raises(PhotoError, match="not read here"):
            read_photo(data)


def test_only_the_first_page_or_frame_is_read() -> None:
    first, second = (Image.fromarray(pixels() // divisor) for divisor in (1, 2))
    for format, options in (("TIFF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = saved(first, format, save_all=True, append_images=[second], **options)
        assert np.array_equal(read_photo(data).pixels, np.asarray(first)), format


def test_cmyk_without_profile() -> None:
    image = Image.fromarray(smooth()).convert("CMYK")
    tiff = read_photo(saved(image, "TIFF"))
    assert np.array_equal(tiff.pixels, np.asarray(image.convert("RGB")))
    jpeg = read_photo(saved(image, "JPEG", quality=95))
    assert abs(jpeg.pixels.astype(int) - smooth()).mean() < 4
    assert jpeg.meta.jpeg is None


def test_cmyk_is_inverted_only_where_adobe_says_so() -> None:
    image = Image.fromarray(smooth()).convert("CMYK")
    data = saved(image, "JPEG", quality=95)
    start = data.index(b"\xff\xeeAdobe".replace(b"Adobe", b"\x00\x0eAdobe"))
    plain = read_photo(data[:start] + data[start + 16 :])
    assert (
        abs(plain.pixels.astype(int) - np.asarray(Image.eval(image, lambda v: 255 - v).convert("RGB"))).mean()
        < 4
    )


def test_cmyk_goes_through_its_profile_which_is_then_dropped() -> None:
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:, 4:, 0] = 255  # cyan on the right, which this profile prints as grey
    for format in ("TIFF", "JPEG"):
        photo = read_photo(saved(Image.fromarray(inks, "CMYK"), format, icc_profile=cmyk_profile()))
        left, right = photo.pixels[:, 0].astype(int), photo.pixels[:, -1].astype(int)
        assert np.all(left > 250)
        assert np.all(abs(right - right.mean()) < 6)
        assert photo.meta.icc is None


def test_a_broken_cmyk_profile_is_as_good_as_none() -> None:
    image = Image.fromarray(smooth()).convert("CMYK")
    photo = read_photo(saved(image, "TIFF", icc_profile=bytes(16) + b"CMYK" + bytes(200)))
    assert np.array_equal(photo.pixels, np.asarray(image.convert("RGB")))


# --- writing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["png", "tiff", "webp"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_round_trip(format: str, channels: int) -> None:
    photo = read_photo(saved(pixels(channels=channels).squeeze(), "PNG"))
    again = reread(photo, format, quality=100)
    assert np.array_equal(again.pixels, photo.pixels)
    assert (again.alpha is None) == (photo.alpha is None)
    assert photo.alpha is None or np.array_equal(again.alpha, photo.alpha)
    assert again.meta.was_greyscale == (photo.meta.was_greyscale and format != "webp")


@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(20, 28), (1, 1), (70, 3)])
def test_16_bit_round_trip(format: str, channels: int, size: tuple[int, int]) -> None:
    photo = read_photo(png(pixels(*size, channels, np.uint16)))
    again = reread(photo, format)
    assert again.pixels.dtype == np.uint16
    assert np.array_equal(again.pixels, photo.pixels)
    assert photo.alpha is None or np.array_equal(again.alpha, photo.alpha)
    assert again.meta.was_greyscale == photo.meta.was_greyscale


def test_16_bit_files_are_read_by_others() -> None:
    array = pixels(dtype=np.uint16)
    photo = Photo(array)
    by_opencv = cv2.imdecode(
        np.frombuffer(encode_photo(photo, "png", mark=None), np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert np.array_equal(by_opencv[..., ::-1], array)
    by_tifffile = tifffile.imread(io.BytesIO(encode_photo(photo, "tiff", mark=None)))
    assert np.array_equal(by_tifffile, array)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_16_bits_become_8_where_the_format_has_no_more(format: str) -> None:
    deep = Photo(smooth().astype(np.uint16) * 257)
    again = reread(deep, format)
    assert again.pixels.dtype == np.uint8
    assert abs(again.pixels.astype(int) - smooth()).mean() < 4


def test_a_jpeg_keeps_its_tables_and_subsampling() -> None:
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            data = saved(smooth(), "JPEG", quality=61, subsampling=subsampling, progressive=progressive)
            source, again = opened(data), opened(encode_photo(read_photo(data), "jpg", mark=None))
            assert again.quantization == source.quantization
            assert JpegImagePlugin.get_sampling(again) == subsampling
            assert ("progressive" in again.info) == progressive


def test_an_untouched_jpeg_barely_changes() -> None:
    source = read_photo(saved(smooth(), "JPEG", quality=80))
    assert abs(reread(source, "jpeg").pixels.astype(int) - source.pixels).mean() < 0.7


def test_quality_overrides_the_tables_of_the_source() -> None:
    source = read_photo(saved(smooth(), "JPEG", quality=30, subsampling=2))
    again = opened(encode_photo(source, "jpeg", mark=None, quality=90))
    assert again.quantization == opened(saved(smooth(), "JPEG", quality=90)).quantization
    assert JpegImagePlugin.get_sampling(again) == 0


def test_other_sources_become_jpeg_at_95_without_subsampling() -> None:
    again = opened(encode_photo(Photo(smooth()), "jpeg", mark=None))
    assert again.quantization == opened(saved(smooth(), "JPEG", quality=95)).quantization
    assert JpegImagePlugin.get_sampling(again) == 0


def test_a_lossless_webp_stays_so_unless_a_quality_is_given() -> None:
    array = pixels()
    others = {"save_all": True, "append_images": [Image.fromarray(array)]}
    for more in ({}, {"exif": exif()}, others):  # alone, with other chunks, and in the frame of an animation
        photo = read_photo(saved(array, "WEBP", lossless=True, **more))
        again = reread(photo, "webp")
        assert np.array_equal(again.pixels, array)
        assert again.meta.lossless_webp
        lossy = reread(photo, "webp", quality=95)
        assert not np.array_equal(lossy.pixels, array)
        assert not lossy.meta.lossless_webp
    for lossy_file in (saved(array, "WEBP"), saved(pixels(channels=4), "WEBP", exif=exif())):
        assert not read_photo(lossy_file).meta.lossless_webp


def test_unusual_jpegs_are_written_at_95() -> None:
    as_rgb = read_photo(saved(smooth(), "JPEG", quality=50, keep_rgb=True))
    assert as_rgb.meta.jpeg is None
    three = [[2 + index] * 64 for index in range(3)]
    photo = read_photo(saved(smooth(), "JPEG", qtables=three[:2]))
    assert photo.meta.jpeg is not None
    assert photo.meta.jpeg.tables == (three[0], three[1])


@pytest.mark.parametrize("format", ["jpeg", "png", "tiff"])
def test_grey_stays_grey_until_it_is_coloured(format: str) -> None:
    grey = smooth()[..., 0]
    photo = read_photo(saved(grey, "PNG", icc_profile=GREY_PROFILE))
    kept = opened(encode_photo(photo, format, mark=None))
    assert kept.mode == "L"
    assert kept.info["icc_profile"] == GREY_PROFILE
    tinted = photo.pixels.copy()
    tinted[0, 0] = (255, 0, 0)
    coloured = opened(encode_photo(photo.with_pixels(tinted), format, mark=None))
    assert coloured.mode == "RGB"
    assert "icc_profile" not in coloured.info


def test_a_grey_jpeg_that_is_coloured_keeps_its_table() -> None:
    photo = read_photo(saved(smooth()[..., 0], "JPEG", quality=70))
    coloured = opened(encode_photo(photo.with_pixels(smooth()), "jpeg", mark=None))
    assert coloured.mode == "RGB"
    assert photo.meta.jpeg is not None
    assert list(coloured.quantization[0]) == photo.meta.jpeg.tables[0]


def test_transparency_is_refused_by_jpeg_unless_there_is_none() -> None:
    array = pixels(channels=4)
    with pytest.raises(PhotoError, match=r"\.png"):
        encode_photo(read_photo(saved(array, "PNG")), "jpeg", mark=None)
    array[..., 3] = 255
    assert reread(read_photo(saved(array, "PNG")), "jpeg").alpha is None


@pytest.mark.parametrize("out", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "PNG16", "TIFF16", "TIFF"])
def test_profile_exif_xmp_and_dpi_survive(source: str, out: str) -> None:
    options = {"icc_profile": SRGB, "exif": HEADED + exif(), "dpi": (300, 300)}
    if source in ("PNG16", "TIFF16"):
        meta = read_photo(saved(pixels(), "JPEG", **options)).meta
        data = encode_photo(Photo(pixels(dtype=np.uint16), None, meta), source[:-2], mark=None)
    else:
        data = saved(pixels(), source, **options)
    photo = read_photo(data)
    again = opened(encode_photo(photo, out, mark=None))
    assert again.info["icc_profile"] == SRGB
    assert again.getexif()[0x10F] == "Canon"
    details = again.getexif().get_ifd(0x8769)
    assert details[0x9003] == "2024:05:06 07:08:09"
    assert details[0x927C] == b"makernot"
    if "WEBP" not in (source, out.upper()):
        assert again.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert read_photo(encode_photo(photo, out, mark=None)).meta.exif is not None


def test_16_bit_png_metadata_behind_the_data_is_found() -> None:
    text = (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    photo = read_photo(png(pixels(dtype=np.uint16), (b"eXIf", exif(6)), text, before=False))
    assert photo.meta.xmp == XMP
    assert (photo.width, photo.height) == (20, 28)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_is_dropped_and_the_rest_of_exif_stays_in_place(order: str) -> None:
    thumbnail = saved(pixels(), "JPEG")
    before = exif(1, thumbnail=thumbnail, order=order)
    for block in (before, before + b"tail"):
        photo = read_photo(saved(smooth(), "JPEG", exif=HEADED + block))
        assert photo.meta.exif is not None
        assert photo.meta.exif.find(b"makernot") == block.find(b"makernot")
        for out in ("jpeg", "png", "webp", "tiff"):
            data = encode_photo(photo, out, mark=None)
            assert thumbnail[-90:-10] not in data
            assert opened(data).getexif().get_ifd(1) == {}


@pytest.mark.parametrize(
    "block", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"XX*\0" + bytes(40), exif()[:30], exif()[:60]]
)
def test_damaged_exif_does_not_stop_a_photo(block: bytes) -> None:
    photo = read_photo(saved(smooth(), "JPEG", exif=HEADED + block))
    for out in ("png", "tiff"):
        assert np.array_equal(reread(photo, out).pixels, photo.pixels)
    for out in ("jpeg", "webp"):
        assert abs(reread(photo, out).pixels.astype(int) - photo.pixels).mean() < 4


def test_long_exif_is_left_out_of_jpeg_only() -> None:
    photo = Photo(smooth(), None, PhotoMeta(exif=exif() + bytes(70000)))
    assert reread(photo, "jpeg").meta.exif is None
    assert reread(photo, "png").meta.exif is not None


def test_pixels_without_a_source_can_be_written(tmp_path: Path) -> None:
    for suffix in (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".PNG"):
        path = write_photo(Photo(smooth()), tmp_path / f"photo{suffix}", mark=None)
        lossless = suffix in (".png", ".tif", ".tiff", ".PNG")
        assert abs(read_photo(path).pixels.astype(int) - smooth()).mean() <= (0 if lossless else 4)


def test_with_pixels_keeps_everything_else() -> None:
    photo = read_photo(saved(pixels(channels=4), "PNG"))
    edited = photo.with_pixels(255 - photo.pixels)
    assert edited.alpha is photo.alpha
    assert edited.meta is photo.meta
    with pytest.raises(ValueError, match="must stay"):
        photo.with_pixels(photo.pixels[1:])
    with pytest.raises(ValueError, match="must be"):
        Photo(photo.pixels[..., 0])
    with pytest.raises(ValueError, match="alpha must be"):
        Photo(photo.pixels, photo.pixels)


def test_formats_that_cannot_be_written() -> None:
    for format in ("bmp", ".gif", "", "jpeg2000"):
        with pytest.raises(PhotoError, match="cannot write"):
            encode_photo(Photo(smooth()), format, mark=None)
    for quality in (0, 101, -1):
        with pytest.raises(PhotoError, match="1 to 100"):
            encode_photo(Photo(smooth()), "jpeg", mark=None, quality=quality)
    with pytest.raises(PhotoError, match="16383"):
        encode_photo(Photo(np.zeros((1, 16384, 3), np.uint8)), "webp", mark=None)


# --- files -----------------------------------------------------------------------------------------------


def test_an_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "photo.png"
    assert write_photo(Photo(smooth()), path, mark=None) == path
    before = path.read_bytes()
    with pytest.raises(ExistsError, match="exists already"):
        write_photo(Photo(pixels()), path, mark=None)
    assert path.read_bytes() == before
    write_photo(Photo(pixels()), path, mark=None, overwrite=True)
    assert np.array_equal(read_photo(path).pixels, pixels())
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_a_failure_leaves_the_old_file(failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(WriteError, match=r"photo\.png' cannot be written: No space left"):
        write_photo(Photo(smooth()), path, mark=None, overwrite=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_photo_that_cannot_be_encoded_leaves_no_trace(tmp_path: Path) -> None:
    photo = read_photo(saved(pixels(channels=4), "PNG"))
    with pytest.raises(PhotoError):
        write_photo(photo, tmp_path / "sub" / "photo.jpg", mark=None)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(WriteError, match="cannot be written"):
        write_photo(Photo(smooth()), tmp_path / "file" / "photo.png", mark=None)
    with pytest.raises(WriteError, match="is a folder"):
        write_photo(Photo(smooth()), tmp_path / "folder.png", mark=None, overwrite=True)
    for name in ("n" * 300 + ".png", "nul\0.png"):
        with pytest.raises(WriteError, match="cannot be written"):
            write_photo(Photo(smooth()), tmp_path / name, mark=None)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="cannot be written"):
        write_photo(Photo(smooth()), tmp_path / "photo.png", mark=None)
    tmp_path.chmod(0o700)


# --- bad input -------------------------------------------------------------------------------------------


def samples() -> dict[str, bytes]:
    """One file of every kind that has a reader of its own."""
    deep = pixels(channels=3, dtype=np.uint16)
    return {
        "jpeg": saved(smooth(), "JPEG", exif=HEADED + exif(6), icc_profile=SRGB, xmp=XMP),
        "progressive": saved(smooth(), "JPEG", progressive=True),
        "png": saved(pixels(), "PNG", exif=exif(6), icc_profile=SRGB),
        "png16": png(deep, (b"eXIf", exif(6))),
        "webp": saved(smooth(), "WEBP", exif=exif(6), icc_profile=SRGB, xmp=XMP),
        "webp lossless": saved(pixels(channels=4), "WEBP", lossless=True),
        "bmp": saved(pixels(), "BMP"),
        "tiff": saved(pixels(), "TIFF", icc_profile=SRGB),
        "tiff lzw": saved(pixels(), "TIFF", compression="tiff_lzw"),
        "tiff16": saved_tiff(deep, photometric="rgb"),
        "tiff16 zip": saved_tiff(deep, photometric="rgb", compression="zlib"),
    }


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a photograph")
    for name, message in (
        ("none.jpg", "does not exist"),
        ("empty.jpg", "is empty"),
        ("text.jpg", "is not an image"),
    ):
        with pytest.raises(PhotoError, match=f"{name} {message}"):
            read_photo(tmp_path / name)
    with pytest.raises(PhotoError, match="is a folder"):
        read_photo(tmp_path)
    for name in ("nul\0.jpg", "n" * 300, tmp_path / "text.jpg" / "photo.jpg"):
        with pytest.raises(PhotoError, match="cannot be read"):
            read_photo(name)
    for data in (b"", saved(pixels(), "GIF"), b"%PDF-1.7", b"<svg/>", b"\0" * 100):
        with pytest.raises(PhotoError):
            read_photo(data)


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(PhotoError, match=r"photo\.jpg' cannot be read: Permission denied"):
        read_photo(tmp_path / "photo.jpg")


def test_a_closed_stream() -> None:
    stream = io.BytesIO(saved(pixels(), "PNG"))
    stream.close()
    with pytest.raises(PhotoError, match="cannot be read"):
        read_photo(stream)


@pytest.mark.parametrize("kind", samples())
def test_truncated_files(kind: str, tmp_path: Path) -> None:
    data = samples()[kind]
    read_photo(data)
    lengths = [1, 3, 8, 11, 12, 16, 25, 29, 40, 100, len(data) // 4, len(data) // 2, len(data) * 9 // 10]
    for length in lengths:
        with pytest.raises(PhotoError) as caught:
            read_photo(data[:length])
        assert length < 12 or "is truncated" in str(caught.value)


@pytest.mark.parametrize("kind", samples())
def test_damaged_files_give_a_photo_or_a_photo_error(kind: str) -> None:
    data, random = samples()[kind], np.random.default_rng(3)
    for _ in range(60):
        damaged = bytearray(data)
        for at in random.integers(4, min(len(data), 400), 3):
            damaged[at] = random.integers(256)
        try:
            photo = read_photo(bytes(damaged), max_pixels=100_000)
            for out in ("png", "jpeg", "tiff"):
                encode_photo(photo, out, mark=None)
        except PhotoError:
            pass


@pytest.mark.parametrize("magic", [data[:12] for data in samples().values()])
def test_random_bytes_behind_a_signature(magic: bytes) -> None:
    random = np.random.default_rng(5)
    for length in (0, 8, 50, 500):
        with pytest.raises(PhotoError):
            read_photo(magic + random.bytes(length))


@pytest.mark.parametrize("kind", samples())
def test_the_size_is_checked_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.core, "new", never)
    monkeypatch.setattr(cv2, "imdecode", never)
    with pytest.raises(PhotoError, match=r"megapixels .* more than the limit of 0.0001"):
        read_photo(samples()[kind], max_pixels=100)


def test_bombs_with_huge_headers() -> None:
    header = chunk(b"IHDR", b"\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0")
    huge_png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    huge_webp = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\xff" * 2 + bytes(20)
    jpeg = saved(smooth(), "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    huge_jpeg = jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :]
    for data in (huge_png, huge_webp, huge_jpeg):
        with pytest.raises(PixelLimitError, match=r"megapixels .* more than the limit of 200$"):
            read_photo(data)


def test_pillows_own_bomb_guard_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for kind in ("jpeg", "progressive", "png", "png16", "bmp", "tiff16"):
        read_photo(samples()[kind])
    for kind in ("tiff", "tiff lzw"):  # the guard cannot be passed by
        with pytest.raises(PhotoError, match="save it as JPEG or PNG"):
            read_photo(samples()[kind])
    with suppress(PhotoError):  # nor for WebP, in newer releases
        read_photo(samples()["webp"])


def test_heic_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match=r'pip install "reage\[heic\]"'):
        read_photo(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(PhotoError, match=r'pip install "reage\[heic\]"'):
        encode_photo(Photo(smooth()), ".heic", mark=None)


def test_heic_with_its_library() -> None:
    pytest.importorskip("pillow_heif")
    meta = read_photo(saved(smooth(), "JPEG", exif=HEADED + exif(), icc_profile=SRGB, xmp=XMP)).meta
    for alpha in (None, smooth()[..., 0]):
        data = encode_photo(Photo(smooth(), alpha, meta), "heic", mark=None)
        photo = read_photo(data)
        assert abs(photo.pixels.astype(int) - smooth()).mean() < 5
        assert (photo.alpha is None) == (alpha is None)
        assert photo.meta.icc == SRGB
        assert photo.meta.exif == meta.exif
        for length in (13, 100, len(data) // 2):
            with pytest.raises(PhotoError):
                read_photo(data[:length])
        with pytest.raises(PhotoError, match=r"megapixels"):
            read_photo(data, max_pixels=100)


def test_damaged_heic_is_told_in_one_line() -> None:
    pytest.importorskip("pillow_heif")
    data, random = encode_photo(Photo(smooth()), "heic", mark=None), np.random.default_rng(3)
    refusals = []
    for _ in range(150):
        damaged = bytearray(data)
        for at in random.integers(12, 400, 3):
            damaged[at] = random.integers(256)
        try:
            read_photo(bytes(damaged), max_pixels=100_000)
        except PhotoError as error:
            refusals.append(error)
    assert any("\n" in str(error.__cause__) for error in refusals)  # as libheif words it
    assert not any("\n" in str(error) for error in refusals)
