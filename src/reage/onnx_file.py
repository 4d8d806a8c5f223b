"""Scans ONNX files for tensors that are stored in other files.

The values of a tensor may be "external": the ONNX file then names another file, and ONNX Runtime reads that, from the
working directory if the network was given as bytes. A foreign network could so read private files and show them in its
picture. The package ``onnx`` could tell, but the runtime does without it: only the wire format of Protocol Buffers is
read here, https://protobuf.dev/programming-guides/encoding/, with the field numbers of ``onnx.proto3``.
"""

from __future__ import annotations

from collections.abc import Iterator

_MAX_DEPTH = 64
"""Levels of messages in messages; each level of subgraphs takes three."""
_MAX_FIELDS = 2_000_000
"""Fields that are looked at; a scan then takes a few seconds at most."""
_ORT_FORMAT = b"ORTM"
"""At byte 4, the mark of ONNX Runtime's own format, which it would accept in place of ONNX."""

_MESSAGES = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""For each kind of message that may hold tensors, its fields that may, and of which kind those are."""
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
"""Fields of a tensor: where in which file its values are, and whether they are in a file at all."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def refuse_external_data(network: bytes) -> None:
    """Check that an ONNX file holds all of its tensors itself, in subgraphs, functions and sparse tensors too.

    Raises:
        ValueError: a tensor lies elsewhere, or ``network`` is not an ONNX file, or has more parts than are checked.
    """
    if network[4:8] == _ORT_FORMAT:
        raise ValueError("it is in the format of ONNX Runtime, not ONNX")
    view, looked_at = memoryview(network), 0
    waiting = [("model", 0, len(view), 0)]
    while waiting:
        kind, start, end, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise ValueError("its graphs are nested too deeply")
        for number, value, content in _fields(view, start, end):
            looked_at += 1
            if looked_at > _MAX_FIELDS:
                raise ValueError("it has too many parts")
            if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
                raise ValueError("it reads tensors from other files (external data), which is not allowed")
            inner = _MESSAGES[kind].get(number)
            if inner and content:
                waiting.append((inner, *content, depth + 1))


def _fields(view: memoryview, at: int, end: int) -> Iterator[tuple[int, int, tuple[int, int] | None]]:
    """The fields of the message in ``view[at:end]``: number, value if that is a varint, and where its bytes are."""
    while at < end:
        key, at = _varint(view, at, end)
        number, wire = key >> 3, key & 7
        value, content = 0, None
        if wire == _VARINT:
            value, at = _varint(view, at, end)
        elif wire == _BYTES:
            length, at = _varint(view, at, end)
            content, at = (at, at + length), at + length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError("it is not an ONNX file")
        if at > end or not 0 < number < 1 << 29:
            raise ValueError("it is not an ONNX file")
        yield number, value, content


def _varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    """The number that starts at ``at``, in groups of 7 bits from the lowest, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is not an ONNX file")
