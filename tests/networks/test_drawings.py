"""The drawings in docs/networks/ show the networks that the recipes build."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drawing", ROOT / "benchmarks" / "networks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["drawing"] = module  # where its dataclasses look for their module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", ["1.1", "improved", "caae"])
def test_a_drawing_is_that_of_its_recipe(version: str, drawing: ModuleType) -> None:
    made = drawing.picture(version, drawing.columns(*drawing.VERSIONS[version]))
    assert made == (ROOT / "docs" / "networks" / f"latent-{version}.svg").read_text()


def test_every_version_is_drawn_and_told_in_the_docs(drawing: ModuleType) -> None:
    text = (ROOT / "docs" / "families.md").read_text()
    for version in drawing.VERSIONS:
        assert (ROOT / "docs" / "networks" / f"latent-{version}.svg").exists()
        assert f"networks/latent-{version}.svg" in text
