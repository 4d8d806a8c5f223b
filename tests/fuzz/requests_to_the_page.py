"""Changed HTTP requests, sent to a running `reage web`, which must answer each and the next one."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutate
import seeds
from mutate import Rng

_PATIENCE = 600
"""Seconds that an answer may take."""
_MEMORY = 3 << 30
"""Bytes that the page may have in use."""


@dataclass
class Server:
    """A page that is running."""

    process: subprocess.Popen[str]
    port: int
    log: Path
    scratch: Path
    path: str = ""
    """Of an uploaded photo, as the page names it."""
    token: str = ""
    """Of an open photo."""

    def answer(self, request: bytes, wait: float = _PATIENCE) -> bytes:
        """What the page answers; raises OSError where it does not.

        If nothing comes for ``wait`` seconds, nothing more will be sent: the page may be waiting for the rest of it.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as connection:
            connection.sendall(request)
            if not select.select([connection], [], [], wait)[0]:
                connection.shutdown(socket.SHUT_WR)
            parts = []
            while part := connection.recv(1 << 16):
                parts.append(part)
                if sum(map(len, parts)) > 64 << 20:
                    raise OSError("an answer without end")
            return b"".join(parts)

    def prepare(self) -> None:
        """Upload and open a photo, so that requests can name it."""
        answer = self.answer(_upload("me.jpg", seeds.photographs()["plain.jpg"]))
        self.path = json.loads(answer.partition(b"\r\n\r\n")[2])[0]
        told = self.call("open", {"photo": {"path": self.path, "meta": {"_type": "gradio.FileData"}}})
        found = re.search(rb'"token": *"([^"]+)"', told)
        assert found, told
        self.token = found[1].decode()

    def call(self, name: str, arguments: Any) -> bytes:
        """Call an endpoint and wait for its answer."""
        if name == "move":  # of a slider, past Gradio
            return self.answer(_post("/move", json.dumps(arguments).encode()))
        event = self.answer(_post(f"/gradio_api/call/v2/{name}", json.dumps(arguments).encode()))
        found = re.search(rb'"event_id": *"([0-9a-f]+)"', event)
        return self.answer(_get(f"/gradio_api/call/v2/{name}/{found[1].decode()}")) if found else event

    def memory(self) -> int:
        """Bytes in use."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def start(scratch: Path) -> Server:
    """Start a page with low limits; its temporary files lie in the new folder ``scratch``."""
    scratch.mkdir()
    log = scratch.with_suffix(".log")
    command = [
        sys.executable,
        "-m",
        "reage",
        "web",
        "--port",
        "0",
        "--max-pixels",
        "4000000",
        "--max-upload",
        "2",
    ]
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
    assert process.stdout is not None
    found = re.search(r":(\d+)/", process.stdout.readline())
    assert found, f"the page did not start: {log.read_text()}"
    server = Server(process, int(found[1]), log, scratch)
    server.prepare()
    return server


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()


def _post(path: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: {kind}\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def _upload(name: str, data: bytes) -> bytes:
    bound = "fuzzfuzzfuzz"
    head = f'--{bound}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return _post("/gradio_api/upload", head.encode() + data + f"\r\n--{bound}--\r\n".encode(),
                 f"multipart/form-data; boundary={bound}")  # fmt: skip


def request(server: Server, rng: Rng) -> tuple[bytes, tuple[str, Any] | None]:
    """A changed request as bytes, or a call of an endpoint with changed arguments."""
    choice = rng.random()
    if choice < 0.35:
        name = ("age", "download", "strip", "film", "about", "move")[int(rng.integers(6))]
        return b"", (name, mutate.table_of(arguments(server)[name], rng))
    if choice < 0.45:
        file = {"path": server.path, "meta": {"_type": "gradio.FileData"}}
        return b"", ("open", mutate.table_of({"photo": file, "model": None}, rng))
    if choice < 0.6:
        files = seeds.photographs()
        name = list(files)[int(rng.integers(len(files)))]
        upload = _upload(name, mutate.bytes_of(files[name], rng))
        return (mutate.bytes_of(upload, rng) if rng.random() < 0.5 else upload), None
    plain = [
        _get("/"), _get("/config"), _get("/gradio_api/info"), _get(f"/gradio_api/file={server.path}"),
        _get("/gradio_api/call/v2/age/0123456789abcdef0123456789abcdef"), _get("/gradio_api/queue/data?session_hash=a"),
        _post("/gradio_api/queue/join", b'{"data": [], "fn_index": 0, "session_hash": "a"}'),
        _post("/gradio_api/call/v2/age", json.dumps(arguments(server)["age"]).encode()),
        _upload("a.jpg", seeds.photographs()["plain.jpg"]),
    ]  # fmt: skip
    return mutate.bytes_of(plain[int(rng.integers(len(plain)))], rng), None


def arguments(server: Server) -> dict[str, dict[str, Any]]:
    """Ordinary arguments of each endpoint that takes a token."""
    settings = {"faces": "largest", "strength": 1.0, "gender": "", "source": 30, "regions": {"forehead": 0.5}}
    return {
        "age": {"token": server.token, "age": 70, **settings},
        "download": {"token": server.token, "age": 70, **settings},
        "strip": {"token": server.token, "ages": [30, 70], **settings},
        "film": {"token": server.token, "first": 30, "last": 40, "kind": "gif", "seconds": 0.3, **settings},
        "about": {"model": "x"},
        "move": {"token": server.token, "face": 0, "everybody": False, "view": "", "age": 70, **settings},
    }


def complaint(server: Server, sent: bytes, call: tuple[str, Any] | None) -> str | None:
    """Send a request, then an ordinary one; what is wrong with the answers, or None."""
    said = server.log.read_text().count("Traceback")
    try:
        answer = server.call(*call) if call else server.answer(sent, wait=2)
    except (ConnectionError, BrokenPipeError):  # refused before it was read: what was sent may be anything
        answer = b""
    except (OSError, ValueError) as error:
        if not isinstance(error, ValueError):  # a table that JSON cannot hold was never sent
            return f"hang: {type(error).__name__}"
        return None
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    if answer and not status:
        return "the answer is not HTTP"
    if status and status[1] == b"500":
        return f"status 500: {call[0] if call else sent[:40]!r}"
    if b"Traceback" in answer:
        return "traceback in an answer"
    log = server.log.read_text()
    if log.count("Traceback") > said:
        return "traceback in the log: " + log.strip().splitlines()[-1][:80]
    if server.process.poll() is not None:
        return f"crash: exit code {server.process.returncode}"
    try:
        alive = server.answer(_get("/gradio_api/info"))
    except OSError as error:
        return f"hang: the next request got {type(error).__name__}"
    if b" 200 " not in alive[:20]:
        return f"the next request got {alive[:40]!r}"
    return "memory: more in use than allowed" if server.memory() > _MEMORY else None


def farewell(server: Server) -> str | None:
    """What is wrong with how the page ends when it is asked to; None: nothing."""
    server.process.send_signal(signal.SIGTERM)
    start = time.monotonic()
    code = server.process.wait(60)
    if code:
        return f"exit code {code} after {time.monotonic() - start:.0f} s"
    left = [path.name for path in server.scratch.rglob("*") if path.is_file()]
    return f"left behind: {left[0]}" if left else None
