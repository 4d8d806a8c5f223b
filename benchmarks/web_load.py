"""What fifty visitors at once do to the page: throughput, refusals, memory, and what they leave behind.

    python benchmarks/web_load.py                 # needs the extra `web`, and Linux

Writes benchmarks/web_load.json. Each visitor comes from an address of their own, uploads a portrait of a shape that
nobody else has, opens it, and asks for ages as a slider does; some of them download. All leave: by saying so, by going
away in the middle of an answer, or without a word, so that the photo is forgotten after a while. Who is refused waits
and asks again. Every picture must have the shape of its visitor's photo. Several waves come to the same page, so that
what grows from wave to wave is seen. Each request and the whole run have a time after which they are ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import gradio
import httpx
from PIL import Image

import reage

HERE = Path(__file__).parent
PORTRAITS = sorted((HERE.parent / "examples").glob("*.jpg"))
AGES = (25, 70, 40)
WAVES = 2
REQUEST = 300.0
"""Seconds that one request may take."""
RUN = 1500
"""Seconds that everything may take."""
FORGOTTEN = 120
"""Seconds after which the page forgets a photo that nobody uses; 900 unless it is told otherwise."""
TRIES, PAUSE = 40, 5.0
"""How often somebody who is refused asks, and the seconds in between."""
SERVE = f"""
from reage.web.server import serve
from reage.web.service import Limits
serve("127.0.0.1", 0, limits=Limits(seconds={FORGOTTEN}))
"""
WAYS = "says so", "goes in the middle", "says nothing"


class RefusedError(Exception):
    """The page had no room or no time; its sentence."""


@dataclass
class Seen:
    """What all visitors of a wave met with."""

    answers: Counter[str] = field(default_factory=Counter)
    """How many of each kind were given."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Sentences of refusals."""
    given_up: int = 0
    """Visitors who were refused each time."""
    moves: list[float] = field(default_factory=list)
    """Milliseconds of the answers to the slider, with the picture."""
    wrong: list[str] = field(default_factory=list)
    """Whatever should not have been."""


@dataclass
class Visitor:
    """Somebody with a photo of their own."""

    number: int
    client: httpx.AsyncClient
    seen: Seen

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the photo, which nobody else has."""
        return 900 + 8 * self.number, 1300 - 8 * self.number

    def photo(self) -> bytes:
        """A portrait of this visitor's shape, of about 1.2 megapixels."""
        with Image.open(PORTRAITS[self.number % len(PORTRAITS)]) as portrait:
            enlarged = portrait.convert("RGB").resize(self.shape, Image.Resampling.BICUBIC)
        written = BytesIO()
        enlarged.save(written, "JPEG", quality=90)
        return written.getvalue()

    async def visit(self) -> None:
        """Come, look at ages, and leave."""
        try:
            await self.patiently(self.client.get, "")
            photo = {"files": (f"{self.number}.jpg", await asyncio.to_thread(self.photo))}
            (upload,) = json.loads(await self.patiently(self.client.post, "gradio_api/upload", files=photo))
            token = await self.opens(upload)
            for age in AGES:
                await self.moves(token, age)
            if self.number % 5 == 0:
                (file,) = await self.calls("download", {"token": token, "age": 70})
                self.fits(await self.patiently(self.client.get, file["url"]), exactly=True)
                self.seen.answers["downloads"] += 1
            await self.leaves(token)
        except RefusedError:
            self.seen.given_up += 1
        except Exception as error:
            self.seen.wrong.append(f"visitor {self.number}: {error!r}"[:300])

    async def opens(self, upload: str) -> str:
        """Open the upload; returns the token of the photo."""
        (told,) = await self.calls("open", {"photo": {"path": upload, "meta": {"_type": "gradio.FileData"}}})
        if (told["width"], told["height"]) != self.shape:
            self.seen.wrong.append(f"visitor {self.number} was given another photo")
        self.seen.answers["photos opened"] += 1
        return str(told["token"])

    async def moves(self, token: str, age: float) -> None:
        """Ask for an age, and fetch the picture."""
        start = time.perf_counter()
        picture, changes = await self.calls("age", {"token": token, "age": age})
        self.fits(await self.patiently(self.client.get, picture["url"]))
        self.seen.moves.append(1000 * (time.perf_counter() - start))
        self.seen.answers["moves of the slider"] += 1
        if changes[0]["target_age"] != age:
            self.seen.wrong.append(f"visitor {self.number} asked for {age} and got another age")

    async def leaves(self, token: str) -> None:
        """Go in this visitor's way."""
        way = WAYS[self.number % len(WAYS)]
        if way == "says so":
            await self.calls("close", {"token": token})
        elif way == "goes in the middle":
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.calls("age", {"token": token, "age": 33})

    def fits(self, picture: bytes, *, exactly: bool = False) -> None:
        """Look whether a picture is of this visitor's photo."""
        with Image.open(BytesIO(picture)) as opened:
            width, height = opened.size
        same = (width, height) == self.shape or (
            not exactly and abs(width / height - self.shape[0] / self.shape[1]) < 0.002
        )
        if not same:
            self.seen.wrong.append(f"visitor {self.number} was given a picture of {width} x {height}")

    async def calls(self, name: str, arguments: dict[str, Any]) -> list[Any]:
        """The answer of an endpoint; raises `RefusedError` if that is what it is at last."""
        for _ in range(TRIES):
            asked = await self.patiently(self.client.post, f"gradio_api/call/v2/{name}", json=arguments)
            event = json.loads(asked)["event_id"]
            told = await self.patiently(self.client.get, f"gradio_api/call/v2/{name}/{event}")
            kind, data = told.decode().strip().rsplit("\n\n", 1)[-1].split("\ndata: ", 1)
            content = json.loads(data)
            if kind == "event: complete":
                return list(content)
            sentence = content["error"] if isinstance(content, dict) else str(content)
            if "no memory left" not in sentence:
                raise ValueError(sentence)
            await self.refused("there is no memory left for the photo, since others have photos open")
        raise RefusedError

    async def patiently(self, method: Any, address: str, **arguments: Any) -> bytes:
        """The body of an answer; who is refused for the moment waits and asks again."""
        for _ in range(TRIES):
            async with asyncio.timeout(REQUEST):
                answer = await method(address, **arguments)
            self.seen.answers["requests"] += 1
            if answer.status_code == 200:
                return bytes(answer.content)
            if answer.status_code not in (429, 503):
                raise ValueError(f"status {answer.status_code}: {answer.text[:200]}")
            told = answer.text
            await self.refused(json.loads(told)["detail"] if told.startswith("{") else told)
        raise RefusedError

    async def refused(self, sentence: str) -> None:
        """Note a refusal, and wait."""
        self.seen.refusals[sentence] += 1
        await asyncio.sleep(PAUSE)


