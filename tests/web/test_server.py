"""What goes on behind the page."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reage.web import server
from reage.web.service import Service


def test_sweeping_goes_on_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service, stop = Service(tmp_path), threading.Event()
    times = iter(range(3))

    def sweep() -> None:
        if next(times) == 2:
            stop.set()
        raise OSError("the disk does not answer")

    monkeypatch.setattr(server, "_SWEEP", 0.01)
    monkeypatch.setattr(service.store, "sweep", sweep)
    server._sweep(service, stop)
    assert next(times, None) is None
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
