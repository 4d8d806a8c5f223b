"""What a `reage` command takes, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

# Not `resource.getrusage`: its peak is inherited from the process that started this one.
SCRIPT = """
import sys, time
from reage.cli.main import main
try:
    main(sys.argv[1:], standalone_mode=False)
finally:
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(peak, time.process_time())
"""


def used_by(*arguments: object) -> tuple[int, float]:
    """Peak memory in MB and processor seconds of `reage ARGUMENTS`, which must print nothing (Linux)."""
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    peak, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(peak) // 1024, float(seconds)
