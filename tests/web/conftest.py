"""The page as a user starts it: `reage web` in a process of its own, on a free port."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the running page writes to its log."""
    return tmp_path_factory.mktemp("web") / "log.txt"


@pytest.fixture(scope="session")
def address(server_log: Path) -> Iterator[str]:
    """Address of a running page with low limits. At the end it stops when asked, and has logged no traceback."""
    command = [sys.executable, "-m", "reage", "web", "--port", "0", "--max-pixels", "4000000"]
    with (
        server_log.open("w") as log,
        subprocess.Popen(
            [*command, "--max-upload", "2"], stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line.startswith("http://127.0.0.1:"), "the page did not start"
        yield line
        process.terminate()
        assert process.wait(60) == 0
    assert "Traceback" not in server_log.read_text()
