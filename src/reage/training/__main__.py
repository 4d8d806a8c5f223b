"""`reage train` as a module, for several processes: ``accelerate launch --multi_gpu --num_processes 2 -m reage.training
RECIPE``.

``--multi_gpu`` is `accelerate`'s option for starting several processes; without GPUs they compute on the CPU.
"""

from __future__ import annotations

import sys

from reage.cli.main import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]], prog_name="reage")
