"""The corpus: files made by hand that once did harm, or were made to try, each with the exit code that it must get."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import seeds
from image_samples import XMP, chunk, png, saved, saved_tiff
from kinds import Case, bundle_case, bundle_files, index_case, photo_case, recipe_case, video_case

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def corpus(kind: str) -> dict[str, Case]:
    """The cases of one kind of input by their names."""
    made: dict[str, Callable[[], dict[str, Case]]] = {
        "photo": photos,
        "video": videos,
        "bundle": bundles,
        "manifest": manifests,
        "network": networks,
        "recipe": recipes,
        "index": indexes,
        "http": dict,  # tests/web holds those
    }
    return made[kind]()


def _refused(case: Case) -> Case:
    return Case(case.files, case.arguments, case.made, 2)


def _header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def photos() -> dict[str, Case]:
    """Photographs."""
    plain = seeds.photographs()["plain.png"]
    wide = _SIGNATURE + _header(22000, 22000) + chunk(b"IDAT", _packed_rows(22000)) + chunk(b"IEND", b"")
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(16 << 20), 9)
    packets = b"".join(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) for _ in range(300))
    deep = b"<a>" * 200_000
    jpeg = seeds.photographs()["plain.jpg"]
    segments = (b"\xff\xe1\xff\xff" + b"http://ns.adobe.com/xap/1.0/\0" + bytes(65535 - 31)) * 60
    progressive = saved(seeds.face(), "JPEG", progressive=True)
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    claims = b"".join(struct.pack("<HHII", tag, 7, 1 << 20, 8 + 12 * 2000) for tag in range(300, 2300))
    greedy = b"II*\0\x08\0\0\0" + struct.pack("<H", 2000) + claims + bytes(1 << 20)
    found = {
        "five hundred scans": progressive[:-2] + last_scan * 500 + progressive[-2:],
        "tags that claim gigabytes": greedy,
        "two headers": plain[:8] + _header(5, 5) + plain[8:],
        "a huge second header": _SIGNATURE + _header(5, 5) + wide[8:],
        "a chunk before the header": _SIGNATURE + chunk(b"tIME", bytes(7)) + plain[8:],
        "484 megapixels": wide,
        "a thousand compressed texts": plain[:33] + chunk(b"iTXt", text) * 1000 + plain[33:],
        "nothing": b"",
        "a beginning": plain[:20],
        "text": b"hello\n" * 1000,
        "a million pixels in one row": saved(np.zeros((1, 60000, 3), np.uint8), "PNG"),
        "no face": saved(np.zeros((300, 300, 3), np.uint8), "PNG"),
        "a tiff that points at itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    }
    cases = {name: _refused(photo_case("in.png", data)) for name, data in found.items()}
    allowed = {
        "300 xmp packets.png": plain[:33] + packets + plain[33:],
        "an xmp packet of 20 MB.png": plain[:33]
        + chunk(
            b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.replace(b"<dc:", b"<a/>" * (5 << 20) + b"<dc:", 1)
        )
        + plain[33:],
        "nested xmp.png": png(
            seeds.face().astype(np.uint16) * 257, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + deep)
        ),
        "60 segments.jpg": jpeg[:2] + segments + jpeg[2:],
        "a thousand pages.tif": saved_tiff(np.zeros((1000, 8, 8), np.uint8), photometric="minisblack"),
    }
    cases |= {name: photo_case("in" + name[-4:], data) for name, data in allowed.items()}
    many = cv2.resize(np.tile(seeds.face(), (8, 8, 1)), (1000, 1000))
    cases["64 faces"] = photo_case("in.jpg", saved(many, "JPEG"))
    return cases


def _packed_rows(side: int) -> bytes:
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(3 * side)
    return b"".join(packer.compress(row) for _ in range(side)) + packer.flush()


def videos() -> dict[str, Case]:
    """Videos, and what is taken for one."""
    clip = seeds.videos()["plain.mp4"]
    at = clip.index(b"tkhd")
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    listing = b"ffconcat version 1.0\nfile /etc/passwd\n"
    found = {
        "a playlist of private files": playlist,
        "a list of private files": listing,
        "a photo": seeds.photographs()["plain.jpg"],
        "nothing": b"",
        "a beginning": clip[:300],
        "boxes in boxes": struct.pack(">I", 8) + b"moov" + b"\0\0\0\x08moov" * 5000,
    }
    cases = {name: _refused(video_case("in.mp4", data)) for name, data in found.items()}
    cases["no sizes in the header"] = video_case("in.mp4", clip[: at + 80] + bytes(8) + clip[at + 88 :])
    cases["half of it"] = video_case("in.mp4", clip[: len(clip) // 2])
    return cases


def _bundle(manifest: dict[str, Any], network: bytes | None = None, **changes: Any) -> Case:
    kind = seeds.networks()["image"] if network is None else network
    return bundle_case(bundle_files(json.dumps({**manifest, **changes}).encode(), kind))


def bundles() -> dict[str, Case]:
    """Zips."""
    whole = bundle_files(json.dumps(seeds.manifests()["image"]).encode(), seeds.networks()["image"])
    packed = seeds.zipped(whole)
    bomb = seeds.zipped({**whole, "n.onnx": bytes(300 << 20)})
    directory = packed.index(b"PK\x01\x02")
    lying = packed[: directory + 24] + struct.pack("<I", 0xFFFFFFF0) + packed[directory + 28 :]

    def listed(data: bytes, code: int | None = 2) -> Case:
        return Case({"b/b.zip": data}, ["models", "verify", "b/b.zip"], code=code)

    good = {"b/good.zip": packed, "b/other.zip": seeds.zipped({"holiday.txt": b"not a bundle"})}
    return {
        "one foreign zip among models": Case(good, ["models", "list", "b"], code=None),
        "a bomb": listed(bomb),
        "a size that lies": listed(lying),
        "names that climb out": listed(
            seeds.zipped({f"../{name}": data for name, data in whole.items()}), None
        ),
        "a good one": listed(packed, 0),
    }


def manifests() -> dict[str, Case]:
    """Manifests."""
    plain = seeds.manifests()["image"]
    changes: dict[str, dict[str, Any]] = {
        "a size of 4096": {"size": 4096},
        "a size that is text": {"size": "32"},
        "a size that is true": {"size": True},
        "a file elsewhere": {"networks": {"any": "../../private.bin"}},
        "ages that are no numbers": {"target_ages": ["a", None]},
        "ages that are not finite": {"source_ages": [0, float("nan")]},
        "a blur without end": {"detail_sigma": 1e300},
        "no blur": {"detail_sigma": 0},
        "a name with an escape sequence": {"name": "\x1b[2J"},
        "half a character": {"name": "\ud800"},
        "inputs that are no list": {"inputs": "face"},
        "tables in tables": {"training": json.loads("[" * 400 + "]" * 400)},
        "a calibration of nonsense": {"calibration": {"older": [[0, 0], [0, 0]]}},
        "a table for a text": {"licence": {}},
    }
    cases = {name: _refused(_bundle(plain, **change)) for name, change in changes.items()}
    raw = {
        "not JSON": b"{",
        "a list": b"[]",
        "deep": b"[" * 100_000,
        "a number of 5000 digits": json.dumps(plain)
        .encode()
        .replace(b'"size": 32', b'"size": ' + b"9" * 5000),
        "not text": b"\xff\xfe\0",
    }
    network = seeds.networks()["image"]
    cases |= {name: _refused(bundle_case(bundle_files(data, network))) for name, data in raw.items()}
    return cases


def networks() -> dict[str, Case]:
    """Networks that read, loop, grow, or answer otherwise than they say."""
    from onnx import TensorProto, helper, load_from_string

    plain, manifest = load_from_string(seeds.networks()["image"]), seeds.manifests()["image"]

    def changed(change: Any) -> bytes:
        model = load_from_string(plain.SerializeToString())
        change(model.graph)
        return bytes(model.SerializeToString())

    def external(graph: Any) -> None:
        tensor = graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "private.bin"

    def beyond(graph: Any, value: float) -> None:
        graph.initializer[0].raw_data = np.array([value], np.float32).tobytes()
        graph.node[1].op_type = "Identity"

    def grown(graph: Any) -> None:
        graph.initializer.append(helper.make_tensor("n", TensorProto.INT64, [4], [1, 3, 1 << 20, 1 << 20]))
        graph.node[1].op_type = "Tile"
        graph.node[1].input.append("n")

    def narrow(graph: Any) -> None:
        graph.node[1].op_type = "ReduceMean"

    bodies = {
        "private files": changed(external),
        "infinite answers": changed(partial(beyond, value=np.inf)),
        "answers whose sums are infinite": changed(partial(beyond, value=1e36)),
        "an answer of terabytes": changed(grown),
        "another shape": changed(narrow),
        "an endless loop": seeds.looping(times=1 << 50),
        "an endless loop in a loop": seeds.looping(times=1 << 50, inner=1 << 50),
        "nothing": b"",
        "text": b"hello " * 100,
    }
    cases = {name: _refused(_bundle(manifest, body)) for name, body in bodies.items()}
    cases["a short loop"] = _bundle(manifest, seeds.looping(times=3))
    return cases


def recipes() -> dict[str, Case]:
    """Recipes."""
    plain = (seeds.ROOT / "recipes/age.yaml").read_bytes()
    found = {
        "a number of 5000 digits": plain + b"seed: " + b"9" * 5000 + b"\n",
        "an impossible date": plain + b"wandb_name: 2020-13-45\n",
        "brackets": b"[" * 2000,
        "laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 110)),
        "an object": b"!!python/object/apply:os.system ['touch gone']\n",
        "nothing": b"",
        "not text": b"\xff\xfe\0",
        "two documents": plain + b"---\n" + plain,
        "no cache": plain.replace(b"work/cache128", b"nowhere"),
    }
    cases = {name: _refused(recipe_case(data)) for name, data in found.items()}
    for override in (
        "batch=" + "9" * 5000,
        "seed=2020-13-45",
        "options=" + "[" * 2000,
        "options.widths=[1000000,8,8]",
    ):
        cases[f"the setting {override[:20]}"] = _refused(recipe_case(plain, "data.cache=cache", override))
    return cases


def indexes() -> dict[str, Case]:
    """Indexes and tables of labels."""
    files = seeds.data_set()
    index = files["index.parquet"]
    found = {
        "half of it": index[: len(index) // 2],
        "nothing": b"",
        "a footer that lies": index[:-8] + b"\xff" * 4 + b"PAR1",
    }
    cases = {
        name: _refused(index_case({**files, "index.parquet": data}, "index.parquet"))
        for name, data in found.items()
    }
    rows = {
        "an age of 5000 digits": b"file,age,gender,race\n0.png," + b"9" * 5000 + b",0,0\n",
        "not text": b"file,age\n\xff\xfe,\0\n",
        "a field that never ends": b'file,age\n"0.png' + b"x" * 200_000,
        "an image elsewhere": b"file,age,gender,race\n../../../etc/passwd,30,0,0\n",
        "nothing": b"",
    }
    for name, data in rows.items():
        cases[f"labels: {name}"] = index_case({**files, "faces/labels.csv": data}, "faces/labels.csv")
    for name in ("cache/images.npy", "cache/rows.parquet"):
        cases[f"{name}, half of it"] = _refused(
            index_case({**files, name: files[name][: len(files[name]) // 2]}, name)
        )
    return cases
