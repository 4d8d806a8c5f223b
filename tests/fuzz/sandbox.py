"""Runs one command of reage in a child process with limits, and says what was wrong with how it ended.

The child is forked, so that everything slow is imported once. Processor time, address space and the size of written
files are limited by the system (`setrlimit`), the time by the clock by whoever waits for the child.
"""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_ALLOWED = re.compile(r"reage: .+|Note: .+")
"""What a command may say on standard error."""
_WHERE = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


@dataclass(frozen=True)
class Limits:
    """What one input may cost."""

    cpu: int = 30
    """Seconds of processor time."""
    clock: float = 900
    """Seconds by the clock; much more than of processor time, since others may use the processor."""
    address_space: int = 4 << 30
    """Bytes beyond what the parent has."""
    memory: int = 2 << 30
    """Bytes in use at a time, with what is shared with the parent."""
    written: int = 1 << 28
    """Bytes of a written file."""
    said: int = 20_000
    """Bytes on standard output and standard error together."""


@dataclass(frozen=True)
class Ending:
    """How a child ended."""

    code: int | None
    """Its exit code; None if a signal ended it."""
    signal: int
    """That signal, or 0."""
    seconds: float
    """By the clock."""
    cpu: float
    memory: int
    """Bytes in use at a time, at most."""
    stdout: str
    stderr: str


def run(command: Callable[[], int], folder: Path, limits: Limits) -> Ending:
    """Run ``command`` in a child whose working directory is ``folder``; its result is the exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    start, (alive, held) = time.monotonic(), os.pipe()
    said = [os.open(folder.parent / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for name in ("out", "err")]
    child = os.fork()
    if not child:
        os.close(alive)
        _be_the_child(command, folder, limits, said)
    os.close(held)
    late = not select.select([alive], [], [], limits.clock)[0]  # readable once the child has ended
    if late:
        os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    os.close(alive)
    texts = [_text(file, limits.said) for file in said]
    return Ending(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        seconds=time.monotonic() - start,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        stdout=texts[0],
        stderr=texts[1],
    )


def _be_the_child(command: Callable[[], int], folder: Path, limits: Limits, said: list[int]) -> None:
    code = 70  # of a child that did not come as far as the command
    try:
        os.setpgid(0, 0)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (said[0], 1), (said[1], 2)):
            os.dup2(source, target)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu, limits.cpu + 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.written, limits.written))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limits.address_space and sys.platform == "linux":
            space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (space + limits.address_space,) * 2)
        try:
            code = command()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        code = 1
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _text(file: int, most: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    content = os.read(file, most + 1)
    os.close(file)
    return content.decode(errors="backslashreplace")


def complaint(ending: Ending, limits: Limits) -> str | None:
    """What is wrong with how a command ended, in one line that is the same for the same fault; None: nothing is."""
    if ending.signal in (signal.SIGXCPU, signal.SIGKILL):
        late = ending.seconds >= limits.clock
        return "hang: too long by the clock" if late else "hang: too much processor time"
    if ending.signal:
        return f"crash: {signal.Signals(ending.signal).name}"
    if "Traceback (most recent call last)" in ending.stderr:
        return f"traceback: {_last_place(ending.stderr)}"
    if ending.code not in (0, 2):
        return f"exit code {ending.code}"
    if ending.memory > limits.memory:
        return "memory: more in use than allowed"
    if len(ending.stdout) + len(ending.stderr) > limits.said:
        return "output: more is said than allowed"
    lines = [
        line for line in ending.stderr.splitlines() if line.strip() and "━" not in line
    ]  # bars of progress
    foreign = [line for line in lines if not _ALLOWED.fullmatch(line)]
    if foreign:
        return f"words of somebody else: {re.sub(r'[0-9]+', '#', foreign[0])[:100]}"
    if ending.code == 2 and len(lines) != 1:
        return f"{len(lines)} lines, where an error is told in one"
    return None


def _last_place(text: str) -> str:
    """The kind of the error, and the last line of reage's own that it came through."""
    places = _WHERE.findall(text)
    own = [place for place in places if "/reage/" in place[0]] or places
    last = text.strip().splitlines()[-1].split(":")[0][:60]
    return f"{last} in {Path(own[-1][0]).name}:{own[-1][1]} {own[-1][2]}" if own else last


def losses(folder: Path, before: Mapping[str, bytes], made: set[str]) -> str | None:
    """What is wrong with the files in ``folder``: those that were there ``before`` must be as they were.

    Others must be among ``made``, by their first part. None: nothing is wrong.
    """
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for name, content in before.items():
        if name not in found or (folder / name).read_bytes() != content:
            return f"lost: {name} is not as it was"
    stray = sorted(name for name in found - before.keys() if Path(name).parts[0] not in made)
    return f"left behind: {re.sub('[0-9a-f]{12}', '#', stray[0])}" if stray else None
