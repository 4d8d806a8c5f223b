"""One trial of a sweep: ``python -m reage.sweep train …`` is `reage train`, but stops cleanly when the sweep ends.

The sweep holds the other end of its standard input, which closes however the sweep ends, even if it is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from reage.cli.main import main


def _stop_with_the_sweep() -> None:
    os.read(sys.stdin.fileno(), 1)  # not sys.stdin.read, whose lock Python wants at its own end
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_stop_with_the_sweep, daemon=True).start()
    main(sys.argv[1:], prog_name="reage")
