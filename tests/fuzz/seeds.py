"""Ordinary inputs of every kind, made on the spot from the bundled portraits: what the fuzzer changes."""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from PIL import Image

ROOT = Path(__file__).parents[2]
for folder in ("tests", "tests/photo", "tests/video"):
    sys.path.append(str(ROOT / folder))

from clips import camera, filmed, portrait, write_clip  # noqa: E402
from image_samples import SRGB, XMP, cmyk_profile, exif, png, saved, saved_tiff  # noqa: E402

from reage.photo.files import Photo, encode_photo  # noqa: E402


@cache
def face(side: int = 160) -> Any:
    """A portrait (side, side, 3) that is small, and has a face that is found."""
    return portrait("house_grace-meng", side)


@cache
def photographs() -> dict[str, bytes]:
    """Photographs by the name of their file, of every format and with everything that a file may carry."""
    rgb = face()
    picture = Image.fromarray(rgb)
    clear = Image.fromarray(np.dstack([rgb, np.full(rgb.shape[:2], 200, np.uint8)]))
    deep = rgb.astype(np.uint16) * 257
    xmp_chunk = (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    files = {
        "plain.jpg": saved(picture, "JPEG", quality=88),
        "full.jpg": saved(picture, "JPEG", quality=80, exif=exif(6), icc_profile=SRGB, xmp=XMP),
        "progressive.jpg": saved(picture, "JPEG", progressive=True, subsampling=0),
        "cmyk.jpg": saved(picture.convert("CMYK"), "JPEG", icc_profile=cmyk_profile()),
        "grey.jpg": saved(picture.convert("L"), "JPEG"),
        "plain.png": saved(picture, "PNG"),
        "palette.png": saved(picture.convert("P"), "PNG", transparency=3),
        "clear.png": saved(clear, "PNG", exif=exif(3), icc_profile=SRGB),
        "deep.png": png(deep, xmp_chunk, (b"eXIf", exif(8))),
        "lossy.webp": saved(picture, "WEBP", exif=exif(1), xmp=XMP, icc_profile=SRGB),
        "lossless.webp": saved(clear, "WEBP", lossless=True),
        "plain.tif": saved_tiff(rgb, photometric="rgb"),
        "deep.tif": saved_tiff(deep, photometric="rgb", compression="zlib", predictor=True, iccprofile=SRGB),
        "tiles.tif": saved_tiff(rgb, photometric="rgb", tile=(64, 64), compression="zlib"),
        "pillow.tif": saved(picture, "TIFF", compression="tiff_lzw", dpi=(72, 72)),
        "grey.tif": saved_tiff(deep[..., 1]),
        "plain.bmp": saved(picture, "BMP"),
        "moving.gif": saved(picture, "GIF", save_all=True, append_images=[picture.rotate(9)]),
        "phone.heic": encode_photo(Photo(rgb), "heic", mark=None),
    }
    marked = encode_photo(Photo(rgb), "jpeg", mark=_mark())
    return {**files, "marked.jpg": marked}


def _mark() -> Any:
    from reage.request import Request

    return Request(70).mark("a model 1", [(30, 70)])


@cache
def videos() -> dict[str, bytes]:
    """Short videos by the name of their file: of several containers and codecs, with and without sound, turned."""
    frames = filmed(portrait("house_grace-meng"), camera(5, 320, (128, 96), swing=0.3), size=(128, 96))
    kinds: dict[str, dict[str, Any]] = {
        "plain.mp4": {},
        "turned.mp4": {"quarters": 1, "tone": False},
        "uneven.mkv": {"times": [0, 30, 110, 150, 400]},
        "old.avi": {"codec": "mpeg4", "sound": "mp3", "tone": False},
        "quick.mov": {"codec": "mpeg4"},
        "web.webm": {"codec": "libvpx-vp9", "tone": False},
    }
    files = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, options in kinds.items():
            files[name] = write_clip(Path(scratch) / name, frames, **options).read_bytes()
    return files


@cache
def networks() -> dict[str, bytes]:
    """ONNX networks of 32 pixels by what they answer: ``image``, or ``delta`` and ``gain``."""
    from onnx import TensorProto, helper, numpy_helper

    shape = [1, 3, 32, 32]

    def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], values: list[Any]) -> bytes:
        graph = helper.make_graph(nodes, "g", inputs, outputs, values)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return bytes(made.SerializeToString())

    face_in = helper.make_tensor_value_info("face", TensorProto.FLOAT, shape)
    ages = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
        for name in ("source_age", "target_age", "male")
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    weights = np.random.default_rng(0).normal(0, 0.1, (4, 3, 3, 3)).astype(np.float32)
    editing = [
        helper.make_node("Conv", ["face", "w"], ["both"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Sub", ["target_age", "source_age"], ["gap"]),
        helper.make_node("Mul", ["both", "scale"], ["small"]),
        helper.make_node("Reshape", ["gap", "four"], ["gap4"]),
        helper.make_node("Mul", ["small", "gap4"], ["scaled"]),
        helper.make_node("Split", ["scaled", "parts"], ["delta", "gain"], axis=1),
    ]
    values = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.array([0.01], np.float32), "scale"),
        numpy_helper.from_array(np.array([1, 1, 1, 1], np.int64), "four"),
        numpy_helper.from_array(np.array([3, 1], np.int64), "parts"),
    ]
    outputs = [
        helper.make_tensor_value_info("delta", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("gain", TensorProto.FLOAT, [1, 1, 32, 32]),
    ]
    painting = [
        helper.make_node("Add", ["face", "offset"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["image"]),
    ]
    offset = numpy_helper.from_array(np.array([0.25], np.float32), "offset")
    return {
        "image": model(painting, [face_in], [image], [offset]),
        "edit": model(editing, [face_in, *ages], outputs, values),
        "loop": looping(times=3),
    }


def looping(times: int, inner: int = 1) -> bytes:
    """A network that adds up for ``times`` rounds, each of ``inner`` rounds of its own, before it answers."""
    from onnx import TensorProto, helper

    def value(name: str, shape: list[int], kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    def body(name: str, nodes: list[Any], constants: list[Any]) -> Any:
        inputs = [value(f"i{name}", [], TensorProto.INT64), value(f"c{name}", [], TensorProto.BOOL)]
        inputs.append(value(f"x{name}", [1, 3, 32, 32]))
        outputs = [value(f"d{name}", [], TensorProto.BOOL), value(f"y{name}", [1, 3, 32, 32])]
        nodes = [helper.make_node("Identity", [f"c{name}"], [f"d{name}"]), *nodes]
        return helper.make_graph(nodes, f"body{name}", inputs, outputs, constants)

    within = body("2", [helper.make_node("Tanh", ["x2"], ["y2"])], [])
    around = body("1", [helper.make_node("Loop", ["n2", "go", "x1"], ["y1"], body=within)], [])
    constants = [
        helper.make_tensor("n1", TensorProto.INT64, [], [times]),
        helper.make_tensor("n2", TensorProto.INT64, [], [inner]),
        helper.make_tensor("go", TensorProto.BOOL, [], [True]),
    ]
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n1", "go", "face"], ["image"], body=around)],
        "g",
        [value("face", [1, 3, 32, 32])],
        [value("image", [1, 3, 32, 32])],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


@cache
def manifests() -> dict[str, dict[str, Any]]:
    """Manifests, without hashes, by the network in `networks` that they fit."""
    common = {
        "name": "painter", "version": "1", "family": "test", "size": 32, "format": 1, "template": "utkface",
        "source_ages": [16, 88], "target_ages": [16, 85], "full_ages": {"older": 55, "younger": 23}, "reach": "face",
        "calibration": {}, "detail_sigma": 0.02, "data": "faces", "teachers": ["a"], "licence": "none", "zoom": 1.0,
        "training": {"epochs": 2, "data": {"cache": "x", "ages": [0, 1]}}, "figures": {"error": {"all": 7.5}},
    }  # fmt: skip
    painting = {
        "inputs": ["face"],
        "outputs": ["image"],
        "networks": {"older": "n.onnx", "younger": "n.onnx"},
    }
    editing = {
        "inputs": ["face", "source_age", "target_age", "male"],
        "outputs": ["delta", "gain"],
        "networks": {"any": "n.onnx"},
    }
    return {
        "image": {**common, **painting},
        "edit": {**common, **editing, "reach": "head", "calibration": calibration()},
        "loop": {**common, **painting},
    }


def calibration() -> dict[str, Any]:
    """A calibration as `reage.calibration` describes it: that of the embedded bundle."""
    import json

    stored = json.loads((ROOT / "src/reage/assets/default_bundle/manifest.json").read_text())
    found: dict[str, Any] = stored["calibration"]
    return found


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of files by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@cache
def recipes() -> list[dict[str, Any]]:
    """The recipes that the project ships."""
    return [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "recipes").glob("*.yaml"))]


@cache
def data_set() -> dict[str, bytes]:
    """A data set of three images with a table of labels, its index and its cache, by their names."""
    from reage.data.cache import build_cache
    from reage.data.catalog import index_dataset, write_index

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "faces").mkdir()
        rows = ["file,age,gender,race"]
        for number, name in enumerate(("house_grace-meng", "senate_angus-king", "house_karen-bass")):
            cv2.imwrite(str(folder / f"faces/{number}.png"), portrait(name, 200)[..., ::-1])
            rows.append(f"{number}.png,{30 + 20 * number},{number % 2},0")
        (folder / "faces/labels.csv").write_text("\n".join(rows) + "\n")
        index, _ = index_dataset("csv", folder / "faces/labels.csv")
        index.attrs["root"] = "faces"
        write_index(index, folder / "index.parquet")
        build_cache(index, folder / "faces", folder / "cache", size=32)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
