"""Bundles: what is written opens again, and what was altered does not."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from reage.bundle import Manifest, find_bundles, open_bundle, write_bundle
from reage.errors import BundleError, ExistsError

SIZE = 32


def painting_network(offset: float) -> bytes:
    """A network that paints the whole picture: the face plus ``offset``."""
    shape = ["batch", 3, SIZE, SIZE]
    graph = helper.make_graph(
        [helper.make_node("Add", ["face", "offset"], ["image"])],
        "painter",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor("offset", TensorProto.FLOAT, [1], [offset])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def write(path: Path, **changes: object) -> Path:
    manifest = Manifest(
        name="painter", version="1", family="test", size=SIZE, inputs=["face"], outputs=["image"],
        networks={"older": "older.onnx", "younger": "younger.onnx"},
    )  # fmt: skip
    contents = {
        "older.onnx": painting_network(0.25), "younger.onnx": painting_network(-0.25), "MODEL_CARD.md": b"# Card",
    }  # fmt: skip
    write_bundle(path, manifest, contents)
    if changes:
        stored = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**stored, **changes}))
    return path


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_opens_as_it_was_written(tmp_path: Path, name: str) -> None:
    bundle = open_bundle(write(tmp_path / name))
    bundle.check()
    assert bundle.manifest.title == "painter 1"
    assert bundle.card == "# Card"
    assert set(bundle.manifest.files) == {"older.onnx", "younger.onnx", "MODEL_CARD.md"}


def test_a_painted_picture_becomes_an_edit_and_the_direction_chooses_the_network(tmp_path: Path) -> None:
    bundle = open_bundle(write(tmp_path / "bundle"))
    face = np.random.default_rng(0).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    older = bundle.edit(face, source_age=30, target_age=60, male=0)
    younger = bundle.edit(face, source_age=60, target_age=30, male=0)
    assert np.allclose(older.delta, 0.25, atol=1e-6)
    assert np.allclose(younger.delta, -0.25, atol=1e-6)
    assert not older.gain.any()


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle")
    (path / "older.onnx").write_bytes(painting_network(0.5))
    with pytest.raises(BundleError, match=r"older\.onnx was altered"):
        open_bundle(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle")
    (path / "younger.onnx").unlink()
    with pytest.raises(BundleError, match="missing"):
        open_bundle(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"template": "other"}, "template"),
        ({"networks": {"any": "elsewhere.onnx"}}, "no hash"),
        ({"networks": 3}, "not a table"),
        ({"networks": {"older": "older.onnx"}}, "neither any age nor both"),
        ({"target_ages": [80, 20]}, "'target_ages' in its manifest"),
        ({"source_ages": "all"}, "'source_ages' in its manifest"),
        ({"size": "64"}, "'size' in its manifest"),
        ({"inputs": ["face", "mood"]}, "inputs and outputs"),
        ({"outputs": ["gain", "delta"]}, "inputs and outputs"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        open_bundle(write(tmp_path / "bundle", **changes))


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"not a zip")
    (tmp_path / "empty").mkdir()
    for name in ("file", "empty", "absent"):
        with pytest.raises(BundleError, match="not a model bundle"):
            open_bundle(tmp_path / name)


def test_a_zip_of_a_folder_opens_too_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "model")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "model"))
    assert open_bundle(packed).manifest.title == "painter 1"
    content, rng = packed.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        packed.write_bytes(bytes(damaged))
        with suppress(BundleError):  # and nothing else
            open_bundle(packed)


def test_ages_beyond_those_of_the_network_turn_no_edit_round(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle", source_ages=[16, 88], target_ages=[16, 85])
    bundle = open_bundle(path)
    face = np.zeros((SIZE, SIZE, 3), np.float32)
    for source, target, sign in ((88, 95, 1), (14, 10, -1), (86, 20, -1), (90, 87, -1)):
        edit = bundle.edit(face, source_age=source, target_age=target, male=0)
        assert np.allclose(edit.delta, 0.25 * sign, atol=1e-6)
    reached = bundle.manifest.reached
    assert [reached(40, 95), reached(40, 3), reached(88, 95), reached(88, 86), reached(40, 50)] == [
        85,
        16,
        88,
        85,
        50,
    ]
    assert bundle.manifest.goal("older", 88) == 88
    assert bundle.manifest.goal("younger", 10) == 10


def test_a_network_that_is_no_network_is_refused(tmp_path: Path) -> None:
    manifest = Manifest(
        name="bad",
        version="1",
        family="test",
        size=SIZE,
        networks={"any": "n.onnx"},
        outputs=["image"],
        inputs=["face"],
    )
    write_bundle(tmp_path / "bundle", manifest, {"n.onnx": b"not ONNX"})
    with pytest.raises(BundleError, match="cannot load"):
        open_bundle(tmp_path / "bundle").check()


def test_an_existing_bundle_is_not_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle")
    with pytest.raises(ExistsError, match="exists already"):
        write(path)
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_bundles_are_found_in_a_folder_after_the_embedded_one(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two.zip")
    names = [bundle.path.name for bundle in find_bundles(tmp_path)]
    assert names[1:] == ["one", "two.zip"]


def test_the_embedded_bundle_is_whole_and_small() -> None:
    bundle = open_bundle()
    bundle.check()
    assert bundle.manifest.family == "delta"
    assert bundle.manifest.teachers
    assert sum(f.stat().st_size for f in bundle.path.iterdir()) < 12_000_000
