"""Small files that would keep decoders busy for minutes, or fill the memory, are refused before they are decoded."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from image_samples import XMP, png, saved, saved_tiff, smooth

from reage.errors import PhotoError
from reage.photo.demands import open_jpeg
from reage.photo.encoding import encode_photo
from reage.photo.files import read_photo, read_provenance
from reage.photo.provenance import Provenance, parse_mark, updated_xmp

LITTLE, BIG = b"II*\0", b"MM\0*"


def with_scans(count: int, *between: bytes) -> bytes:
    """A progressive JPEG whose last scan is repeated until there are ``count``."""
    data = saved(smooth(), "JPEG", progressive=True)
    scans, last = data.count(b"\xff\xda"), data.rindex(b"\xff\xda")
    again = b"".join(between) + data[last:-2]
    return data[:-2] + again * (count - scans) + data[-2:]


def greedy_exif(tags: int, blob: int, start: bytes = LITTLE, pointer: int | None = None) -> bytes:
    """An EXIF block of a ``blob`` of bytes, and so many tags that claim all of it, in the directory of ``pointer``."""
    order = "<" if start == LITTLE else ">"
    at = 8 + (0 if pointer is None else 18)
    where = at + 2 + 12 * tags + 4
    claims = b"".join(struct.pack(order + "HHII", 300 + tag, 7, blob, where) for tag in range(tags))
    outer = b"" if pointer is None else struct.pack(order + "HHHIII", 1, pointer, 4, 1, at, 0)
    directory = struct.pack(order + "H", tags) + claims + bytes(4)
    return start + struct.pack(order + "I", 8) + outer + directory + bytes(blob)


def jpeg_with_exif(exif: bytes) -> bytes:
    """A JPEG with an EXIF block in as many segments as it needs."""
    parts = [b"Exif\0\0" + exif[at : at + 60000] for at in range(0, len(exif), 60000)]
    data = saved(smooth(), "JPEG")
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return data[:2] + segments + data[20:]  # without the resolution, for which Pillow looks in EXIF then


@pytest.mark.parametrize(
    "between", [b"", b"\xff\xfe\0\4\xff\xda", b"\xff\xd0" * 9], ids=["", "comment", "restarts"]
)
def test_a_jpeg_goes_through_its_pixels_a_hundred_times_at_most(between: bytes) -> None:
    assert read_photo(with_scans(100, between)).pixels.shape == smooth().shape
    for read in (read_photo, read_provenance):
        with pytest.raises(PhotoError, match="more than the 100 scans"):
            read(with_scans(101, between))


def test_what_lies_in_other_segments_or_behind_the_end_is_no_scan() -> None:
    data = saved(smooth(), "JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", 4002) + b"\xff\xda\0\2" * 1000
    assert read_photo(data[:2] + comment + data[2:]).pixels.shape == smooth().shape
    assert read_photo(data + b"\xff\xda\0\2" * 1000).pixels.shape == smooth().shape


@pytest.mark.parametrize("start", [LITTLE, BIG])
@pytest.mark.parametrize("pointer", [None, 0x8769, 0x8825])
def test_tags_that_claim_the_whole_file_again_and_again(start: bytes, pointer: int | None) -> None:
    greedy = greedy_exif(80, 1 << 20, start, pointer)
    with pytest.raises(PhotoError, match="its tags claim 80 MB"):
        read_photo(greedy)
    with pytest.raises(PhotoError, match="its tags claim 80 MB"):
        read_photo(jpeg_with_exif(greedy))


def test_exif_of_one_large_tag_stays() -> None:
    exif = greedy_exif(1, 1 << 20)
    assert open_jpeg(BytesIO(jpeg_with_exif(exif)), "me.jpg").info["exif"].endswith(exif)


def test_greedy_tags_of_a_png_are_left_out_of_a_tiff() -> None:
    photo = read_photo(png(np.zeros((8, 8, 3), np.uint16), (b"eXIf", greedy_exif(80, 1 << 20))))
    assert len(encode_photo(photo, "tiff", mark=None)) < 10_000


def test_a_tiff_of_more_strips_than_rows() -> None:
    data = saved_tiff(smooth(), photometric="rgb", extratags=[(65000, 4, 1_000_001, (0,) * 1_000_001, True)])
    with pytest.raises(PhotoError, match="one of its tags has 1000001 numbers"):
        read_photo(data)


def test_an_xmp_packet_of_megabytes_is_replaced() -> None:
    mark = Provenance("reage 1", "delta 1")
    for filler, kept in ((100_000, True), (1_100_000, False)):
        packet = XMP.replace(b"</rdf:Description>", b" " * filler + b"</rdf:Description>")
        assert (b"Ann" in (updated_xmp(packet, mark) or b"")) is kept
        assert parse_mark(updated_xmp(packet, mark)) is not None


def test_an_ordinary_tiff_is_read() -> None:
    data = saved_tiff(smooth(), photometric="rgb", extratags=[(37724, 7, 1 << 20, bytes(1 << 20), True)])
    assert np.array_equal(read_photo(data).pixels, smooth())
