"""dlib's age network, in whose place a small one stands here: it must be shown the eyes where it expects them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from reage.errors import ConfigError
from reage.face.alignment import rescale_points, utkface_template
from reage.training.dlib_age import EYES, MEANS, SIZE, DlibAge


def write_network(path: Path, outputs: int = 81) -> Path:
    """Answers the last class with probability p, else the first; p is 1 where both eyes are white, 0 where black."""
    weights = np.zeros((1, 3, SIZE, SIZE), np.float32)
    for x, y in EYES:
        weights[:, :, int(y * SIZE), int(x * SIZE)] = 1 / 6
    black = -sum(MEANS) / 3 / 256
    last = np.eye(outputs, dtype=np.float32)[[-1]] - np.eye(outputs, dtype=np.float32)[[0]]
    constants = {
        "weights": weights, "black": np.float32([black]), "scale": np.float32([256 / 255]),
        "last": last, "first": np.eye(outputs, dtype=np.float32)[[0]], "axes": np.int64([1, 2, 3]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Mul", ["images", "weights"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "axes"], ["sum"], keepdims=0),
        helper.make_node("Sub", ["sum", "black"], ["above"]),
        helper.make_node("Mul", ["above", "scale"], ["part"]),
        helper.make_node("Unsqueeze", ["part", "one"], ["column"]),
        helper.make_node("Mul", ["column", "last"], ["moved"]),
        helper.make_node("Add", ["moved", "first"], ["probabilities"]),
    ]
    constants["one"] = np.int64([1])
    graph = helper.make_graph(
        nodes,
        "age",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", outputs])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_it_sees_the_eyes_of_the_aligned_frame_where_it_expects_them(tmp_path: Path) -> None:
    read, size = DlibAge(write_network(tmp_path / "age.onnx")), 128
    faces = torch.full((3, 3, size, size), -1.0)
    faces[1] = 1
    mesh = rescale_points(utkface_template().mesh, 200, size)
    for corners in ((33, 133), (362, 263)):
        x, y = np.round(mesh[list(corners)].mean(0)).astype(int)
        faces[2, :, y - 2 : y + 4, x - 2 : x + 4] = 1
    torch.testing.assert_close(read(faces), torch.tensor([0.0, 80.0, 80.0]), atol=0.05, rtol=0)


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="101"):
        DlibAge(write_network(tmp_path / "other.onnx", outputs=101))
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ConfigError, match="is not an age network") as told:
        DlibAge(tmp_path / "text.onnx")
    assert "\n" not in str(told.value)
