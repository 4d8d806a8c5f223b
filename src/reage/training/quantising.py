"""Quantises networks to 8 bits: 0.5 to 0.6 of the time, with edits that differ by a level or two of 255.

Only the wide convolutions do, which take nearly all of the time. ONNX Runtime's static quantisation rounds their
weights to 7 bits, with a scale for each channel, so that pairs of products fit into 16 bits on processors without VNNI;
and their inputs to 8 bits, in the ranges that they have for the bundled portraits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime import quantization

from reage.arrays import Float32
from reage.assets import portraits
from reage.edit.compositing import cut_face
from reage.errors import ConfigError
from reage.face.alignment import align_landmarks
from reage.face.detection import FaceDetector
from reage.photo.files import read_photo
from reage.training.families import Exported

Feeds = Mapping[str, Float32]

_WIDE = 32
"""Input channels from which on a convolution is wide. The others are quick, and the first of them sees the picture."""
_MOST = 1.0
"""By how much colours may change, root mean square, in levels of 255."""
_AGES = ((25.0, 75.0), (50.0, 20.0), (70.0, 40.0), (40.0, 45.0))
"""Source and target ages, in years, at which each portrait is shown to a network."""


def quantised(graph: bytes, exported: Exported, size: int) -> tuple[bytes, dict[str, float]]:
    """An ONNX network of ``exported``, for faces of ``size`` px, in 8 bits, and how far its colours are off by that.

    Returns:
        The ONNX file, and the root mean square and the largest difference of its picture, or change of colour, for the
        bundled portraits, in levels of 255.

    Raises:
        ConfigError: the portraits are not installed, or the colours differ by more than a level.
    """
    samples = _samples(exported, size)
    found = in_eight_bits(graph, samples)
    before, after = _open(graph), _open(found)
    colours = exported.outputs[:1]
    apart = [after.run(colours, feeds)[0] - before.run(colours, feeds)[0] for feeds in samples]
    levels = 127.5 * np.abs(np.concatenate(apart))
    mean = float(np.sqrt((levels**2).mean()))
    if mean > _MOST:
        raise ConfigError(
            f"in 8 bits, colours would differ by {mean:.1f} levels of 255; export without --int8"
        )
    return found, {"rms_levels": round(mean, 2), "largest_levels": round(float(levels.max()), 1)}


def in_eight_bits(graph: bytes, samples: Sequence[Feeds]) -> bytes:
    """An ONNX network whose wide convolutions compute in 8 bits, in the ranges that they have for ``samples``."""
    with tempfile.TemporaryDirectory() as folder:
        plain, done = Path(folder) / "plain.onnx", Path(folder) / "done.onnx"
        _open(graph, plain)  # with all that can be computed beforehand: weights are stored in halves
        model = onnx.load(plain)
        onnx.helper.set_model_props(
            model, {"onnx.quant.pre_process": "onnxruntime.quant"}
        )  # or it would warn
        onnx.save(model, plain)
        quantization.quantize_static(
            plain,
            done,
            _Samples(samples),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,  # signed ones are slow on most processors
            per_channel=True,
            reduce_range=True,
            nodes_to_quantize=_wide(model),
        )
        model = onnx.load(done)
    used = [each for each in model.opset_import if not each.domain]
    del model.opset_import[:], model.graph.value_info[:], model.metadata_props[:]
    model.opset_import.extend(used)
    return bytes(model.SerializeToString())


class _Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Gives ONNX Runtime one sample after another, and None at the end."""

    def __init__(self, samples: Sequence[Feeds]) -> None:
        self._left = iter(samples)

    def get_next(self) -> Feeds | None:
        return next(self._left, None)


def _wide(model: onnx.ModelProto) -> list[str]:
    """The names of the convolutions that are wide."""
    channels = {weight.name: weight.dims[1] for weight in model.graph.initializer if len(weight.dims) == 4}
    nodes = (node for node in model.graph.node if node.op_type == "Conv")
    return [node.name for node in nodes if channels.get(node.input[1], 0) >= _WIDE]


def _samples(exported: Exported, size: int) -> list[Feeds]:
    """The bundled portraits, cut and at several ages, as the network takes them."""
    detector = FaceDetector()
    samples: list[Feeds] = []
    for path in portraits():
        pixels = read_photo(path).pixels
        landmarks = detector.detect(pixels, only_largest=True)[0].landmarks_photo
        matrix = align_landmarks(landmarks, size, exported.zoom)
        face = cut_face(pixels, matrix, np.ones((size, size), np.float32)).pixels
        for number, (source, target) in enumerate(_AGES):
            values = {"source_age": source, "target_age": target, "male": float(number % 2)}
            feeds: dict[str, Any] = {name: np.array([value], np.float32) for name, value in values.items()}
            feeds["face"] = np.ascontiguousarray(face.transpose(2, 0, 1)[None])
            samples.append({name: feeds[name] for name in exported.inputs})
    if not samples:
        raise ConfigError("quantising needs the bundled portraits, which are not installed")
    return samples


def _open(graph: bytes, store: Path | None = None) -> onnxruntime.InferenceSession:
    """Open a network, and ``store`` it as ONNX Runtime simplifies it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if store:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(store)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
