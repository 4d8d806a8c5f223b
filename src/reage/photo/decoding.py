"""Decoding image files of every format.

The format is recognised by the content, and the pixels come out upright. The size is checked three times: where the
file states it, where the decoder states it before it decodes, and of the pixels that came out.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from reage.arrays import Pixels
from reage.errors import PhotoError, PixelLimitError
from reage.photo.containers import (
    decoder_errors,
    heif_module,
    identify,
    png_metadata,
    webp_is_lossless,
    webp_size,
)
from reage.photo.demands import check_tags, open_jpeg
from reage.photo.exif import clean_exif, exif_of_tiff
from reage.photo.photo import JpegCoding, Photo, PhotoMeta
from reage.photo.provenance import xmp_orientation
from reage.photo.sixteen_bit import read_png16, read_tiff16

_MODES = {
    "1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBX": "RGB",
    "RGBA": "RGBA", "RGBa": "RGBA", "YCbCr": "RGB",
}  # fmt: skip
"""For each of Pillow's modes of 8-bit images, the mode that it is converted to."""

_ROWS = 512
"""Rows of pixels that are taken from Pillow at a time."""

_TIFF_COLOURS = {0: "white is zero", 1: "black is zero", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}

_TIFF_SIZES = (256, 257, 258, 277, 322, 323)
"""Tags that say how much memory an image takes: its width and height, bits of a sample, samples of a pixel, and the
width and height of a tile."""


@dataclass(frozen=True)
class _Raster:
    """What the reader of a format returns."""

    samples: Pixels
    """(H, W, C) as stored: grey, grey and alpha, RGB, or RGB and alpha."""
    meta: PhotoMeta
    orientation: int = 1
    """The EXIF orientation that is still to be applied."""


