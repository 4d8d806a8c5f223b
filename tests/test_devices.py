"""Which device computes networks, and what is told when it is not the one that was asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from click.testing import CliRunner

from reage import ReageError, Reager
from reage.cli.main import main
from reage.devices import PROVIDERS, find_device

REAL = onnxruntime.InferenceSession


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Stands in for a build of ONNX Runtime that has every provider; those that are put into the set also work."""
    there = {"CPUExecutionProvider"}

    class Session:
        def __init__(self, model: Any, options: Any, providers: list[str], **rest: Any) -> None:
            self._real = REAL(model, options, providers=["CPUExecutionProvider"], **rest)
            self._providers = [name for name in providers if name in there]

        def get_providers(self) -> list[str]:
            return self._providers

        def run(self, *arguments: Any) -> Any:
            return self._real.run(*arguments)

    monkeypatch.delenv("REAGE_DEVICE", raising=False)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [*PROVIDERS.values(), "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return there


def test_without_a_word_it_is_the_cpu(working: set[str]) -> None:
    working.add(PROVIDERS["cuda"])
    assert find_device().name == "cpu"
    assert find_device("cpu").providers == ["CPUExecutionProvider"]


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_a_device_that_works_is_used_and_the_cpu_does_the_rest(working: set[str], name: str) -> None:
    working.add(PROVIDERS[name])
    for asked in (name, "auto"):
        found = find_device(asked)
        assert (found.name, found.note) == (name, "")
        assert found.providers == [PROVIDERS[name], "CPUExecutionProvider"]


def test_auto_prefers_the_first_and_falls_back_silently(working: set[str]) -> None:
    assert find_device("auto") == find_device("cpu")
    working.update([PROVIDERS["coreml"], PROVIDERS["cuda"]])
    assert find_device("auto").name == "cuda"


def test_a_device_whose_driver_is_missing_is_replaced_by_the_cpu_in_one_line(working: set[str]) -> None:
    found = find_device("cuda")
    assert found.name == "cpu"
    assert found.note == "ONNX Runtime has no device 'cuda' here; the CPU is used"


def test_a_device_that_this_build_lacks_is_replaced_by_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert find_device("cuda").name == "cpu"
    assert find_device("cuda").note


def test_the_environment_says_it_where_nothing_else_does(
    working: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    working.update(PROVIDERS.values())
    monkeypatch.setenv("REAGE_DEVICE", "openvino")
    assert find_device().name == "openvino"
    assert find_device("directml").name == "directml"
    monkeypatch.setenv("REAGE_DEVICE", "abacus")
    with pytest.raises(ReageError, match="unknown device 'abacus'; choose one of auto, cpu"):
        find_device()


def test_all_networks_of_a_reager_are_on_its_device(working: set[str], portrait: Path) -> None:
    working.add(PROVIDERS["cuda"])
    reager = Reager.default(device="cuda")
    assert reager.device == "cuda"
    assert reager.open(portrait).age(to=70).changes[0].apparent_after > 50
    with pytest.warns(RuntimeWarning, match="no device 'coreml' here"):
        assert Reager.default(device="coreml").device == "cpu"


def test_the_command_line_tells_the_device(
    portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REAGE_DEVICE", raising=False)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    command = ["photo", str(portrait), "--to", "70", "--json", "-o", str(tmp_path / "a.png")]
    done = CliRunner().invoke(main, [*command, "--device", "cuda"])
    assert done.exit_code == 0, done.output
    assert done.stderr == "reage: ONNX Runtime has no device 'cuda' here; the CPU is used\n"
    assert json.loads(done.stdout)[0]["device"] == "cpu"
    assert "REAGE_DEVICE" not in os.environ
    done = CliRunner().invoke(main, [*command, "--overwrite", "--device", "auto"])
    assert (done.exit_code, done.stderr) == (0, "")
    done = CliRunner().invoke(main, [*command, "--overwrite"], env={"REAGE_DEVICE": "directml"})
    assert done.stderr.count("no device 'directml'") == 1
    assert CliRunner().invoke(main, [*command, "--device", "abacus"]).exit_code == 2
