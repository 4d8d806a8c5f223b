"""The mark that an edited photograph carries: an XMP packet saying that a network edited it, and how.

It follows the XMP specification (ISO 16684-1) and the IPTC Photo Metadata Standard, whose
``DigitalSourceType`` tells photographs from synthetic media. What the source's own packet says is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from reage.photo.containers import Source, open_source, xmp_packet

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for a picture that combines a photograph with what a trained network made."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_REAGE = "urn:reage:xmp:1.0/"
_XMLNS = "http://www.w3.org/2000/xmlns/"

_MARKED = {(_IPTC_EXT, "DigitalSourceType"), (_XMP, "CreatorTool")}
_STALE = {
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),  # the pixels are upright now
    (_XMP, "Thumbnails"),  # shows the unedited face
    ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),  # the extension is not kept
}
_STALE_SPACES = (
    "http://ns.google.com/photos/1.0/",  # motion photos and depth maps, appended to the source file
    "http://ns.adobe.com/hdr-gain-map/1.0/",  # gain maps, likewise
)
_MAX_PACKET = 1 << 20
"""Bytes of the largest packet that is parsed, which takes a hundred times as much memory."""
_NOT_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
_ORIENTATION = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)([1-8])")


@dataclass(frozen=True)
class Provenance:
    """The mark: what an edited photograph says about its making."""

    tool: str
    """Name and version of the program, such as ``reage 0.2``."""
    model: str
    """Name and version of the network."""
    faces: tuple[tuple[float, float], ...] = ()
    """For each edited face its age in the source, apparent or given, and the age that it was given, both in years."""
    edits: tuple[str, ...] = ()
    """Further settings in words, such as ``strength 0.8``."""

    @property
    def sentence(self) -> str:
        """The mark in words, for the comments of files in which few programs look for XMP."""
        return (
            f"AI-edited with {self.tool} ({self.model}): faces made older or younger. {DIGITAL_SOURCE_TYPE}"
        )


def joint_mark(marks: Iterable[Provenance]) -> Provenance:
    """One mark for a picture with several edits by one model, of which there is at least one."""
    first, *others = marks
    faces = first.faces + tuple(face for other in others for face in other.faces)
    edits = first.edits + tuple(edit for other in others for edit in other.edits)
    return replace(first, faces=faces, edits=tuple(dict.fromkeys(edits)))


def read_provenance(source: Source) -> dict[str, Any] | None:
    """Read the mark of an edit from a photograph, a GIF, or an MP4 or QuickTime film.

    Anybody can remove or forge a mark: it informs, but it proves nothing.

    Args:
        source: the path of a file, the bytes of one, or a binary stream.

    Returns:
        None where there is no mark. Otherwise a dictionary with the texts ``digital_source_type``, ``creator_tool``,
        ``tool``, ``version`` and ``model``; with ``faces``, a list of ``{"source_age": ..., "target_age": ...}`` in
        years; and with ``edits``, a list of texts. Of more than about a thousand faces a JPEG lists the first ones.

    Raises:
        PhotoError: the file cannot be read, or is of another format.

    Example:
        >>> read_provenance("me.jpg") is None  # nothing has edited it
        True
    """
    with open_source(source) as (file, name):
        return parse_mark(xmp_packet(file, name))


def parse_mark(xmp: bytes | None) -> dict[str, Any] | None:
    """The mark in an XMP packet, as `read_provenance` returns it."""
    document = _parse(xmp)
    tool = _text(document, _REAGE, "Tool") if document else None
    if document is None or tool is None:
        return None
    return {
        "digital_source_type": _text(document, _IPTC_EXT, "DigitalSourceType"),
        "creator_tool": _text(document, _XMP, "CreatorTool"),
        "tool": tool,
        "version": _text(document, _REAGE, "Version"),
        "model": _text(document, _REAGE, "Model"),
        "faces": [face for item in _items(document, "Faces") if (face := _face(item))],
        "edits": [_content(item) for item in _items(document, "Edits")],
    }


def updated_xmp(xmp: bytes | None, mark: Provenance | None) -> bytes | None:
    """The XMP packet of a source with the mark added, and without what the edit made untrue.

    An earlier mark is replaced. So is a packet that is malformed, larger than 1 MB, or declares a document type, whose
    entities could expand without end. None where there is neither a mark nor a usable packet.
    """
    document = _parse(xmp)
    if document is None:
        if mark is None:
            return None
        document = minidom.parseString(
            f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="{_RDF}"/></x:xmpmeta>'
        )
    rdf = document.getElementsByTagNameNS(_RDF, "RDF")[0]
    about = ""
    for description in [node for node in rdf.childNodes if node.localName == "Description"]:
        about = about or description.getAttributeNS(_RDF, "about")
        _remove(description, marking=mark is not None)
    if mark is not None:
        rdf.appendChild(_description(document, mark, about))
    try:
        return _serialised(document)
    except RecursionError:  # elements nested hundreds deep
        return updated_xmp(None, mark)


def fitting_xmp(xmp: bytes | None, mark: Provenance | None, most: int) -> bytes | None:
    """As `updated_xmp`, in at most ``most`` bytes.

    What does not fit gives way to what matters more: first what the source said, then the last faces of the mark,
    whose edits then say how many of them are listed.
    """
    packet = updated_xmp(xmp, mark)
    if packet and len(packet) > most:
        packet = updated_xmp(None, mark)
    listed = len(mark.faces) if mark else 0
    while mark and packet and len(packet) > most and listed:
        listed = listed * 9 // 10
        note = f"{listed} of {len(mark.faces)} faces listed"
        packet = updated_xmp(None, replace(mark, faces=mark.faces[:listed], edits=(*mark.edits, note)))
    return packet


def xmp_orientation(xmp: bytes | None) -> int | None:
    """The EXIF orientation (1 to 8) that an XMP packet gives, for files without one in EXIF."""
    found = _ORIENTATION.search(xmp or b"")
    return int(found[1]) if found else None


def _parse(xmp: bytes | None) -> minidom.Document | None:
    if xmp and len(xmp) > _MAX_PACKET:
        return None
    try:
        text = (xmp or b"").decode().strip("\0 \r\n\t\ufeff")
        if not text or "<!DOCTYPE" in text or "<!ENTITY" in text:
            return None
        document = minidom.parseString(text.encode())
        return document if document.getElementsByTagNameNS(_RDF, "RDF") else None
    except (ExpatError, ValueError, LookupError, RecursionError):
        return None


def _serialised(document: minidom.Document) -> bytes:
    root = document.documentElement
    assert root is not None
    packet = f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{root.toxml()}<?xpacket end="w"?>'
    return packet.encode()


def _remove(description: minidom.Element, *, marking: bool) -> None:
    def unwanted(node: Any) -> bool:
        space, name = node.namespaceURI or "", (node.namespaceURI, node.localName)
        stale = name in _STALE or space.startswith(_STALE_SPACES)
        return stale or (marking and (name in _MARKED or space == _REAGE))

    for attribute in list(description.attributes.values()):
        if unwanted(attribute):
            description.removeAttributeNode(attribute)
    for child in list(description.childNodes):
        if child.nodeType == child.ELEMENT_NODE and unwanted(child):
            description.removeChild(child)


def _description(document: minidom.Document, mark: Provenance, about: str) -> minidom.Element:
    """The mark as one ``rdf:Description``. It declares its own prefixes, since the packet may use them for others."""
    description = document.createElementNS(_RDF, "rdf:Description")
    spaces = {"rdf": _RDF, "xmp": _XMP, "Iptc4xmpExt": _IPTC_EXT, "reage": _REAGE}
    for prefix, space in spaces.items():
        description.setAttributeNS(_XMLNS, f"xmlns:{prefix}", space)
    description.setAttributeNS(_RDF, "rdf:about", about)

    def add(parent: minidom.Element, name: str, text: str = "") -> minidom.Element:
        element = document.createElementNS(spaces[name.split(":")[0]], name)
        if text:
            element.appendChild(document.createTextNode(re.sub(_NOT_XML, "", text)))
        parent.appendChild(element)
        return element

    add(description, "Iptc4xmpExt:DigitalSourceType", DIGITAL_SOURCE_TYPE)
    add(description, "xmp:CreatorTool", mark.tool)
    add(description, "reage:Tool", mark.tool)
    add(description, "reage:Version", mark.tool.split()[-1] if mark.tool.split() else "")
    add(description, "reage:Model", mark.model)
    faces = add(add(description, "reage:Faces"), "rdf:Seq")
    for source_age, target_age in mark.faces:
        item = add(faces, "rdf:li")  # with attributes, which take half the room of elements
        item.setAttributeNS(_REAGE, "reage:SourceAge", f"{source_age:.1f}")
        item.setAttributeNS(_REAGE, "reage:TargetAge", f"{target_age:.1f}")
    edits = add(add(description, "reage:Edits"), "rdf:Seq")
    for edit in mark.edits:
        add(edits, "rdf:li", edit)
    return description


def _items(document: minidom.Document, name: str) -> list[minidom.Element]:
    return [
        item
        for holder in document.getElementsByTagNameNS(_REAGE, name)
        for item in holder.getElementsByTagNameNS(_RDF, "li")
    ]


def _face(item: minidom.Element) -> dict[str, float] | None:
    try:
        return {
            "source_age": float(_text(item, _REAGE, "SourceAge") or ""),
            "target_age": float(_text(item, _REAGE, "TargetAge") or ""),
        }
    except ValueError:
        return None


def _text(node: minidom.Document | minidom.Element, space: str, name: str) -> str | None:
    """A property written as an element or as an attribute: programs rewrite the one as the other."""
    found = node.getElementsByTagNameNS(space, name)
    if found:
        return _content(found[0])
    holders = node.getElementsByTagNameNS(_RDF, "Description")
    for holder in [node, *holders] if isinstance(node, minidom.Element) else holders:
        if holder.hasAttributeNS(space, name):
            return str(holder.getAttributeNS(space, name))
    return None


def _content(element: minidom.Element) -> str:
    return "".join(child.data for child in element.childNodes if child.nodeType == child.TEXT_NODE)
