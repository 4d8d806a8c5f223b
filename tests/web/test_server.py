"""What goes on behind the page."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reage.web.server import sweep_regularly
from reage.web.store import Store


def test_sweeping_goes_on_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, stop = Store(tmp_path, max_bytes=1, share=1, seconds=1), threading.Event()
    times = iter(range(3))

    def sweep() -> None:
        if next(times) == 2:
            stop.set()
        raise OSError("the disk does not answer")

    monkeypatch.setattr(store, "sweep", sweep)
    sweep_regularly(store, stop, pause=0.01)
    assert next(times, None) is None
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
