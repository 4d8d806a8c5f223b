"""What several tests share: the bundled portraits, and one Reager for the whole session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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


@pytest.fixture(scope="session")
def greying(tmp_path_factory: pytest.TempPathFactory) -> Reager:
    """With a stand-in for a model that edits the whole head: see `heads.Greying`."""
    return greying_reager(tmp_path_factory.mktemp("head") / "bundle")


@pytest.fixture(scope="session")
def reager() -> Reager:
    """With the embedded bundle."""
    return Reager.default()


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
