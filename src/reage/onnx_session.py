"""One way to open an ONNX network for the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def open_session(model: Path | bytes, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU.

    ``threads`` limits the threads of one call; None leaves it to ``REAGE_THREADS`` or the number of cores.
    The arena that ONNX Runtime would keep between calls is off: calls have many different sizes here,
    and memory that is never given back matters more than a few per cent of speed.
    """
    import onnxruntime  # slow to import, and `reage --help` does not need it

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = threads or int(os.environ.get("REAGE_THREADS", "0"))
    # Threads that have done their part wait asleep. Spinning, those of one network starve the next one's: on two cores
    # opening a photo took 1.5 times as long so, and an edit twice.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
