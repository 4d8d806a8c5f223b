"""Bundles: what is written opens again, and what was altered does not."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from reage.bundle import find_bundles, open_bundle, write_bundle
from reage.cli.main import main
from reage.errors import BundleError, ExistsError
from reage.manifest import Manifest

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
    return _serialised(graph)


def looping_network(rounds: int) -> bytes:
    """A network that computes for so many rounds before it paints."""
    shape = [1, 3, SIZE, SIZE]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Tanh", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["rounds", "true", "face"], ["image"], body=body)],
        "looping",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor("rounds", TensorProto.INT64, [], [rounds]),
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
        ],
    )
    return _serialised(graph)


def heavy_network() -> bytes:
    """A network of constants alone, but for the sum at its end: it could be computed when it is opened."""
    nodes = [helper.make_node("ConstantOfShape", ["side"], ["m0"])]
    nodes += [helper.make_node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(8)]
    nodes.append(helper.make_node("ReduceMean", ["m8"], ["mean"], keepdims=0))
    nodes.append(helper.make_node("Add", ["face", "mean"], ["image"]))
    shape = [1, 3, SIZE, SIZE]
    graph = helper.make_graph(
        nodes,
        "heavy",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor("side", TensorProto.INT64, [2], [1500, 1500])],
    )
    return _serialised(graph)


def _serialised(graph: Any) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def write(path: Path, *, older: bytes | None = None, card: bytes = b"# Card", **changes: object) -> Path:
    """Write a bundle of two painters, and then ``changes`` into its manifest."""
    manifest = Manifest(
        name="painter", version="1", family="test", size=SIZE, inputs=["face"], outputs=["image"],
        networks={"older": "older.onnx", "younger": "younger.onnx"},
    )  # fmt: skip
    contents = {
        "older.onnx": painting_network(0.25) if older is None else older,
        "younger.onnx": painting_network(-0.25),
        "MODEL_CARD.md": card,
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
    with pytest.raises(BundleError, match=r"has no file younger\.onnx"):
        open_bundle(path)


SHA256 = "0" * 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "bundle format 99 is not supported"),
        ({"format": True}, "'format' in the manifest must be 1"),
        ({"mood": "good"}, "the manifest has fields that this version does not know: 'mood'"),
        ({"name": ""}, "'name' in the manifest must be a line"),
        ({"version": 2}, "'version'"),
        ({"family": "a\nb"}, "'family'"),
        ({"size": "64"}, "'size' in the manifest must be a whole number of pixels from 16 to 512, not '64'"),
        ({"size": 64.0}, "'size'"),
        ({"size": True}, "'size'"),
        ({"size": 513}, "'size'"),
        ({"networks": 3}, "'networks' in the manifest must be a table"),
        ({"networks": {"older": "older.onnx"}}, "'any', or the files of 'older' and 'younger', not"),
        ({"networks": {"any": "older.onnx", "sideways": "older.onnx"}}, "'networks'"),
        ({"networks": {"any": "../older.onnx"}}, "'networks'"),
        ({"networks": {"any": "elsewhere.onnx"}}, "no hash for 'elsewhere.onnx'"),
        ({"template": "other"}, "'template' in the manifest must be 'utkface'"),
        ({"inputs": 5}, "'inputs' in the manifest must be a list"),
        ({"inputs": [["face"]]}, "'inputs'"),
        ({"inputs": ["face", "mood"]}, "'inputs'"),
        ({"inputs": ["face", "face"]}, "'inputs'"),
        ({"inputs": ["male"]}, "'inputs'"),
        ({"outputs": 3}, "'outputs' in the manifest must be"),
        ({"outputs": ["gain", "delta"]}, "'outputs'"),
        ({"target_ages": [80, 20]}, "'target_ages' in the manifest must be two ages from 0 to 116 years"),
        ({"target_ages": [20, 117]}, "'target_ages'"),
        ({"source_ages": "all"}, "'source_ages'"),
        ({"source_ages": [20, float("nan")]}, "'source_ages'"),
        ({"source_ages": [20, 30, 40]}, "'source_ages'"),
        ({"full_ages": [55, 23]}, "'full_ages' in the manifest must be a table of ages"),
        ({"full_ages": {"older": None}}, "'full_ages'"),
        ({"full_ages": {"sideways": 40}}, "'full_ages'"),
        ({"detail_sigma": "x"}, "'detail_sigma' in the manifest must be a number from 0.001 to 0.5, not 'x'"),
        ({"detail_sigma": 0}, "'detail_sigma'"),
        (
            {"calibration": {"source_ages": [30], "gaps": [0, 10**400], "network_gaps": [[0, 1]]}},
            "'calibration'",
        ),
        ({"data": None}, "'data'"),
        ({"data": "half a character: \ud800"}, "'data'"),
        ({"teachers": "me"}, "'teachers'"),
        ({"training": []}, "'training'"),
        ({"figures": {"error": float("inf")}}, "'figures'"),
        ({"licence": "x" * 20_000}, "'licence'"),
        (
            {"files": {"../../etc/passwd": SHA256}},
            "'files' in the manifest must be a table from names of files",
        ),
        ({"files": {"a/b": SHA256}}, "'files'"),
        ({"files": {"a\\b": SHA256}}, "'files'"),
        ({"files": {"..": SHA256}}, "'files'"),
        ({"files": {"nul\0": SHA256}}, "'files'"),
        ({"files": {"older.onnx": "abc"}}, "'files'"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = write(tmp_path / "bundle", **changes)
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["name", "version", "family", "size", "networks", "outputs", "files", "format"]
)
def test_a_manifest_without_a_field_that_it_needs_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "bundle")
    stored = json.loads((path / "manifest.json").read_text())
    del stored[name]
    (path / "manifest.json").write_text(json.dumps(stored))
    with pytest.raises(BundleError, match=r"has no|not supported"):
        open_bundle(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"text"', b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}"],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "bundle")
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest|bundle format"):
        open_bundle(path)


def test_tables_nested_deep_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle")
    text = (path / "manifest.json").read_text()
    deep = '{"a":' * 500 + "1" + "}" * 500
    (path / "manifest.json").write_text(text.replace('"training": {}', f'"training": {deep}'))
    with pytest.raises(BundleError, match="'training'"):
        open_bundle(path)


def test_a_manifest_checks_itself_before_it_is_written() -> None:
    fields: dict[str, Any] = {"name": "x", "version": "1", "family": "test", "outputs": ["image"]}
    with pytest.raises(BundleError, match="'size'"):
        Manifest(**fields, size=3, networks={"any": "n.onnx"})
    with pytest.raises(BundleError, match="'networks'"):
        Manifest(**fields, size=32, networks={"any": "/n.onnx"})


def test_only_what_the_manifest_names_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle")
    with (path / "holiday.mov").open("wb") as file:
        file.truncate(1 << 40)  # sparse, so it takes no room; as bytes in memory it would not fit
    if hasattr(os, "mkfifo"):
        os.mkfifo(path / "pipe")  # whoever reads it waits for ever
    assert open_bundle(path).manifest.title == "painter 1"


def test_files_too_large_for_a_bundle_are_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle")
    with (path / "older.onnx").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BundleError, match=r"older\.onnx is larger than"):
        open_bundle(path)
    (path / "manifest.json").write_bytes(b" " * (2 << 20))
    with pytest.raises(BundleError, match=r"manifest\.json is larger than"):
        open_bundle(path)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * (2 << 20))
    with pytest.raises(BundleError, match=r"manifest\.json is larger than"):
        open_bundle(tmp_path / "bomb.zip")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"not a zip")
    (tmp_path / "empty").mkdir()
    for name in ("file", "empty", "absent", "nul\0"):
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
    with pytest.raises(BundleError, match=r"older\.onnx is refused: it is not an ONNX file"):
        open_bundle(write(tmp_path / "bundle", older=b"not ONNX"))
    bundle = open_bundle(write(tmp_path / "hollow", older=b""))
    with pytest.raises(BundleError, match="cannot load") as caught:
        bundle.check()
    assert "\n" not in str(caught.value)


def test_a_network_that_does_not_answer_as_the_manifest_says_is_refused(tmp_path: Path) -> None:
    another_size = open_bundle(write(tmp_path / "size", size=64))
    infinite, huge, none = (
        open_bundle(write(tmp_path / str(value), older=painting_network(value)))
        for value in (float("inf"), -1e30, float("nan"))
    )
    nameless = open_bundle(write(tmp_path / "nameless", inputs=["face", "male"]))
    beyond = [(each, "delta beyond 1000|image beyond 1000") for each in (infinite, huge, none)]
    for bundle, message in ((another_size, "run"), *beyond, (nameless, "run")):
        face = np.zeros((bundle.manifest.size, bundle.manifest.size, 3), np.float32)
        with pytest.raises(BundleError, match=message) as caught:
            bundle.edit(face, source_age=30, target_age=60, male=0)
        assert "\n" not in str(caught.value)
        with pytest.raises(BundleError, match=message):
            bundle.check()


def test_a_network_that_never_answers_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = open_bundle(write(tmp_path / "endless", older=looping_network(1 << 50)))
    monkeypatch.setattr("reage.bundle.ANSWER_SECONDS", 0.5)
    with pytest.raises(BundleError, match=r"cannot be run: it did not answer within 0\.5 seconds"):
        bundle.check()
    monkeypatch.undo()
    open_bundle(write(tmp_path / "short", older=looping_network(3))).check()
    assert capfd.readouterr().err == ""


def test_a_network_is_not_computed_before_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(write(tmp_path / "heavy", older=heavy_network()))
    monkeypatch.setattr("reage.bundle.ANSWER_SECONDS", 0.01)
    with pytest.raises(BundleError, match="did not answer"):
        bundle.check()


def test_a_card_that_is_no_text_does_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle", card=b"# Card \xff\x1b[2J\r\nand more")
    assert open_bundle(path).card == "# Card \ufffd\ufffd[2J\nand more"


def test_an_existing_bundle_is_not_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle")
    with pytest.raises(ExistsError, match="exists already"):
        write(path)
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_who_gives_what_is_no_bundle_yet_is_told_how_to_make_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    weights = [run / "best.safetensors", run / "checkpoints" / "step00000006.safetensors"]
    for path in (tmp_path / "best.pth", run / "settings.json", *weights):
        path.write_bytes(b"of a training")
    export = f"reage export {run} -o BUNDLE"
    advice = {tmp_path / "best.pth": f"reage import aging-gan {tmp_path / 'best.pth'} -o BUNDLE"}
    for place, command in (advice | dict.fromkeys([run, *weights], export)).items():
        result = CliRunner().invoke(main, ["models", "show", str(place)])
        assert result.exit_code == 2
        assert result.stderr == f"reage: {place} is not a model bundle; make one from it: {command}\n"


def test_bundles_are_found_in_a_folder_after_the_embedded_one(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two.zip")
    names = [bundle.path.name for bundle in find_bundles(tmp_path)]
    assert names[1:] == ["one", "two.zip"]
    with zipfile.ZipFile(tmp_path / "holiday.zip", "w") as archive:
        archive.writestr("beach.txt", b"not a model")
    refused: list[BundleError] = []
    assert len(find_bundles(tmp_path, refused.append)) == 3
    assert [str(error) for error in refused] == [
        f"{tmp_path / 'holiday.zip'} is not a model bundle: it has no file manifest.json"
    ]
    result = CliRunner().invoke(main, ["models", "list", str(tmp_path)])
    assert result.exit_code == 0
    assert result.stderr == f"Note: {refused[0]}\n"
    with pytest.raises(BundleError, match="typo is not a folder"):
        find_bundles(tmp_path / "typo")
    result = CliRunner().invoke(main, ["models", "list", str(tmp_path / "typo")])
    assert result.exit_code == 2
    assert result.stderr == f"reage: {tmp_path / 'typo'} is not a folder of model bundles\n"


def test_the_embedded_bundle_is_whole_and_small() -> None:
    bundle = open_bundle()
    bundle.check()
    assert bundle.manifest.family == "delta"
    assert bundle.manifest.teachers
    assert sum(f.stat().st_size for f in bundle.path.iterdir()) < 12_000_000
