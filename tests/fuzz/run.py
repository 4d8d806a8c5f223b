"""The fuzzer: the corpus, then changed inputs of every kind, each in a child process with limits.

    python tests/fuzz/run.py                          # the corpus and a few hundred inputs, always the same ones
    python tests/fuzz/run.py --minutes 30 --seed 2    # by the clock; another seed gives other inputs
    python tests/fuzz/run.py --kinds photo --only 123 --seed 1    # one input again, with what it says

Prints figures, keeps the inputs that something was wrong with, and ends with exit code 1 if there were any.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["REAGE_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # a thread would not survive the fork
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import hostile
import kinds
import numpy as np
import requests_to_the_page as page
import sandbox
import seeds
from kinds import Case

LIMITS = sandbox.Limits()
_KEPT = 5
"""Inputs kept of each fault."""


@dataclass
class Tally:
    """What became of the inputs of one kind."""

    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    """By the clock."""
    cpu: float = 0.0
    """Of processor time; of the page it is not known."""
    slowest: float = 0.0
    which: str = ""
    """The slowest."""
    memory: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Fuzzer:
    """Runs cases in ``folder`` and counts what became of them; keeps what something was wrong with in ``found``."""

    def __init__(self, folder: Path, found: Path, seed: int) -> None:
        self._folder = folder
        self._found = found
        self._seed = seed
        self._server: page.Server | None = None
        self.tallies: dict[str, Tally] = {}

    def case(self, kind: str, number: int) -> Case:
        """The changed input ``number`` of a kind."""
        return kinds.MAKERS[kind](self._rng(kind, number))

    def _rng(self, kind: str, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(kind.encode()), number])

    def try_number(self, kind: str, number: int) -> None:
        """The changed input ``number`` of a kind, in a child, or sent to the page."""
        if kind == "http":
            self.try_request(number)
        else:
            self.try_case(kind, str(number), self.case(kind, number))

    def try_case(self, kind: str, name: str, case: Case, *, shown: bool = False) -> None:
        """Run one case and count it."""
        place = self._folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for file, content in case.files.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(content)
        ending = sandbox.run(lambda: _reage(case), place, LIMITS)
        wrong = sandbox.complaint(ending, LIMITS) or sandbox.losses(place, case.files, case.made)
        if not wrong and case.code is not None and ending.code != case.code:
            wrong = f"exit code {ending.code}, where the corpus says {case.code}"
        tally = self.tallies.setdefault(kind, Tally())
        tally.inputs += 1
        tally.refused += ending.code == 2
        tally.seconds += ending.seconds
        tally.cpu += ending.cpu
        if ending.cpu > tally.slowest:
            tally.slowest, tally.which = ending.cpu, name
        tally.memory = max(tally.memory, ending.memory)
        if shown:
            print(" ".join(case.arguments), ending.code, ending.stdout, ending.stderr, sep="\n")
        if wrong:
            self._keep(kind, name, wrong, case, ending.stderr)

    def _keep(
        self, kind: str, name: str, wrong: str, case: Case | None, words: str, sent: bytes = b""
    ) -> None:
        faults = self.tallies.setdefault(kind, Tally()).faults
        faults[wrong] += 1
        print(f"{kind} {name}: {wrong}", flush=True)
        if faults[wrong] > _KEPT:
            return
        place = self._found / f"{kind}-{zlib.crc32(wrong.encode()):08x}-{zlib.crc32(name.encode()):08x}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "what.txt").write_text(
            f"{kind} {name}, seed {self._seed}\n{wrong}\n{words}\n", errors="backslashreplace"
        )
        if sent:
            (place / "request").write_bytes(sent)
        for file, content in (case.files if case else {}).items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(content)

    def try_request(self, number: int) -> None:
        """Send the changed request ``number`` to the page, which is started for the first one."""
        tally = self.tallies.setdefault("http", Tally())
        if self._server is None or self._server.process.poll() is not None:
            self._server = page.start(self._folder / f"page{number}")
        server, start = self._server, time.monotonic()
        sent, call = page.request(server, self._rng("http", number))
        wrong = page.complaint(server, sent, call)
        if wrong:
            self._keep("http", str(number), wrong, None, json.dumps(call)[:2000] if call else "", sent)
        seconds = time.monotonic() - start
        tally.inputs += 1
        tally.seconds += seconds
        if seconds > tally.slowest:
            tally.slowest, tally.which = seconds, str(number)
        tally.memory = max(tally.memory, server.memory())

    def end(self) -> None:
        """End the page, which must leave nothing behind."""
        if self._server is None:
            return
        wrong = page.farewell(self._server)
        if wrong:
            self._keep("http", "the end", wrong, None, self._server.log.read_text()[-2000:])


def _reage(case: Case) -> int:
    """Run the command line as a user would, in this process, and look at what it wrote."""
    import reage.bundle
    from reage.cli.main import main

    if any(name.startswith("b/") for name in case.files):  # a bundle, whose network may loop
        reage.bundle.ANSWER_SECONDS = 2
    try:
        main(list(case.arguments), prog_name="reage")
    except SystemExit as ended:
        if ended.code:
            raise
    for name in case.made:
        if name.endswith(".png") and Path(name).exists():
            from reage.photo.files import read_photo, read_provenance

            assert read_photo(name).pixels.size, "the output is no photograph"
            assert read_provenance(name), "the output is not marked"
    return 0


def prepare(chosen: list[str]) -> None:
    """Import and load what every child would, and make the seeds."""
    import cv2

    cv2.setNumThreads(1)
    import onnx  # noqa: F401
    from click.testing import CliRunner

    from reage.cli.main import main
    from reage.reager import Reager

    embedded = Reager.default()
    sitting = embedded.sit(seeds.Photo(seeds.face()))
    sitting.age(to=70)
    usual = Reager.from_bundle
    # Opening the embedded bundle takes longer than most inputs do.
    Reager.from_bundle = classmethod(lambda _, path: embedded if path is None else usual(path))  # type: ignore[assignment]
    if "recipe" in chosen or "index" in chosen:
        import torch

        torch.set_num_threads(1)
        seeds.data_set()
        CliRunner().invoke(main, ["train", str(seeds.ROOT / "recipes/age.yaml"), "--dry-run"])
    seeds.photographs()
    if "video" in chosen:
        seeds.videos()
    # A child then shares the memory of its parent, of which collecting garbage would touch and copy every page.
    gc.collect()
    gc.freeze()
    gc.disable()


def main() -> None:
    """Read the options, run, print."""
    options = _options()
    chosen = options.kinds.split(",") if options.kinds else list(kinds.SHARES)
    prepare(chosen)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reage-fuzz-") as scratch:
        fuzzer = Fuzzer(Path(scratch), options.found, options.seed)
        if options.only is not None:
            fuzzer.try_case(chosen[0], str(options.only), fuzzer.case(chosen[0], options.only), shown=True)
        else:
            for kind in [] if options.no_corpus else chosen:
                for name, case in hostile.corpus(kind).items():
                    fuzzer.try_case("corpus", f"{kind}, {name}", case)
            if options.minutes:
                _by_the_clock(fuzzer, chosen, start + 60 * options.minutes)
            else:
                _by_number(fuzzer, chosen, options.inputs)
            fuzzer.end()
        _report(fuzzer, time.monotonic() - start, options)
    sys.exit(any(tally.faults for tally in fuzzer.tallies.values()))


def _by_number(fuzzer: Fuzzer, chosen: list[str], inputs: int) -> None:
    for kind in chosen:
        count = round(inputs * kinds.SHARES[kind])
        for number in range(count):
            fuzzer.try_number(kind, number)


def _by_the_clock(fuzzer: Fuzzer, chosen: list[str], until: float) -> None:
    """In turns of half a minute times the share of each kind, so that an early end leaves no kind out."""
    numbers: Counter[str] = Counter()
    while time.monotonic() < until:
        for kind in chosen:
            turn = min(until, time.monotonic() + 120 * kinds.SHARES[kind])
            while time.monotonic() < turn:
                fuzzer.try_number(kind, numbers[kind])
                numbers[kind] += 1
        _report(fuzzer, 0, None)


def _report(fuzzer: Fuzzer, seconds: float, options: Any) -> None:
    print(
        f"{'kind':10}{'inputs':>8}{'refused':>9}{'faults':>8}{'cpu, s':>8}{'slowest, s':>12}{'memory, MB':>12}"
    )
    for kind, tally in fuzzer.tallies.items():
        row = (tally.inputs, tally.refused, sum(tally.faults.values()), tally.cpu, tally.slowest)
        print(
            "{:10}{:8}{:9}{:8}{:8.0f}{:12.1f}".format(kind, *row),
            f"{tally.memory / 2**20:11.0f} ",
            tally.which,
        )
    if options:
        total = sum(tally.inputs for tally in fuzzer.tallies.values())
        print(f"{total} inputs in {seconds / 60:.1f} minutes, seed {options.seed}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Feeds changed inputs to every command that reads one.")
    parser.add_argument("--minutes", type=float, help="by the clock instead of by number")
    parser.add_argument("--inputs", type=int, default=300, help="how many, of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help=f"some of {','.join(kinds.SHARES)}")
    parser.add_argument("--only", type=int, help="one input of the first kind, by its number")
    parser.add_argument("--no-corpus", action="store_true", help="changed inputs only")
    parser.add_argument(
        "--found", type=Path, default=Path("work/fuzz"), help="where inputs with faults are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
