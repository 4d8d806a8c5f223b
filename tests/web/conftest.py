"""The page as a user starts it: `reage web` in a process of its own, on a free port."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Of a running page, with a low limit of pixels."""
    command = [sys.executable, "-m", "reage", "web", "--port", "0", "--max-pixels", "4000000"]
    with subprocess.Popen([*command, "--max-upload", "2"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line.startswith("http://127.0.0.1:"), "the page did not start"
        yield line
        process.terminate()
        assert process.wait(60) == 0
