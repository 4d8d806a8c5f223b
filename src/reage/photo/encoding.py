"""Encoding photographs as JPEG, PNG, WebP, TIFF and HEIC, with colour profile, EXIF and the mark of the edit."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from reage.arrays import Pixels
from reage.errors import PhotoError, one_line
from reage.photo.containers import heif_module, png_chunk
from reage.photo.exif import append_exif, tiff_texts
from reage.photo.photo import Photo
from reage.photo.provenance import Provenance, fitting_xmp, updated_xmp
from reage.photo.sixteen_bit import write_png16

WRITABLE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif")
"""The suffixes of files that can be written; the last two need the extra ``heic``."""

_ALIASES = {"jpg": "jpeg", "tif": "tiff", "heif": "heic"}
_LONGEST_SIDE = {"jpeg": 65500, "webp": 16383}
_JPEG_SEGMENT = 65533 - 29
"""The most bytes of an EXIF block or XMP packet in a segment of a JPEG file; its heading takes up to 29."""


@dataclass(frozen=True)
class _Job:
    """What the writer of a format is given."""

    photo: Photo
    mark: Provenance | None
    quality: int | None

    @property
    def xmp(self) -> bytes | None:
        """The source's XMP packet with the mark."""
        return updated_xmp(self.photo.meta.xmp, self.mark)


def encode_photo(photo: Photo, format: str, *, mark: Provenance | None, quality: int | None = None) -> bytes:
    """Encode a photograph; returns the bytes of an image file.

    16-bit pixels keep their depth in PNG and TIFF. A photograph that was grey, and still is, is written in grey. A
    profile that does not suit the channels that are written is left out.

    Args:
        photo: what to encode.
        format: ``jpeg``, ``png``, ``webp``, ``tiff`` or ``heic``, or a suffix of such files.
        mark: what the file says about its making, added to the source's XMP; None adds nothing.
        quality: 1 to 100, for JPEG (then without chroma subsampling), WebP and HEIC. PNG and TIFF are lossless, and so
            is WebP at 100. None means 95, with two exceptions: a JPEG from a JPEG keeps the quantisation tables and
            subsampling of its source, and a WebP from a lossless WebP is lossless.

    Raises:
        PhotoError: the format is unknown, does not allow so large a photograph, or is JPEG and the photograph has
            transparent parts.
    """
    kind = check_format(photo, format)
    if quality is not None and not 1 <= quality <= 100:
        raise PhotoError(f"quality is {quality}, but must be 1 to 100")
    try:
        return _WRITERS[kind](_Job(photo, mark, quality))
    except MemoryError as error:
        raise PhotoError("the encoded photo does not fit into memory") from error
    except (OSError, ValueError, RuntimeError, struct.error) as error:
        raise PhotoError(f"the photo cannot be written as {kind}: {one_line(error)}") from error


def check_format(photo: Photo, format: str) -> str:
    """Check that ``photo`` can be written in ``format``, so that no work is done in vain; returns the format's name.

    Raises:
        PhotoError: the format is unknown, does not allow so large a photograph, or is JPEG and the photograph has
            transparent parts.
    """
    kind = _kind(format)
    limit = _LONGEST_SIDE.get(kind)
    if limit and max(photo.width, photo.height) > limit:
        raise PhotoError(
            f"the photo is {photo.width} x {photo.height}; {kind} allows {limit} a side: write PNG"
        )
    alpha = photo.alpha
    if kind == "jpeg" and alpha is not None and alpha.min() < np.iinfo(alpha.dtype).max:
        raise PhotoError("the photo has transparent parts, which JPEG cannot hold; write .png, .webp or .tif")
    return kind


def _kind(format: str) -> str:
    kind = format.lower().lstrip(".")
    kind = _ALIASES.get(kind, kind)
    if kind not in _WRITERS:
        wrong = f"{format} files" if format else "files without a suffix"
        raise PhotoError(f"cannot write {wrong}; use {', '.join(WRITABLE_SUFFIXES)}")
    return kind


def _jpeg(job: _Job) -> bytes:
    photo, grey = job.photo, _is_grey(job.photo)
    exif = photo.meta.exif
    return _through_pillow(
        _channels(replace(_eight_bit(photo), alpha=None), grey=grey),
        "JPEG",
        exif=_with_heading(exif) if exif and len(exif) <= _JPEG_SEGMENT else None,
        xmp=fitting_xmp(photo.meta.xmp, job.mark, _JPEG_SEGMENT),
        icc_profile=_icc(photo, grey=grey),
        dpi=photo.meta.dpi,
        **_jpeg_options(job, grey),
    )


def _jpeg_options(job: _Job, grey: bool) -> dict[str, Any]:
    coding = job.photo.meta.jpeg
    if job.quality is not None or coding is None:
        return {"quality": job.quality or 95, "subsampling": 0}
    tables = list(coding.tables[:1] if grey else coding.tables)
    return {"qtables": tables, "subsampling": coding.subsampling, "progressive": coding.progressive}


