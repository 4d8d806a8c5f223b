"""The cost of running a model: parameters, multiply-adds, time and memory of its networks in ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reage.bundle import Bundle

PASSES = 9
"""Edits that are timed; the median counts."""
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

_STATUS = Path("/proc/self/status")
# Not `resource.getrusage`: its peak is inherited from the process that started this one.
_MEMORY = f"""
import sys
import numpy as np
from reage.bundle import open_bundle
bundle = open_bundle(sys.argv[1])
face = np.zeros((bundle.manifest.size, bundle.manifest.size, 3), np.float32)
bundle.edit(face, source_age=30, target_age=70, male=0)
print(*(line.split()[1] for line in open("{_STATUS}") if line.startswith("VmHWM")))
"""


@dataclass(frozen=True)
class Cost:
    """The cost of one edit. Time and memory depend on the machine.

    Attributes:
        parameters: of all networks of the model together.
        multiply_adds: of convolutions and matrix products in one pass of its largest network.
        milliseconds: the median over `PASSES` edits.
        megabytes: peak memory of a fresh process that makes one edit; None if the system does not tell it.
    """

    parameters: int
    multiply_adds: int
    milliseconds: float
    megabytes: float | None

    @classmethod
    def measure(cls, bundle: Bundle) -> Cost:
        """Measure the model in ``bundle`` on this machine."""
        counts = [_count(bundle.network(way)) for way in bundle.manifest.networks]
        size = bundle.manifest.size
        face = np.random.default_rng(0).uniform(-1, 1, (size, size, 3)).astype(np.float32)
        times = []
        for _ in range(PASSES):
            start = time.perf_counter()
            bundle.edit(face, source_age=30, target_age=70, male=0)
            times.append(time.perf_counter() - start)
        return cls(
            parameters=sum(parameters for parameters, _ in counts),
            multiply_adds=max(products for _, products in counts),
            milliseconds=round(1000 * float(np.median(times)), 1),
            megabytes=_peak_memory(bundle.path),
        )


def _peak_memory(path: Path) -> float | None:
    """Megabytes that a process needs at most which opens the bundle at ``path`` and makes one edit."""
    if not _STATUS.exists():
        return None
    command = [sys.executable, "-c", _MEMORY, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(int(answer.stdout) / 1024, 1)


def _count(network: bytes) -> tuple[int, int]:
    """Parameters of a network, and its multiply-adds for one face."""
    import onnx_tool

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "network.onnx"
        path.write_bytes(network)
        graph = onnx_tool.Model(str(path)).graph
        feeds = {
            name: np.zeros(
                [side if isinstance(side, int) else 1 for side in graph.tensormap[name].shape], np.float32
            )
            for name in graph.input
            if name
        }
        graph.shape_infer(feeds)
        graph.profile()
    macs = sum(node.macs[0] for node in graph.nodemap.values() if node.op_type in _PRODUCTS)
    return int(graph.params), int(macs)
