"""What stands between visitors and Gradio: who is served, what may be asked, and no failure without an answer."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reage.web.access import Access
from reage.web.sentences import BUSY, UNEXPECTED
from reage.web.store import Store

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: "
    "blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
)
"""Gradio's page has scripts and styles in its HTML, so these are allowed; nothing is loaded from other hosts."""
_UPLOAD = "/gradio_api/upload"
_CALL = re.compile(r"/gradio_api/call/(v2/)?([^/]+)/?")
_EVENT = re.compile(r"/gradio_api/call/(v2/)?[^/]+/[^/]+")
MOVE = "/move"
"""Where the page's sliders post to, past Gradio."""
_QUEUED = re.compile(rf"/gradio_api/queue/join/?|{_CALL.pattern}")
"""Addresses whose requests wait in Gradio's queue."""
_POSTS = re.compile(rf"{_UPLOAD}|{MOVE}|/gradio_api/(cancel|reset)/?|{_QUEUED.pattern}")
"""Addresses that the page, `gradio_client` and the documented endpoints post to.

Gradio has more, for components that are not on the page; `process_recording`, for one, leaves files in /tmp.
"""
_DEEP_LINK = "/gradio_api/deep_link"
"""Writes what a visitor has chosen into a file, for links to it; the page offers no such links."""
_NO_FETCHING = "this server fetches nothing from elsewhere: upload the photo itself"
NO_FILE = "a file is uploaded as multipart/form-data, in the field files"
_NO_EVENT = b'event: error\ndata: "404: Not Found"\n\n'
"""Gradio's answer to whoever waits for an event that does not exist."""
_NO_EVENT_TOLD = (
    b'event: error\ndata: {"error": "There is no such event, or its answer has been read already."}\n\n'
)
_MAX_BODY = 1 << 20
"""Largest request that is not an upload, in bytes."""
_MULTIPART = 1 << 14
"""Bytes that a form adds to the file in it."""
_UPLOADS = 8
"""Uploads of the largest size that may wait on the disk to be opened."""

Calls = Mapping[str, Mapping[str, bool]]
"""Endpoints by name: their arguments in order, and whether each must be given."""