def _png(job: _Job) -> bytes:
    grey = _is_grey(job.photo)
    samples = _channels(job.photo, grey=grey)
    body = write_png16(samples) if samples.dtype == np.uint16 else _through_pillow(samples, "PNG")
    end_of_header = 33
    return b"".join((body[:end_of_header], _png_metadata(job, grey), memoryview(body)[end_of_header:]))


def _png_metadata(job: _Job, grey: bool) -> bytes:
    meta, chunks = job.photo.meta, []
    if icc := _icc(job.photo, grey=grey):
        chunks.append(png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if meta.dpi:
        x, y = (round(value / 0.0254) for value in meta.dpi)
        chunks.append(png_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if meta.exif:
        chunks.append(png_chunk(b"eXIf", meta.exif))
    if xmp := job.xmp:  # uncompressed, as the XMP specification asks, so that a plain search finds it
        chunks.append(png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    return b"".join(chunks)


def _webp(job: _Job) -> bytes:
    kept = job.quality is None and job.photo.meta.lossless_webp
    # In lossless WebP, quality means effort: more than 75 takes twice the time, for hardly fewer bytes.
    quality = job.quality or (75 if kept else 95)
    return _through_pillow(
        _channels(_eight_bit(job.photo), grey=False),  # WebP has no greyscale
        "WEBP",
        quality=quality,
        lossless=kept or quality == 100,
        exact=True,
        exif=_with_heading(job.photo.meta.exif),
        xmp=job.xmp,
        icc_profile=_icc(job.photo, grey=False),
    )


def _tiff(job: _Job) -> bytes:
    import tifffile

    photo, grey = job.photo, _is_grey(job.photo)
    samples = _channels(photo, grey=grey)
    tags = [(tag, 2, len(text) + 1, text, True) for tag, text in tiff_texts(photo.meta.exif)]
    for tag, kind, content in ((700, 1, job.xmp), (34675, 7, _icc(photo, grey=grey))):
        if content:
            tags.append((tag, kind, len(content), content, True))
    # OpenCV, which reads compressed 16-bit TIFF here, has no greyscale with alpha.
    packed = samples.dtype == np.uint8 or samples.shape[2:] != (2,)
    file = BytesIO()
    tifffile.imwrite(
        file,
        samples,
        bigtiff=False,
        byteorder="<",
        photometric="minisblack" if grey else "rgb",
        planarconfig=None if samples.ndim == 2 else "contig",
        extrasamples=None if photo.alpha is None else ["unassalpha"],
        compression="zlib" if packed else None,
        predictor=packed,
        resolution=photo.meta.dpi,
        resolutionunit="INCH" if photo.meta.dpi else None,
        extratags=tags,
        metadata=None,
        software=False,
    )
    return append_exif(file.getvalue(), photo.meta.exif)


def _heic(job: _Job) -> bytes:
    module = heif_module("a HEIC file")
    if not module.libheif_info().get("HEIF"):
        raise PhotoError(
            "this installation of pillow_heif cannot write HEIC; choose .jpg, .png, .webp or .tif"
        )
    photo, file = job.photo, BytesIO()
    module.encode(
        "RGB" if photo.alpha is None else "RGBA",
        (photo.width, photo.height),
        _channels(_eight_bit(photo), grey=False).tobytes(),
        file,
        quality=job.quality or 95,
        exif=_with_heading(photo.meta.exif),
        xmp=job.xmp,
        icc_profile=_icc(photo, grey=False),
    )
    return file.getvalue()


def _through_pillow(samples: Pixels, format: str, **options: Any) -> bytes:
    file = BytesIO()
    options = {key: value for key, value in options.items() if value is not None}
    Image.fromarray(samples).save(file, format, **options)
    return file.getvalue()


def _is_grey(photo: Photo) -> bool:
    """Whether a photograph was grey and still is."""
    red, green, blue = (photo.pixels[..., channel] for channel in range(3))
    return photo.meta.was_greyscale and bool(np.array_equal(red, green) and np.array_equal(red, blue))


def _channels(photo: Photo, *, grey: bool) -> Pixels:
    """The samples (H, W) or (H, W, C) as they are written."""
    colours = photo.pixels[..., 0] if grey else photo.pixels
    return np.ascontiguousarray(colours) if photo.alpha is None else np.dstack([colours, photo.alpha])


def _eight_bit(photo: Photo) -> Photo:
    """The photograph with ``uint8`` samples, rounded."""
    if photo.pixels.dtype == np.uint8:
        return photo
    import cv2

    pixels = cv2.convertScaleAbs(photo.pixels, alpha=1 / 257)
    alpha = None if photo.alpha is None else cv2.convertScaleAbs(photo.alpha, alpha=1 / 257)
    return replace(photo, pixels=pixels, alpha=alpha)


def _icc(photo: Photo, *, grey: bool) -> bytes | None:
    """The colour profile, if it suits what is written: programs ignore or refuse a greyscale profile with RGB."""
    icc = photo.meta.icc
    return icc if icc and icc[16:20] == (b"GRAY" if grey else b"RGB ") else None


def _with_heading(exif: bytes | None) -> bytes | None:
    return b"Exif\0\0" + exif if exif else None


_WRITERS: dict[str, Callable[[_Job], bytes]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "tiff": _tiff,
    "heic": _heic,
}
