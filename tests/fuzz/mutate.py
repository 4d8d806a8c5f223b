"""Mutations: of bytes, of chunks and tables that must stay well-formed to be looked at further, and of ONNX graphs."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np

Rng = np.random.Generator

_NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 64) - 1,
)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 1e308, -1e308, float("nan"), float("inf"), 1 << 31, 1 << 63, 1 << 200,
    10**4000, "", "a", "0", "\0", "\x1b[31m", "\ud800", "\u202e", "../../etc/passwd", "/dev/zero", "a" * 5000, "{", "-",
    "1e999", "0x", "2020-13-45", [], {}, [[]], {"": None}, [0] * 300, ["a", 1], {"a": {"b": {"c": []}}},
)  # fmt: skip
"""Values that ordinary files do not have."""
_OPERATORS = (
    "Loop", "If", "Conv", "Add", "Reshape", "Resize", "ConstantOfShape", "Tile", "Expand", "Gather", "Scan", "Pad",
    "Range", "Unknown", "Cast", "Concat", "Slice", "QuantizeLinear", "StringSplit",
)  # fmt: skip
_KEYS = ("", "0", "any", "older", "face", "__class__", "\0", "a" * 300, "size", "options", "files")


def bytes_of(data: bytes, rng: Rng, others: Sequence[bytes] = ()) -> bytes:
    """``data`` with one to a few changes, more often near its beginning; ``others`` may lend parts."""
    out = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 5, 8, 20]))):
        if not out:
            return bytes(rng.bytes(int(rng.integers(1, 64))))
        head = rng.random() < 0.6
        at = int(rng.integers(0, min(len(out), 600) if head else len(out)))
        length = int(min(2 ** rng.integers(0, 12), len(out)))
        kind = int(rng.integers(0, 12))
        if kind <= 1:
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            out[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0x20, 0x0A]))
        elif kind <= 4:
            _put_number(out, at, rng)
        elif kind == 5:
            out[at : at + length] = rng.bytes(length)
        elif kind == 6:
            del out[at : at + length]
        elif kind == 7:
            out[at:at] = out[at : at + length] * int(rng.choice([1, 1, 2, 30]))
        elif kind == 8:
            out[at : at + length] = bytes([int(rng.choice([0, 0xFF, 0x20]))]) * length
        elif kind == 9:
            del out[at if rng.random() < 0.3 else int(rng.integers(0, len(out))) :]
        elif kind == 10:
            to = int(rng.integers(0, len(out)))
            out[at : at + length], out[to : to + length] = out[to : to + length], out[at : at + length]
        elif others:
            other = others[int(rng.integers(len(others)))]
            start = int(rng.integers(0, max(1, len(other))))
            out[at : at + length] = other[start : start + length]
    return bytes(out[: 8 << 20])


def _put_number(out: bytearray, at: int, rng: Rng) -> None:
    width = int(rng.choice([1, 2, 4, 4, 8]))
    value = int(rng.choice(np.arange(len(_NUMBERS)))) if rng.random() < 0.7 else -1
    number = _NUMBERS[value] if value >= 0 else int(rng.integers(0, 70_000))
    packed = (number & ((1 << 8 * width) - 1)).to_bytes(width, "big" if rng.random() < 0.6 else "little")
    out[at : at + width] = packed


def png_of(data: bytes, rng: Rng) -> bytes:
    """A PNG whose chunks are changed, with checksums that fit: without these a decoder would look no further."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        number, kind = int(rng.integers(len(chunks))), int(rng.integers(0, 8))
        name, content = chunks[number]
        if kind <= 3:
            chunks[number] = (name, bytes_of(content, rng))
        elif kind == 4:
            chunks.insert(int(rng.integers(len(chunks) + 1)), (name, content))
        elif kind == 5 and len(chunks) > 1:
            del chunks[number]
        elif kind == 6:
            names = [
                b"IHDR",
                b"PLTE",
                b"tRNS",
                b"iCCP",
                b"eXIf",
                b"iTXt",
                b"zTXt",
                b"IDAT",
                b"acTL",
                b"fcTL",
                b"gAMA",
            ]
            chunks.insert(number, (names[int(rng.integers(len(names)))], rng.bytes(int(rng.integers(0, 60)))))
        elif name == b"IDAT" and content:
            try:
                rows = bytes_of(zlib.decompress(content), rng)
            except zlib.error:
                continue
            chunks[number] = (name, zlib.compress(rows))
    out = [data[:8]]
    out += [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks]
    return b"".join(out)


