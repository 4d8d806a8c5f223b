"""What fifty visitors at once do to the page: throughput, refusals, memory, and what they leave behind.

    python benchmarks/web_load.py                 # needs the extra `web`, and Linux

Writes benchmarks/web_load.json. Each visitor comes from an address of their own, uploads a portrait of a shape that
nobody else has, opens it, and asks for ages as a slider does; some of them download. Half of them ask what a browser
asks for the page, the others what programs ask (docs/http.md). All leave: by closing the page or the photo, by going
away in the middle of an answer, or without a word, so that the photo is forgotten after a while. Who is refused waits
and asks again. Every picture must have the shape of its visitor's photo. Several waves come to the same page, so that
what grows from wave to wave is seen. Each request and the whole run have a time after which they are ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
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
RUN = 2700
"""Seconds that everything may take."""
FORGOTTEN = 420
"""Seconds after which the page forgets a photo that nobody uses; 900 unless it is told otherwise."""
TRIES, PAUSE = 40, 5.0
"""How often somebody who is refused asks, and the seconds in between."""
SERVE = f"""
from reage.web.server import serve
from reage.web.service import Limits
serve("127.0.0.1", 0, limits=Limits(seconds={FORGOTTEN}))
"""
WAYS = "closes", "goes in the middle", "says nothing"


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
    """Milliseconds of the answers to the page's slider, with the picture."""
    calls: list[float] = field(default_factory=list)
    """The same for programs."""
    wrong: list[str] = field(default_factory=list)
    """Whatever should not have been."""


