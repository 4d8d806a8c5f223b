"""The drawings in docs/networks/ show the networks that the recipes build."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("version", ["1.1", "improved", "caae"])
def test_a_drawing_is_that_of_its_recipe(version: str, drawing: ModuleType) -> None:
    made = drawing.picture(version, drawing.columns(*drawing.VERSIONS[version]))
    assert made == (ROOT / "docs" / "networks" / f"latent-{version}.svg").read_text()


def test_every_version_is_drawn_and_told_in_the_docs(drawing: ModuleType) -> None:
    text = (ROOT / "docs" / "families.md").read_text()
    for version in drawing.VERSIONS:
        assert (ROOT / "docs" / "networks" / f"latent-{version}.svg").exists()
        assert f"networks/latent-{version}.svg" in text
