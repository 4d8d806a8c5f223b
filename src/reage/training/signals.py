"""Signals that ask a run to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_stop_signal(callback: Callable[[int], None]) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGINT (Ctrl-C) call ``callback`` with their number instead of ending it."""
    before = {
        number: signal.signal(number, lambda received, frame: callback(received))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
