"""Networks whose tensors lie in other files are refused, wherever in the network those tensors are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from reage.assets import asset
from reage.bundle import open_bundle, write_bundle
from reage.errors import BundleError
from reage.manifest import Manifest
from reage.onnx_file import refuse_external_data
from reage.onnx_session import open_session

SIZE = 32
SHAPE = [1, 3, SIZE, SIZE]


def outside(location: str = "secret.bin") -> TensorProto:
    """A tensor of the size of a face whose values are in a file."""
    tensor = TensorProto(name="secret", data_type=TensorProto.FLOAT, dims=SHAPE)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def model(*nodes: onnx.NodeProto, tensors: tuple[TensorProto, ...] = ()) -> onnx.ModelProto:
    """A network from ``face`` to ``image``."""
    face, image = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("face", "image")
    )
    graph = helper.make_graph(nodes, "network", [face], [image], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def add() -> onnx.NodeProto:
    return helper.make_node("Add", ["face", "secret"], ["image"])


def constant() -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["secret"], value=outside())


def branch(depth: int = 1) -> onnx.GraphProto:
    """A subgraph with the tensor in it, in ``depth`` further ones."""
    inner = (
        [constant()]
        if depth == 1
        else [helper.make_node("If", ["yes"], ["secret"], then_branch=branch(depth - 1))]
    )
    return helper.make_graph(inner, "branch", [], [])


def sparse() -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=outside(), dims=SHAPE)


def hiding_places() -> dict[str, onnx.ModelProto]:
    function = helper.make_function(
        "own", "secret", [], ["secret"], [constant()], [helper.make_opsetid("", 17)]
    )
    sparse_graph, functions, training, unmarked, nowhere = (model(add()) for _ in range(5))
    sparse_graph.graph.sparse_initializer.append(sparse())
    functions.functions.append(function)
    training.training_info.add().algorithm.initializer.append(outside())
    unmarked.graph.initializer.append(outside())
    unmarked.graph.initializer[0].ClearField("data_location")
    nowhere.graph.initializer.append(outside())
    nowhere.graph.initializer[0].ClearField("external_data")
    return {
        "an initializer": model(add(), tensors=(outside(),)),
        "a tensor with a file but no mark": unmarked,
        "a tensor with a mark but no file": nowhere,
        "an attribute": model(constant(), add()),
        "a list of tensors": model(helper.make_node("Own", [], ["image"], values=[outside()])),
        "a subgraph": model(helper.make_node("If", ["yes"], ["image"], then_branch=branch())),
        "a list of subgraphs": model(helper.make_node("Own", [], ["image"], branches=[branch()])),
        "a subgraph of a subgraph": model(helper.make_node("If", ["yes"], ["image"], then_branch=branch(5))),
        "a sparse initializer": sparse_graph,
        "a sparse attribute": model(helper.make_node("Constant", [], ["image"], sparse_value=sparse())),
        "a function": functions,
        "the training of the network": training,
    }


@pytest.mark.parametrize("place", hiding_places())
def test_a_tensor_in_another_file_is_refused_wherever_it_is(place: str) -> None:
    with pytest.raises(ValueError, match="reads tensors from other files"):
        refuse_external_data(hiding_places()[place].SerializeToString())


def test_a_bundle_cannot_paint_a_private_file_into_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = np.random.default_rng(0).uniform(-1, 1, SHAPE).astype(np.float32)
    (tmp_path / "secret.bin").write_bytes(secret.tobytes())
    monkeypatch.chdir(tmp_path)
    network = model(add(), tensors=(outside(),)).SerializeToString()
    read = open_session(network).run(None, {"face": np.zeros(SHAPE, np.float32)})
    assert np.array_equal(read[0], secret)  # ONNX Runtime does read it; were it to refuse, the scan could go
    manifest = Manifest(
        name="thief", version="1", family="test", size=SIZE, inputs=["face"], outputs=["image"],
        networks={"any": "network.onnx"},
    )  # fmt: skip
    write_bundle(tmp_path / "bundle", manifest, {"network.onnx": network})
    with pytest.raises(
        BundleError, match=r"network\.onnx is refused: it reads tensors from other files"
    ) as caught:
        open_bundle(tmp_path / "bundle")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["default_bundle/generator.onnx", "face_detector.onnx", "face_age.onnx"])
def test_networks_that_hold_all_of_their_tensors_pass(name: str) -> None:
    refuse_external_data(asset(name).read_bytes())


@pytest.mark.parametrize(
    "content",
    [b"not ONNX", b"\x3a\xff\xff\xff\x7f", b"\x3a", b"\xff" * 30, b"\x30\0\0\0ORTM", b"\x0b\x0c", b"\x02\0"],
)
def test_what_is_not_onnx_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an ONNX file|not ONNX"):
        refuse_external_data(content)


def test_networks_made_to_keep_the_scan_busy_are_refused() -> None:
    deep = b""
    for _ in range(100):  # a graph in an attribute of a node of a graph
        for field in (b"\x32", b"\x2a", b"\x0a"):
            length, size = len(deep), b""
            while length > 127:
                size, length = size + bytes([length & 127 | 128]), length >> 7
            deep = field + size + bytes([length]) + deep
    with pytest.raises(ValueError, match="nested too deeply"):
        refuse_external_data(b"\x3a" + bytes([len(deep) & 127 | 128, len(deep) >> 7]) + deep)
    with pytest.raises(ValueError, match="too many parts"):
        refuse_external_data(b"\x08\0" * 2_000_001)