async def wave(address: str, visitors: int) -> tuple[Seen, float]:
    """All visitors at once; what they met with, and the seconds until the last one had left."""
    seen, start = Seen(), time.perf_counter()
    async with asyncio.TaskGroup() as everybody:
        for number in range(visitors):
            everybody.create_task(come(address, number, seen))
    return seen, time.perf_counter() - start


async def come(address: str, number: int, seen: Seen) -> None:
    """One visitor, from an address of their own, as a web server in front of the page would tell it."""
    headers = {"X-Forwarded-For": f"10.0.0.{number + 1}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=REQUEST) as client:
        await Visitor(number, client, seen).visit()


def megabytes(process: int, what: str) -> int:
    """Memory of a process: ``VmRSS`` now, or ``VmHWM`` at most so far."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) // 1024


def files(folder: Path) -> int:
    """How many files there are."""
    return sum(path.is_file() for path in folder.rglob("*"))


def summary(seen: Seen, seconds: float) -> dict[str, Any]:
    """The figures of a wave."""
    ordered = sorted(seen.moves)
    return {
        "seconds": round(seconds, 1),
        **seen.answers,
        "moves a second": round(len(ordered) / seconds, 2),
        "ms of a move, median": round(statistics.median(ordered)),
        "ms of a move, 95 of 100 at most": round(ordered[int(0.95 * len(ordered))]),
        "refusals": dict(seen.refusals),
        "visitors who gave up": seen.given_up,
        "wrong": seen.wrong,
    }


def measure(visitors: int, scratch: Path) -> dict[str, Any]:
    """Start the page, let the waves come, and look at what is left."""
    said, left = scratch / "log.txt", scratch / "temporary"
    left.mkdir()
    with said.open("w") as log:
        page = subprocess.Popen(
            [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "TMPDIR": str(left)},
        )  # fmt: skip
    try:
        assert page.stdout is not None
        address = page.stdout.readline().strip()
        asyncio.run(wave(address, 1))  # whoever comes first waits for the networks to be opened
        memory = {"before, after one visitor": megabytes(page.pid, "VmRSS")}
        before, waves, remaining = files(left), [], []
        for number in range(1, WAVES + 1):
            seen, seconds = asyncio.run(wave(address, visitors))
            waves.append(summary(seen, seconds))
            click.echo(json.dumps(waves[-1], indent=2))
            time.sleep(FORGOTTEN + 35)  # the page looks every 30 seconds for what is to be forgotten
            memory[f"at most in wave {number}"] = megabytes(page.pid, "VmHWM")
            memory[f"after wave {number}"] = megabytes(page.pid, "VmRSS")
            Path(f"/proc/{page.pid}/clear_refs").write_text("5")  # count the most of memory anew
            remaining.append(files(left) - before)
        page.terminate()
        code = page.wait(60)
    finally:
        page.kill()
    log_lines = said.read_text().splitlines()
    return {
        "waves": waves,
        "memory of the page, MB": memory,
        "temporary files after each wave": remaining,
        "temporary files after the page has ended": files(left),
        "exit code": code,
        "tracebacks in the log": sum(line.startswith("Traceback") for line in log_lines),
        "lines in the log": len(log_lines),
        "log": sorted(set(log_lines))[:5],
    }


@click.command()
@click.option("--visitors", default=50, show_default=True, help="At once, in each wave.")
def main(visitors: int) -> None:
    """Measure, print and store."""
    signal.alarm(RUN)  # whatever hangs
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(visitors, Path(scratch))
    about = {
        "reage": reage.__version__, "gradio": gradio.__version__, "model": reage.open_bundle().manifest.title,
        "cores": len(os.sched_getaffinity(0)), "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "visitors": visitors, "seconds until a photo is forgotten": FORGOTTEN,
    }  # fmt: skip
    stored = {"about": about, **measured}
    click.echo(json.dumps(stored, indent=2))
    (HERE / "web_load.json").write_text(json.dumps(stored, indent=2) + "\n")
    wrong = [line for each in measured["waves"] for line in each["wrong"]]
    sys.exit(bool(wrong or measured["tracebacks in the log"] or measured["exit code"]))


if __name__ == "__main__":
    main()