class Guard:
    """ASGI middleware that refuses requests with one sentence of plain text, and passes the others on to ``app``.

    Refused is whoever ``access`` does not let in; posts to addresses other than `_POSTS`; calls of endpoints that are
    not among ``calls``, or with other arguments; and whatever would make the server fetch from elsewhere. Uploads of
    more than ``max_upload`` bytes are refused before they are read, and all uploads while those that wait in ``store``
    to be opened take several times that. Nothing is added to the queue while it ``is_full``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        calls: Calls,
        store: Store,
        max_upload: int,
        is_full: Callable[[], bool],
    ) -> None:
        self.app = app
        self._access = access
        self._calls = calls
        self._store = store
        self._is_full = is_full
        self._max_upload = max_upload
        self._headers = [
            (b"content-security-policy", (_POLICY + access.frame_ancestors).encode()),
            (b"referrer-policy", b"no-referrer"),  # addresses of pictures are known to their owner only
            (b"x-content-type-options", b"nosniff"),
        ]
        if not access.frames:
            # For browsers that do not know frame-ancestors.
            self._headers.append((b"x-frame-options", b"DENY"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._headers)
        try:
            refusal = self._access.refusal(scope) or self._refusal(scope)
            if not refusal and scope["method"] == "POST" and not _uploads(scope):
                body = await _body(receive)
                receive = _again(body, receive)
                refusal = self._refusal_of_body(scope["path"], body)
            await (refusal or self.app)(scope, receive, answer)
        except ClientDisconnect:
            _log().warning("a client went away during %s %r", scope["method"], scope["path"])
        except Exception as error:
            is_clients = isinstance(error.__cause__, HTTPException) or is_no_upload(scope["path"], error)
            if not is_clients:
                _log().error("%s %r failed", scope["method"], scope["path"], exc_info=error)
            await answer.end()

    def _refusal(self, scope: Scope) -> Response | None:
        path: str = scope["path"]
        if "file=http" in path or "proxy=" in path:
            return PlainTextResponse(_NO_FETCHING, 403)
        posted = scope["method"] == "POST"
        if path == _DEEP_LINK or (posted and not _POSTS.fullmatch(path)):
            return PlainTextResponse("there is nothing of that name here", 404)
        if not posted:
            return None
        if _QUEUED.fullmatch(path) and self._is_full():
            return busy()
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        is_stated = re.fullmatch(rb"[0-9]{1,18}", length)
        if b"transfer-encoding" in headers or not is_stated:  # such a request may be endless
            return PlainTextResponse("say the length of the request", 411)
        if not _uploads(scope):
            return PlainTextResponse("this request is too long", 413) if int(length) > _MAX_BODY else None
        if int(length) > self._max_upload + _MULTIPART:
            return PlainTextResponse(f"a file may have {self._max_upload >> 20} MB", 413)
        if b"multipart/form-data" not in headers.get(b"content-type", b""):
            return PlainTextResponse(NO_FILE, 415)
        if self._store.stray_bytes() > _UPLOADS * self._max_upload:
            return PlainTextResponse("too many uploads at the moment; try again in a few minutes", 503)
        return None

    def _refusal_of_body(self, path: str, body: bytes) -> PlainTextResponse | None:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return PlainTextResponse("the request is not JSON", 400)
        if not isinstance(content, dict):
            return PlainTextResponse("the request is not a JSON object", 422)
        if any(map(_names_an_address, _tables(content))):
            return PlainTextResponse(_NO_FETCHING, 403)
        if any(not isinstance(table.get("meta", {}), dict) for table in _tables(content)):
            return PlainTextResponse('a file has the "meta" {"_type": "gradio.FileData"}', 422)
        call = _CALL.fullmatch(path)
        return self._refusal_of_call(call[2], content, named=bool(call[1])) if call else None

    def _refusal_of_call(
        self, name: str, content: dict[str, Any], *, named: bool
    ) -> PlainTextResponse | None:
        if name not in self._calls:
            known = ", ".join(self._calls)
            return PlainTextResponse(f"there is no endpoint '{name}' here, only {known}", 404)
        arguments = self._calls[name]
        takes = f"{name} takes {', '.join(arguments) or 'no arguments'}"
        if not named:
            data = content.get("data")
            fits = isinstance(data, list) and len(data) == len(arguments)
            return None if fits else PlainTextResponse(f'{takes}: all of them, in a list called "data"', 422)
        for argument in content:
            if argument not in arguments:
                return PlainTextResponse(f"{takes}, not '{argument[:100]}'", 422)
        for argument, needed in arguments.items():
            if needed and argument not in content:
                return PlainTextResponse(f"{takes}; {argument} is missing", 422)
        return None


class _Answer:
    """Sends an answer with further ``headers``, and can end it if it has failed halfway."""

    def __init__(self, scope: Scope, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._scope = scope
        self._send = send
        self._headers = headers
        self._started: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *self._headers]
            self._started = message
        elif message.get("body") == _NO_EVENT and _EVENT.fullmatch(self._scope["path"]):
            message["body"] = _NO_EVENT_TOLD
        await self._send(message)

    async def end(self) -> None:
        """Say that something went wrong. An answer that has begun is only ended, if its length was not announced."""
        if self._started is None:
            await PlainTextResponse(UNEXPECTED, 500)(self._scope, _nothing, self)
        elif b"content-length" not in dict(self._started["headers"]):
            await self._send({"type": "http.response.body", "body": b""})


def busy() -> Response:
    """The answer to a request for which there is no room in a queue.

    Gradio's page shows a text called ``detail``, but words of its own for the status 503.
    """
    return JSONResponse({"detail": BUSY}, 429, {"Retry-After": "5"})


def is_no_upload(path: str, error: Exception) -> bool:
    """Whether ``error`` is what Gradio raises where a field of an upload is no file."""
    return path == _UPLOAD and isinstance(error, TypeError)


def _log() -> logging.Logger:
    return logging.getLogger(__name__)


def _uploads(scope: Scope) -> bool:
    return str(scope["path"]) == _UPLOAD


async def _body(receive: Receive) -> bytes:
    """The whole body of a request; raises `ClientDisconnect` if it does not arrive."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """``receive`` as it was before `_body` read from it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def first_the_body() -> Message:
        return messages.pop() if messages else await receive()

    return first_the_body


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _names_an_address(table: dict[str, Any]) -> bool:
    """Whether part of a request names a file by an address on the web, which Gradio would download."""
    return str(table.get("path")).strip().lower().startswith(("http:", "https:"))


def _tables(content: object) -> Iterator[dict[str, Any]]:
    """Every table in a request: itself, and those in its tables and lists."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