@dataclass(frozen=True)
class _File:
    """A file to be decoded, its name for messages, and the most pixels that it may have."""

    data: BinaryIO
    name: str
    max_pixels: int

    def check_size(self, width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise PhotoError(f"{self.name} is truncated or damaged: it has no pixels")
        if width * height > self.max_pixels:
            raise PixelLimitError(
                f"{self.name} has {width * height / 1e6:.4g} megapixels ({width} x {height}), more than the "
                f"limit of {self.max_pixels / 1e6:.4g}"
            )


def decode(data: BinaryIO, name: str, max_pixels: int) -> Photo:
    """The photograph in a seekable file; ``name`` is for messages. Raises `PhotoError` and nothing else."""
    with decoder_errors(name):
        file = _File(data, name, max_pixels)
        raster = _READERS[identify(data, name)](file)
        height, width = raster.samples.shape[:2]
        file.check_size(width, height)  # a header may lie; this is what the decoder made of the file
        return _upright(raster)


def _upright(raster: _Raster) -> Photo:
    samples = _turned(raster.samples, raster.orientation)
    channels = samples.shape[2]
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    grey = channels <= 2
    pixels = np.repeat(samples[..., :1], 3, axis=2) if grey else np.ascontiguousarray(samples[..., :3])
    return Photo(pixels, alpha, replace(raster.meta, was_greyscale=grey))


def _turned(samples: Pixels, orientation: int) -> Pixels:
    """A view of samples (H, W, C), flipped and transposed as the EXIF ``orientation`` (1 to 8) says."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _read_jpeg(file: _File) -> _Raster:
    image = open_jpeg(file.data, file.name)
    _load(image, file)
    meta, orientation = _meta("jpeg", image.info)
    if image.mode == "CMYK":
        # Adobe's programs store CMYK inverted, and mark such files. Pillow inverts all CMYK, marked or not.
        return _Raster(_cmyk(image, inverted="adobe" not in image.info), replace(meta, icc=None), orientation)
    return _Raster(_samples(image, file), replace(meta, jpeg=_jpeg_coding(image)), orientation)


def _jpeg_coding(image: JpegImagePlugin.JpegImageFile) -> JpegCoding | None:
    """Tables and subsampling, if they are of the usual kind: luma, and two chroma channels that share a table."""
    tables = [image.quantization.get(component[3]) for component in image.layer]
    luma, chroma = tables[0], tables[-1]
    unusual = image.info.get("adobe_transform") == 0 or any(table != chroma for table in tables[1:])
    if luma is None or chroma is None or (len(tables) == 3 and unusual):
        return None
    sampling = max(JpegImagePlugin.get_sampling(image), 0)
    return JpegCoding((list(luma), list(chroma)), sampling, bool(image.info.get("progressive")))


def _read_png(file: _File) -> _Raster:
    file.data.seek(0)
    head = file.data.read(26)
    if len(head) < 26:
        raise PhotoError(f"{file.name} is truncated")
    exif, xmp = png_metadata(file.data, file.name)  # raises unless these bytes are the header
    width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
    file.check_size(width, height)
    image = PngImagePlugin.PngImageFile(file.data)
    meta, orientation = _meta("png", {**image.info, "exif": exif, "xmp": xmp})
    if depth == 16:
        del image
        return _Raster(read_png16(file.data, file.name, colour), meta, orientation)
    _load(image, file)
    return _Raster(_samples(image, file), meta, orientation)


def _read_webp(file: _File) -> _Raster:
    file.check_size(*webp_size(file.data, file.name))
    lossless = webp_is_lossless(file.data)
    file.data.seek(0)
    image = WebPImagePlugin.WebPImageFile(file.data)
    _load(image, file)
    meta, orientation = _meta("webp", image.info)
    return _Raster(_samples(image, file), replace(meta, lossless_webp=lossless), orientation)


def _read_bmp(file: _File) -> _Raster:
    image = BmpImagePlugin.BmpImageFile(file.data)
    _load(image, file)
    return _Raster(_samples(image, file), _meta("bmp", image.info)[0])


def _read_heic(file: _File) -> _Raster:
    image = heif_module(file.name).HeifImageFile(file.data)
    _load(image, file)
    return _Raster(_samples(image, file), _meta("heic", image.info)[0])  # libheif has turned it upright


def _read_tiff(file: _File) -> _Raster:
    import tifffile

    check_tags(file.data, file.name)
    file.data.seek(0)
    with tifffile.TiffFile(file.data) as tiff:
        page = tiff.pages.first
        file.check_size(page.imagewidth, page.imagelength)
        _check_tiff(page, file)
        info = _tiff_info(page)
        info["exif"] = exif_of_tiff(file.data)
        meta, orientation = _meta("tiff", info)
        if page.bitspersample == 16:
            return _Raster(
                read_tiff16(page, file.data, file.name), meta, _tiff_orientation(page) or orientation
            )
    from PIL import TiffImagePlugin

    _silence_libtiff()
    file.data.seek(0)
    image = TiffImagePlugin.TiffImageFile(file.data)
    _load(image, file)  # for TIFF, this also turns it upright
    if image.mode == "CMYK":
        return _Raster(_cmyk(image), replace(meta, icc=None))
    return _Raster(_samples(image, file), meta)


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing on standard error what is wrong with a file: Pillow's error tells it, too.

    Pillow has no setting for that. Libtiff has one, which can be called where libtiff is a library of its own.
    """
    import ctypes

    try:
        silence = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        return
    silence.restype, silence.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    silence(None)


def _check_tiff(page: Any, file: _File) -> None:
    """Refuse a TIFF file of a kind that is not read, and one that is cut short."""
    if any(len(page.tags.getall(tag, [])) > 1 for tag in _TIFF_SIZES):  # decoders differ in which they take
        raise PhotoError(f"{file.name} is damaged: it states its size twice")
    if page.is_tiled:  # a tile is decoded whole, however little of it the image shows
        file.check_size(page.tilewidth, page.tilelength)
    bits, kind = page.bitspersample, getattr(page.dtype, "kind", "")
    plain = page.samplesperpixel in {0: (1, 2), 1: (1, 2), 2: (3, 4)}.get(page.photometric, ())
    if (
        kind not in ("u", "b")
        or bits not in (1, 2, 4, 8, 16)
        or page.photometric not in _TIFF_COLOURS
        or (bits == 16 and not plain)
        or page.imagedepth != 1
    ):
        sort = {"f": "floating-point", "i": "signed", "c": "complex"}.get(kind, "")
        colour = _TIFF_COLOURS.get(page.photometric, getattr(page.photometric, "name", page.photometric))
        raise PhotoError(
            f"{file.name} is a TIFF of a kind not read here ({bits}-bit {sort} samples, {colour}); "
            "save it with 8 or 16 bits, as greyscale or RGB"
        )
    size = file.data.seek(0, os.SEEK_END)
    ends = (at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    if not page.dataoffsets or max(ends) > size:
        raise PhotoError(f"{file.name} is truncated")


def _tiff_info(page: Any) -> dict[str, Any]:
    """The metadata of a page, under the names that Pillow gives them."""
    tags = page.tags
    info = {"icc_profile": tags.valueof(34675), "xmp": tags.valueof(700)}
    info = {key: value if isinstance(value, bytes) else None for key, value in info.items()}
    unit = {2: 1.0, 3: 2.54}.get(tags.valueof(296, 2))
    resolution = [tags.valueof(282), tags.valueof(283)]
    if unit and all(isinstance(value, tuple) and len(value) == 2 and value[1] for value in resolution):
        return {**info, "dpi": [value[0] / value[1] * unit for value in resolution]}
    return info


def _tiff_orientation(page: Any) -> int | None:
    value = page.tags.valueof(274)
    return int(value) if value in range(1, 9) else None


def _load(image: Image.Image, file: _File) -> None:
    """Decode ``image``, if the size that its decoder is going to use is within the limit, and stays so."""
    file.check_size(*image.size)
    image.load()
    file.check_size(*image.size)


def _samples(image: Image.Image, file: _File) -> Pixels:
    """The ``uint8`` samples (H, W, C) of a loaded image; a palette becomes RGB, a transparent colour alpha."""
    mode = _MODES.get(image.mode)
    if mode is None:
        raise PhotoError(f"{file.name} has colours of a kind not read here ({image.mode}); save it as RGB")
    if image.has_transparency_data and not mode.endswith("A"):
        mode += "A"
    if image.mode != mode:
        image = image.convert(mode)
    samples = np.empty((image.height, image.width, len(mode)), np.uint8)
    for top in range(0, image.height, _ROWS):  # all at once would take three times the memory
        rows = samples[top : top + _ROWS]
        size, box = (image.width, len(rows)), (0, top, image.width, top + len(rows))
        part = image.resize(size, Image.Resampling.NEAREST, box)  # unlike `crop`, without a limit of its own
        rows[:] = np.asarray(part).reshape(rows.shape)
    return samples


def _cmyk(image: Image.Image, inverted: bool = False) -> Pixels:
    """The samples (H, W, 3) of a CMYK image in sRGB, through the embedded profile if there is a usable one."""
    from PIL import ImageChops, ImageCms

    if inverted:
        image = ImageChops.invert(image)
    icc = image.info.get("icc_profile")
    if icc and icc[16:20] == b"CMYK":
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(BytesIO(icc)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            return np.asarray(converted)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile is treated as none
    return np.asarray(image.convert("RGB"))


def _meta(kind: str, info: dict[Any, Any]) -> tuple[PhotoMeta, int]:
    """What is kept of a source, and its orientation: that of EXIF, or of XMP where EXIF has none."""
    exif, orientation = clean_exif(info.get("exif"))
    xmp = info.get("xmp") or None
    meta = PhotoMeta(kind, None, info.get("icc_profile") or None, exif, xmp, _dpi(info.get("dpi")))
    return meta, orientation or xmp_orientation(xmp) or 1


def _dpi(value: Sequence[Any] | None) -> tuple[float, float] | None:
    try:
        x, y = (float(part) for part in value or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(part) and 1 <= part <= 30000 for part in (x, y)) else None


_READERS: dict[str, Callable[[_File], _Raster]] = {
    "jpeg": _read_jpeg,
    "png": _read_png,
    "webp": _read_webp,
    "tiff": _read_tiff,
    "bmp": _read_bmp,
    "heic": _read_heic,
}
