"""A trained run becomes a bundle that gives, without torch, what the network gave."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from reage.bundle import Bundle, open_bundle
from reage.errors import ConfigError, WriteError
from reage.networks.delta_unet import DeltaUNet
from reage.training import export, quantising
from reage.training.checkpoint import load_weights, save_weights
from reage.training.export import TOLERANCE, export_run

from .tiny import SIZE


@pytest.fixture
def bundle(strong_bundle: Path) -> Bundle:
    return open_bundle(strong_bundle)


def network(run: Path) -> DeltaUNet:
    """The trained network of ``run``, in full precision."""
    generator = DeltaUNet(tuple(json.loads((run / "settings.json").read_text())["options"]["widths"]))
    load_weights(run / "best.safetensors", {"generator": generator})
    return generator.eval().requires_grad_(False)


def test_a_model_of_another_data_set_does_not_say_utkface(
    strong_run: Path, tmp_path: Path, quick: list[float]
) -> None:
    other = tmp_path / "run"
    shutil.copytree(strong_run, other)
    about = {"step": 6, "size": SIZE, "dataset": "csv"}
    save_weights(other / "best.safetensors", {"generator": network(strong_run)}, about)
    export_run(other, tmp_path / "bundle", name="other")
    stated = open_bundle(tmp_path / "bundle")
    assert stated.manifest.data.startswith("csv")
    assert "UTKFace" not in stated.manifest.licence + stated.card


def test_the_bundle_opens_and_answers(bundle: Bundle) -> None:
    bundle.check()


def test_the_manifest_tells_where_the_network_comes_from(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest.title, manifest.family, manifest.size) == ("strong 3", "delta", SIZE)
    assert manifest.networks == {"any": "generator.onnx"}
    assert tuple(manifest.source_ages) == (16, 88)
    assert tuple(manifest.target_ages) == (16, 85)
    assert manifest.training["steps"] == 6
    assert manifest.training["settings"]["batch"] == 4
    assert 0 < manifest.figures["onnx_torch_max_abs_difference"] < TOLERANCE
    assert "research" in manifest.licence
    assert "UTKFace" in manifest.data
    assert manifest.teachers
    assert "not evidence" in bundle.card


@pytest.mark.parametrize(("source", "target", "male"), [(30, 70, 0), (75.5, 20.25, 1), (40, 41, 0.3)])
def test_onnx_runtime_gives_what_torch_gives(
    bundle: Bundle, strong_run: Path, source: float, target: float, male: float
) -> None:
    face = np.random.default_rng(1).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    asked = [torch.tensor([value], dtype=torch.float32) for value in (source, target, male)]
    edit = bundle.edit(face, source_age=source, target_age=target, male=male)
    assert np.abs(edit.delta).max() > 0.01

    def farthest(generator: DeltaUNet) -> float:
        delta, gain = generator(torch.from_numpy(face.transpose(2, 0, 1))[None], *asked)
        apart = np.abs(edit.delta - delta[0].numpy().transpose(1, 2, 0)).max()
        return float(max(apart, np.abs(edit.gain - gain[0, 0].numpy()).max()))

    trained = network(strong_run)
    assert farthest(trained) < 2 / 255  # weights are stored in half precision, which no eye must see
    for parameter in trained.parameters():
        parameter.copy_(parameter.half())
    assert farthest(trained) < TOLERANCE


def test_the_same_age_is_still_exactly_the_identity(bundle: Bundle) -> None:
    face = np.random.default_rng(2).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    edit = bundle.edit(face, source_age=44, target_age=44, male=1)
    assert not edit.delta.any()
    assert not edit.gain.any()


def test_in_8_bits_an_edit_is_nearly_the_same_and_the_same_age_still_the_identity(
    strong_run: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "export_network", lambda *_, **__: (bundle.network("any"), 0.0))
    monkeypatch.setattr(quantising, "_WIDE", 8)
    export_run(strong_run, tmp_path / "bundle", name="eight", int8=True)
    eight = open_bundle(tmp_path / "bundle")
    off = eight.manifest.figures["eight_bits"]["any"]
    assert 0 < off["rms_levels"] <= off["largest_levels"]
    nodes = [node.op_type for node in onnx.load_from_string(eight.network("any")).graph.node]
    assert nodes.count("QuantizeLinear") > 5
    face = np.random.default_rng(2).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    edits = [each.edit(face, source_age=30, target_age=70, male=1).delta for each in (bundle, eight)]
    assert 0 < np.abs(edits[0] - edits[1]).max() < 0.2 * np.abs(edits[0]).max()
    assert not eight.edit(face, source_age=44, target_age=44, male=1).delta.any()

    monkeypatch.setattr(quantising, "_MOST", off["rms_levels"] / 2)
    with pytest.raises(ConfigError, match="in 8 bits, colours would differ by"):
        export_run(strong_run, tmp_path / "other", name="eight", int8=True)
    assert not (tmp_path / "other").exists()


def test_the_age_family_has_no_bundle(age_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no bundle"):
        export_run(age_run, tmp_path / "bundle", name="x")
    assert not (tmp_path / "bundle").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a run folder"):
        export_run(tmp_path, tmp_path / "bundle", name="x")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Lets the export find the difference in this list, without exporting anything but an empty graph."""
    found, graph = [0.0], helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString()
    monkeypatch.setattr(export, "export_network", lambda *_, **__: (graph, found[0]))
    return found


@pytest.mark.parametrize("name", ["folder", "bundle.zip"])
def test_what_exists_is_not_overwritten(
    strong_run: Path, tmp_path: Path, quick: list[float], name: str
) -> None:
    (tmp_path / name).write_text("mine")
    message = "exists already" if name.endswith(".zip") else "is a file, where a folder is to be written"
    with pytest.raises(WriteError, match=message):
        export_run(strong_run, tmp_path / name, name="x")
    assert (tmp_path / name).read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_network_that_onnx_runtime_runs_otherwise_is_not_written(
    strong_run: Path, tmp_path: Path, quick: list[float]
) -> None:
    quick[0] = 2 * TOLERANCE
    with pytest.raises(ConfigError, match="differs from torch"):
        export_run(strong_run, tmp_path / "bundle", name="x")
    assert not (tmp_path / "bundle").exists()
    quick[0] = TOLERANCE / 2
    assert export_run(strong_run, tmp_path / "bundle", name="x") == quick[0]


def test_an_own_model_card_is_enclosed_also_in_a_zip(
    strong_run: Path, tmp_path: Path, quick: list[float]
) -> None:
    (tmp_path / "card.md").write_text("# Mine")
    export_run(strong_run, tmp_path / "bundle.zip", name="x", card=tmp_path / "card.md")
    assert open_bundle(tmp_path / "bundle.zip").card == "# Mine"
