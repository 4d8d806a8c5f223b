"""The mark is found again in every format, and leaves what the source said about itself alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from image_samples import XMP, chunk, exif, pixels, png, saved, smooth

from reage.errors import PhotoError
from reage.photo.files import (
    Photo,
    PhotoMeta,
    Provenance,
    encode_photo,
    read_photo,
    read_provenance,
    write_photo,
)
from reage.photo.provenance import DIGITAL_SOURCE_TYPE, parse_mark, updated_xmp

MARK = Provenance("reage 0.1.0", "delta 1.2", ((34.04, 70.0), (8.0, 25.5)), ("strength 0.8",))
FOUND = {
    "digital_source_type": DIGITAL_SOURCE_TYPE,
    "creator_tool": "reage 0.1.0",
    "tool": "reage 0.1.0",
    "version": "0.1.0",
    "model": "delta 1.2",
    "faces": [{"source_age": 34.0, "target_age": 70.0}, {"source_age": 8.0, "target_age": 25.5}],
    "edits": ["strength 0.8"],
}


def packet(inside: str, attributes: str = "") -> bytes:
    """An XMP packet with one description."""
    rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    description = f"<rdf:Description rdf:about='' {attributes}>{inside}</rdf:Description>"
    return f"<rdf:RDF {rdf}>{description}</rdf:RDF>".encode()


def names(xmp: bytes | None) -> list[str]:
    """The local names of all properties, after checking that the packet is well-formed."""
    assert xmp is not None
    root = ElementTree.fromstring(xmp)
    return [name.rpartition("}")[2] for node in root.iter() for name in (node.tag, *node.attrib)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("source_xmp", [None, XMP])
def test_the_mark_is_found_again(suffix: str, dtype: Any, source_xmp: bytes | None, tmp_path: Path) -> None:
    photo = Photo(pixels(dtype=dtype), None, PhotoMeta(xmp=source_xmp, exif=exif()))
    path = write_photo(photo, tmp_path / f"photo{suffix}", mark=MARK)
    data = path.read_bytes()
    assert read_provenance(path) == read_provenance(str(path)) == read_provenance(data) == FOUND
    assert DIGITAL_SOURCE_TYPE.encode() in data  # for programs that know no XMP
    again = read_photo(path)
    assert parse_mark(again.meta.xmp) == FOUND
    assert (b"Ann" in (again.meta.xmp or b"")) == (source_xmp is not None)


def test_the_mark_in_heic() -> None:
    pytest.importorskip("pillow_heif")
    data = encode_photo(Photo(smooth()), "heic", mark=MARK)
    assert read_provenance(data) == FOUND
    assert DIGITAL_SOURCE_TYPE.encode() in data


def test_files_without_a_mark(tmp_path: Path) -> None:
    for format in ("JPEG", "PNG", "WEBP", "TIFF", "BMP"):
        assert read_provenance(saved(pixels(), format)) is None
    assert read_provenance(saved(pixels(), "JPEG", xmp=XMP)) is None
    for bad in (
        b"",
        b"text",
        saved(pixels(), "PNG")[:50],
        saved(pixels(), "TIFF")[:9],
        saved(pixels(), "JPEG")[:9],
    ):
        with pytest.raises(PhotoError):
            read_provenance(bad)
    with pytest.raises(PhotoError, match="does not exist"):
        read_provenance(tmp_path / "none.jpg")


def test_no_mark_is_written_unasked() -> None:
    for format in ("jpeg", "png", "webp", "tiff"):
        data = encode_photo(Photo(pixels()), format, mark=None)
        assert read_provenance(data) is None
        assert b"xmpmeta" not in data


def test_the_packet_of_the_source_is_merged() -> None:
    merged = updated_xmp(XMP, MARK)
    assert merged is not None
    assert parse_mark(merged) == FOUND
    found = names(merged)
    assert "Rating" in found
    assert "creator" in found
    assert b"Camera" not in merged  # CreatorTool is now this one
    assert found.count("CreatorTool") == 1
    assert "Orientation" not in found
    assert merged.count(b'about="uuid:1"') == 2  # descriptions of one thing must name the same thing


def test_marking_twice_replaces_the_mark() -> None:
    first = Provenance("reage 0.0.9", "delta 1.0", ((20, 90),))
    again = updated_xmp(updated_xmp(XMP, first), MARK)
    assert parse_mark(again) == FOUND
    assert again is not None
    assert again.count(b"DigitalSourceType>") == 2  # one element: its start and its end
    assert parse_mark(updated_xmp(updated_xmp(None, MARK), None)) == FOUND  # and it stays when none is given


def test_another_digital_source_type_is_replaced() -> None:
    space = 'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    camera = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    for source in (
        packet("", f'{space} i:DigitalSourceType="{camera}"'),
        packet(f"<i:DigitalSourceType {space}>{camera}</i:DigitalSourceType>"),
    ):
        assert parse_mark(source) is None
        merged = updated_xmp(source, MARK)
        assert parse_mark(merged) == FOUND
        assert camera.encode() not in (merged or b"")


def test_what_the_edit_made_untrue_is_taken_out() -> None:
    source = packet(
        '<xmp:Thumbnails xmlns:xmp="http://ns.adobe.com/xap/1.0/">face</xmp:Thumbnails> text <!-- note -->',
        'xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="0" '
        'xmlns:c="http://ns.google.com/photos/1.0/camera/" c:MotionPhoto="1" '
        'xmlns:d="http://purl.org/dc/elements/1.1/" d:format="image/jpeg"',
    )
    for mark in (None, MARK):
        found = names(updated_xmp(source, mark))
        assert not {"Thumbnails", "HasExtendedXMP", "MotionPhoto"} & set(found)
        assert "format" in found


def test_a_prefix_bound_otherwise_does_not_confuse() -> None:
    source = packet("<reage:Tool>hammer</reage:Tool>", 'xmlns:reage="urn:other" xmlns:Iptc4xmpExt="urn:more"')
    merged = updated_xmp(source, MARK)
    assert parse_mark(merged) == FOUND
    assert b"hammer" in (merged or b"")


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"no xml",
        b"\xff\xfe\x00",
        b"<a/>",
        packet("<unclosed>"),
        packet("<no:prefix/>"),
        b'<!DOCTYPE a [<!ENTITY b "bbbb">]>' + packet("&b;"),
        b"<a>" * 5000 + b"</a>" * 5000,
        packet("<a>" * 5000 + "</a>" * 5000),
        packet("<a>" * 900 + "</a>" * 900),
    ],
)
def test_unusable_packets_are_replaced(source: bytes) -> None:
    assert parse_mark(updated_xmp(source, MARK)) == FOUND
    assert parse_mark(source) is None
    data = encode_photo(Photo(pixels(), None, PhotoMeta(xmp=source)), "png", mark=MARK)
    assert read_provenance(data) == FOUND


def test_a_packet_too_long_for_jpeg_gives_way_to_the_mark() -> None:
    source = packet("<d:title xmlns:d='urn:d'>" + "long " * 20000 + "</d:title>")
    photo = Photo(pixels(), None, PhotoMeta(xmp=source))
    for format in ("jpeg", "png", "webp", "tiff"):
        data = encode_photo(photo, format, mark=MARK)
        assert read_provenance(data) == FOUND
        assert (b"long long" in data) == (format != "jpeg")


@pytest.mark.parametrize("source", [None, XMP])
def test_a_crowd_fits_into_every_format(source: bytes | None) -> None:
    faces = tuple((float(n % 60), float(n % 50 + 20)) for n in range(10_000))
    mark = Provenance("reage 0.1.0", "m" * 400, faces[:600], ("strength 0.8",))
    photo = Photo(pixels(), None, PhotoMeta(xmp=source))
    for format in ("jpeg", "png", "webp", "tiff"):
        found = read_provenance(encode_photo(photo, format, mark=mark))
        assert found is not None
        assert len(found["faces"]) == 600
        assert found["edits"] == ["strength 0.8"]
    found = read_provenance(encode_photo(photo, "jpeg", mark=replace(mark, faces=faces)))
    assert found is not None
    listed = len(found["faces"])
    assert listed > 900
    assert found["faces"] == [{"source_age": before, "target_age": after} for before, after in faces[:listed]]
    assert found["edits"] == ["strength 0.8", f"{listed} of 10000 faces listed"]


def test_faces_written_as_elements_are_read() -> None:
    item = "<rdf:li rdf:parseType='Resource'><r:SourceAge>8.0</r:SourceAge><r:TargetAge>70.0</r:TargetAge></rdf:li>"
    inside = f"<r:Tool>reage 1</r:Tool><r:Faces><rdf:Seq>{item}</rdf:Seq></r:Faces>"
    found = parse_mark(packet(inside, 'xmlns:r="urn:reage:xmp:1.0/"'))
    assert found is not None
    assert found["faces"] == [{"source_age": 8.0, "target_age": 70.0}]


def test_a_compressed_packet_in_png_is_read() -> None:
    import zlib

    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(updated_xmp(None, MARK) or b"")
    data = png(pixels(dtype=np.uint16), (b"iTXt", b"Comment\0\0\0\0\0hello"), (b"iTXt", text))
    assert chunk(b"iTXt", text) in data
    assert read_provenance(data) == FOUND


def test_properties_rewritten_as_attributes_are_read() -> None:
    mark = parse_mark(packet("", 'xmlns:r="urn:reage:xmp:1.0/" r:Tool="reage 2" r:Version="2" r:Model="m"'))
    assert mark is not None
    assert (mark["tool"], mark["version"], mark["model"], mark["faces"]) == ("reage 2", "2", "m", [])


def test_names_that_are_no_xml_are_made_harmless() -> None:
    mark = Provenance("reage <&> 0.1", 'mod"el\0\x1b\ud800 ö', ((30, 60),), ("]]>",))
    found = parse_mark(updated_xmp(None, mark))
    assert found is not None
    assert (found["tool"], found["model"], found["edits"]) == ("reage <&> 0.1", 'mod"el ö', ["]]>"])


def test_ages_that_are_no_numbers_are_passed_over() -> None:
    good = updated_xmp(None, MARK) or b""
    found = parse_mark(good.replace(b'"70.0"', b'"old"'))
    assert found is not None
    assert found["faces"] == FOUND["faces"][1:]  # type: ignore[index]


def test_a_photo_marked_before_keeps_its_mark_through_a_plain_copy() -> None:
    marked = read_photo(encode_photo(Photo(smooth()), "jpeg", mark=MARK))
    for format in ("jpeg", "png", "webp", "tiff"):
        assert read_provenance(encode_photo(marked, format, mark=None)) == FOUND