def table_of(table: Any, rng: Rng) -> Any:
    """A table (of dicts, lists and values) with one to a few changes."""
    out = deepcopy(table)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        places = list(_places(out))
        if not places:
            return _value(rng)
        holder, key = places[int(rng.integers(len(places)))]
        kind = int(rng.integers(0, 10))
        if kind <= 5:
            holder[key] = _value(rng)
        elif kind == 6:
            del holder[key]
        elif kind == 7 and isinstance(holder, dict):
            holder[_KEYS[int(rng.integers(len(_KEYS)))]] = holder.pop(key)
        elif kind == 8:
            holder[key] = _nested(holder[key], int(rng.choice([2, 20, 400])), rng)
        elif isinstance(holder[key], bool | int | float):
            holder[key] = holder[key] * float(rng.choice([-1, 0, 0.001, 10, 1000, 1e9]))
            if rng.random() < 0.5 and abs(holder[key]) < 1e15:
                holder[key] = int(holder[key])
    return out


def _places(value: Any, depth: int = 0) -> Any:
    if depth < 12 and isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key], depth + 1)


def _value(rng: Rng) -> Any:
    return deepcopy(_VALUES[int(rng.integers(len(_VALUES)))])


def _nested(value: Any, depth: int, rng: Rng) -> Any:
    for _ in range(depth):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def json_of(table: Any, rng: Rng) -> bytes:
    """A table changed, as JSON, sometimes with its bytes changed besides."""
    import sys

    sys.set_int_max_str_digits(0)
    text = json.dumps(table_of(table, rng), ensure_ascii=bool(rng.random() < 0.8))
    data = text.encode(errors="surrogatepass")
    return bytes_of(data, rng) if rng.random() < 0.2 else data


def onnx_of(network: bytes, rng: Rng) -> bytes:
    """An ONNX network with parts of its graph changed: operators, attributes, names, shapes, values."""
    import onnx
    from onnx import helper

    model = onnx.load_from_string(network)
    graph = model.graph
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        kind = int(rng.integers(0, 9))
        node = graph.node[int(rng.integers(len(graph.node)))] if graph.node else None
        if kind == 0 and node is not None:
            node.op_type = _OPERATORS[int(rng.integers(len(_OPERATORS)))]
        elif kind == 1 and node is not None and node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            numbers = [
                int(rng.choice([-1, 0, 1, 3, 1000, 1 << 31, 1 << 62])) for _ in range(int(rng.integers(1, 6)))
            ]
            replaced = helper.make_attribute(attribute.name, numbers if rng.random() < 0.6 else numbers[0])
            attribute.CopyFrom(replaced)
        elif kind == 2 and node is not None and (node.input or node.output):
            names = node.input if node.input and rng.random() < 0.7 else node.output
            if names:
                names[int(rng.integers(len(names)))] = str(
                    rng.choice(["face", "", "image", "delta", "male", "nowhere"])
                )
        elif kind == 3 and graph.initializer:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            _change_tensor(tensor, rng)
        elif kind == 4:
            values = graph.input if rng.random() < 0.5 else graph.output
            if values:
                shape = values[int(rng.integers(len(values)))].type.tensor_type
                shape.elem_type = int(rng.integers(0, 24))
                if shape.shape.dim:
                    chosen = shape.shape.dim[int(rng.integers(len(shape.shape.dim)))]
                    chosen.dim_value = int(rng.choice([0, -1, 1, 7, 1 << 31, 1 << 62]))
        elif kind == 5 and graph.node:
            graph.node.append(deepcopy(node))
        elif kind == 6 and graph.node:
            del graph.node[int(rng.integers(len(graph.node)))]
        elif kind == 7:
            model.ir_version = int(rng.choice([0, 3, 8, 99, 1 << 40]))
            model.opset_import[0].version = int(rng.choice([0, 1, 7, 17, 30, 999]))
        else:
            return bytes_of(model.SerializeToString(), rng)
    return bytes(model.SerializeToString())


def _change_tensor(tensor: Any, rng: Rng) -> None:
    kind = int(rng.integers(0, 5))
    if kind == 0:
        tensor.data_location = 1
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", str(rng.choice(["private.bin", "/etc/passwd", "../x", ""]))
    elif kind == 1:
        tensor.data_type = int(rng.integers(0, 24))
    elif kind == 2 and tensor.dims:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = int(
            rng.choice([0, -1, 1, 5, 1 << 20, 1 << 31, 1 << 62])
        )
    elif kind == 3:
        tensor.dims.append(int(rng.choice([0, 1, 2, 1 << 33])))
    else:
        tensor.raw_data = rng.bytes(len(tensor.raw_data) or 8)
