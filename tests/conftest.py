"""What several tests share: portraits, labelled faces, and one Reager for the whole session."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from heads import greying_reager
from reage import Reager

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXAMPLES = Path(__file__).parent.parent / "examples"
PORTRAIT = EXAMPLES / "astronaut_eileen-collins.jpg"


@pytest.fixture(scope="session")
def portrait() -> Path:
    """A public-domain portrait of one person."""
    return PORTRAIT


@pytest.fixture(scope="session")
def portraits() -> list[Path]:
    """All of the bundled portraits."""
    return sorted(EXAMPLES.glob("*.jpg"))


@pytest.fixture
def photo(portrait: Path, tmp_path: Path) -> Path:
    """A small copy of a portrait, in a folder of its own."""
    path = tmp_path / "me.jpg"
    with Image.open(portrait) as image:
        image.resize((480, 480 * image.height // image.width)).save(path, quality=92)
    return path


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """84 faces in the splits test and val, half and half; six people of the test split are there twice."""
    from faces import write_faces
    from reage.data.catalog import index_dataset, write_index

    folder = tmp_path_factory.mktemp("labelled")
    write_faces(folder / "faces")
    table, _ = index_dataset("utkface", folder / "faces")
    order = table["age"].rank(method="first").astype(int)
    table["split"] = order.map(lambda number: ("test", "val")[number % 2])
    table["keep"] = True
    tested = table.index[table["split"] == "test"][:12]
    table.loc[tested, "subject"] = [f"person {i // 2}" for i in range(len(tested))]
    write_index(table, folder / "index.parquet")
    return folder / "index.parquet"


@pytest.fixture(scope="session")
def greying(tmp_path_factory: pytest.TempPathFactory) -> Reager:
    """With a stand-in for a model that edits the whole head: see `heads.Greying`."""
    return greying_reager(tmp_path_factory.mktemp("head") / "bundle")


@pytest.fixture(scope="session")
def reager() -> Reager:
    """With the embedded bundle."""
    return Reager.default()


def load_benchmark(name: str) -> ModuleType:
    """A script of benchmarks/, loaded as a module."""
    spec = importlib.util.spec_from_file_location(
        f"benchmark_{name}", EXAMPLES.parent / "benchmarks" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def card() -> ModuleType:
    """The script of the model card."""
    return load_benchmark("card")


@pytest.fixture(scope="session")
def drawing() -> ModuleType:
    """The script of the drawings of networks."""
    return load_benchmark("networks")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright, with no way to any other host."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        assert not os.environ.get("REAGE_NEEDS_BROWSER"), "chromium is not installed"
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        offline = "--host-resolver-rules=MAP rebound.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", offline])
        yield started
        started.close()