@dataclass
class Visitor:
    """Somebody with a photo of their own, who uses the page as programs do."""

    number: int
    client: httpx.AsyncClient
    seen: Seen

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the photo, which nobody else has."""
        return 900 + 8 * self.number, 1300 - 8 * self.number

    @cached_property
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
            photo = {"files": (f"{self.number}.jpg", self.photo)}
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
        self.seen.calls.append(1000 * (time.perf_counter() - start))
        self.seen.answers["moves of the slider, programs"] += 1
        if changes[0]["target_age"] != age:
            self.seen.wrong.append(f"visitor {self.number} asked for {age} and got another age")

    async def leaves(self, token: str) -> None:
        """Go in this visitor's way."""
        way = WAYS[self.number // 2 % len(WAYS)]
        if way == "closes":
            await self.closes(token)
        elif way == "goes in the middle":
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.moves(token, 33)

    async def closes(self, token: str) -> None:
        """Say that the photo is not needed any more."""
        await self.calls("close", {"token": token})

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


@dataclass
class Reader(Visitor):
    """Somebody with a photo of their own, who has the page open in a browser."""

    session: str = field(default_factory=lambda: secrets.token_hex(6))

    async def visit(self) -> None:
        """As others do, while the page is open: for so long a browser listens to an answer that does not end."""
        self.heart = asyncio.create_task(self.beat())
        try:
            await super().visit()
        finally:
            self.heart.cancel()

    async def beat(self) -> None:
        """Listen until cancelled."""
        async with self.client.stream("GET", f"gradio_api/heartbeat/{self.session}") as beats:
            async for _ in beats.aiter_bytes():
                pass

    async def opens(self, upload: str) -> str:
        """Do what the page does once a file is uploaded; returns the token of the photo."""
        config = json.loads(await self.patiently(self.client.get, "config"))
        parts = {part["id"]: part["props"] for part in config["components"]}
        (event,) = (each for each in config["dependencies"] if each["api_name"] == "page_open_file"
                    and parts[each["targets"][0][0]].get("elem_id") == "upload")  # fmt: skip
        file = {"path": upload, "meta": {"_type": "gradio.FileData"}}
        given = [[file] if parts[part].get("elem_id") == "upload" else parts[part].get("value")
                 for part in event["inputs"]]  # fmt: skip
        asked = {"data": given, "fn_index": event["id"], "session_hash": self.session, "event_data": None}
        for _ in range(TRIES):
            await self.patiently(self.client.post, "gradio_api/queue/join", json=asked)
            output = await self.hears()
            if "error" not in output:
                break
            if "no memory left" not in output["error"]:
                raise ValueError(output["error"])
            await self.refused("there is no memory left for the photo, since others have photos open")
        else:
            raise RefusedError
        self.seen.answers["photos opened"] += 1
        (token,) = (value for part, value in zip(event["outputs"], output["data"], strict=True)
                    if parts[part].get("elem_id") == "token")  # fmt: skip
        return str(token)

    async def hears(self) -> dict[str, Any]:
        """What the event that was asked for last ended in."""
        address = f"gradio_api/queue/data?session_hash={self.session}"
        async with asyncio.timeout(REQUEST), self.client.stream("GET", address) as told:
            async for line in told.aiter_lines():
                if "process_completed" in line:
                    return dict(json.loads(line.removeprefix("data: "))["output"])
        raise ValueError("the page ended its answer before the event")

    async def moves(self, token: str, age: float) -> None:
        """Ask for an age as the page's script does; the picture comes with the answer."""
        start = time.perf_counter()
        asked = {"token": token, "face": 0, "everybody": False, "view": "the whole photo", "age": age, "strength": 1,
                 "gender": "as the face looks", "source": None, "regions": {}}  # fmt: skip
        moved = json.loads(await self.patiently(self.client.post, "move", json=asked))
        self.seen.moves.append(1000 * (time.perf_counter() - start))
        self.fits(b64decode(moved["picture"].partition(",")[2]))
        self.seen.answers["moves of the slider, page"] += 1
        if f"asked for {age}," not in moved["told"]:
            self.seen.wrong.append(f"visitor {self.number} asked for {age} and got another age")

    async def closes(self, token: str) -> None:
        """Close the page, which its heart tells."""


async def wave(address: str, visitors: int) -> tuple[Seen, float]:
    """All visitors at once; what they met with, and the seconds until the last one had left."""
    seen = Seen()
    people = [await come(address, number, seen) for number in range(visitors)]
    assert all(person.photo for person in people)  # they have it with them
    start = time.perf_counter()
    async with asyncio.TaskGroup() as everybody:
        for person in people:
            everybody.create_task(person.visit())
    for person in people:
        await person.client.aclose()
    return seen, time.perf_counter() - start


async def come(address: str, number: int, seen: Seen) -> Visitor:
    """One visitor, from an address of their own, as a web server in front of the page would tell it."""
    headers = {"X-Forwarded-For": f"10.0.0.{number + 1}"}
    # The page closes connections that are idle for five seconds, which on a busy machine may be while one is used.
    limits = httpx.Limits(max_keepalive_connections=0)
    client = httpx.AsyncClient(base_url=address, headers=headers, timeout=REQUEST, limits=limits)
    return (Reader if number % 2 else Visitor)(number, client, seen)


def megabytes(process: int, what: str) -> int:
    """Memory of a process: ``VmRSS`` now, or ``VmHWM`` at most so far."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) // 1024


def files(folder: Path) -> int:
    """How many files there are."""
    return sum(path.is_file() for path in folder.rglob("*"))


def spread(times: list[float]) -> dict[str, int]:
    """The median, and what 95 of 100 do not exceed."""
    if not times:
        return {}
    ordered = sorted(times)
    return {"median": round(statistics.median(ordered)), "95 %": round(ordered[int(0.95 * len(ordered))])}


def summary(seen: Seen, seconds: float) -> dict[str, Any]:
    """The figures of a wave."""
    return {
        "seconds": round(seconds, 1),
        **seen.answers,
        "moves a second": round((len(seen.moves) + len(seen.calls)) / seconds, 2),
        "ms of a move, page": spread(seen.moves),
        "ms of a move, programs": spread(seen.calls),
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
        before = files(left)
        asyncio.run(wave(address, 2))  # whoever comes first waits for the networks to be opened
        memory = {"before, after two visitors": megabytes(page.pid, "VmRSS")}
        waves, remaining = [], []
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
