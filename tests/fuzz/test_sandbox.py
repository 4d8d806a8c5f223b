"""The fuzzer notices what it is there to notice: each fault, planted, gets its own complaint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = """
import ctypes, json, os, pathlib, sys, time
sys.path.insert(0, sys.argv[1])
import sandbox

def traceback_(): return 1 // 0
def crash(): ctypes.string_at(0)
def busy():
    while True: pass
def asleep(): time.sleep(60)
def greedy(): return len(bytearray(400 << 20)) * 0
def foreign(): os.write(2, b'libpng warning: 7 things\\n'); return 0
def two_lines(): os.write(2, b'reage: one\\nreage: two\\n'); return 2
def no_word(): return 2
def other_code(): return 3
def chatty(): os.write(1, b'a' * 9000); return 0
def lost(): os.remove('in'); return 0
def stray(): pathlib.Path('.reage-0123456789ab.part').write_text('a'); return 0
def good(): pathlib.Path('out').write_text('a'); return 0
def refused(): os.write(2, b'reage: in is no photo\\n'); return 2

limits = sandbox.Limits(cpu=1, clock=20, memory=300 << 20, said=5000)
short = sandbox.Limits(cpu=1, clock=1)
patient = sandbox.Limits(cpu=30, clock=60, memory=300 << 20)  # taking memory takes time, too
found = {}
faults = traceback_, crash, busy, asleep, greedy, foreign, two_lines, no_word, other_code, chatty, lost, stray
for work in (*faults, good, refused):
    folder = pathlib.Path(sys.argv[2]) / work.__name__
    folder.mkdir()
    (folder / 'in').write_bytes(b'input')
    mine = {asleep: short, greedy: patient}.get(work, limits)
    ending = sandbox.run(work, folder, mine)
    found[work.__name__] = sandbox.complaint(ending, mine) or sandbox.losses(folder, {'in': b'input'}, {'out'})
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing can be forked")
def test_every_planted_fault_is_noticed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLANTED, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found.pop("traceback_").startswith("traceback: ZeroDivisionError")
    assert found.pop("two_lines").startswith("2 lines")
    assert found.pop("no_word").startswith("0 lines")
    assert found == {
        "crash": "crash: SIGSEGV",
        "busy": "hang: too much processor time",
        "asleep": "hang: too long by the clock",
        "greedy": "memory: more in use than allowed",
        "foreign": "words of somebody else: libpng warning: # things",
        "other_code": "exit code 3",
        "chatty": "output: more is said than allowed",
        "lost": "lost: in is not as it was",
        "stray": "left behind: .reage-#.part",
        "good": None,
        "refused": None,
    }
