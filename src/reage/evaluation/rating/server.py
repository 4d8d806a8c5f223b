"""Serves the page on which people compare outputs, to this machine only."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from reage.errors import ReageError, WriteError
from reage.evaluation.rating.session import Question, Session
from reage.own_site import OwnSite

HOST = "127.0.0.1"
_PAGE = Path(__file__).with_name("page.html")
_LONGEST = 1000
"""Largest answer that the page may send, in bytes."""
_PATIENCE = 20
"""Seconds that a request may take to arrive."""
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def serve(session: Session, port: int, on_ready: Callable[[str], object]) -> None:
    """Serve the page until the process is interrupted or terminated.

    Args:
        session: what is asked.
        port: 0 is any free one.
        on_ready: is given the address of the page once it answers.

    Raises:
        ReageError: the port is taken or not allowed.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with running(session, port) as address:
        on_ready(address)
        ended.wait()


@contextmanager
def running(session: Session, port: int = 0) -> Iterator[str]:
    """The page, served as long as the block runs; yields its address. Raises as `serve`."""
    try:
        server = ThreadingHTTPServer((HOST, port), _handler(session))
    except (OSError, OverflowError) as error:
        raise ReageError(
            f"cannot serve on {HOST}, port {port}: {error}; choose another port with --port (0: any free one)"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(session: Session) -> type[BaseHTTPRequestHandler]:
    site, page = OwnSite(), _PAGE.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE
        server_version, sys_version = "reage", ""

        def do_GET(self) -> None:
            if self._is_refused():
                return
            question = session.question
            if self.path == "/":
                self._answer(200, page, "text/html; charset=utf-8")
            elif self.path == "/question":
                self._answer_with(question)
            elif question is not None and self.path.removeprefix("/picture/") in question.pictures:
                self._answer(200, question.pictures[self.path.removeprefix("/picture/")], "image/png")
            else:
                self._say(404, "there is nothing of that name here")

        def do_POST(self) -> None:
            if self._is_refused():
                return
            if self.path != "/vote":
                self._say(404, "there is nothing of that name here")
                return
            length = self.headers.get("Content-Length", "")
            if not length.isascii() or not length.isdigit() or int(length) > _LONGEST:
                self._say(413, "a vote is shorter, and says how long it is")
                return
            try:
                content = json.loads(self.rfile.read(int(length)))
                question, choice = content["question"], content["choice"]
            except (ValueError, KeyError, TypeError, RecursionError):
                question = choice = None
            if not isinstance(question, str) or choice not in ("left", "right", "tie"):
                self._say(400, 'a vote is {"question": id, "choice": "left", "right" or "tie"}')
                return
            try:
                self._answer_with(session.vote(question, choice))
            except WriteError as error:
                self._say(500, str(error))

        def _is_refused(self) -> bool:
            refused = site.refusal(self.command, self.path, self.headers.get)
            if refused:
                self._say(403, refused)
            return refused is not None

        def _answer_with(self, question: Question | None) -> None:
            shown: dict[str, Any] = {"over": True}
            if question is not None:
                photo, left, right = (f"/picture/{name}" for name in question.names)
                shown = {
                    "question": question.id, "target": question.target, "photo": photo, "left": left,
                    "right": right, "done": question.done, "total": question.total,
                }  # fmt: skip
            self._answer(200, json.dumps(shown).encode(), "application/json")

        def _say(self, status: int, text: str) -> None:
            self._answer(status, text.encode(), "text/plain; charset=utf-8")

        def _answer(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(content)),
                "Cache-Control": "no-store",
                "Content-Security-Policy": _POLICY,
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:  # the terminal shows the address alone
            pass

    return Handler
