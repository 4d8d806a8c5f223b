"""What several tests share: the bundled portraits, and one Reager for the whole session."""

from __future__ import annotations

from pathlib import Path

import pytest

from heads import greying_reager
from reage import Reager

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
