"""What stands between visitors and Gradio: limits on requests, no word with other hosts, errors as one sentence."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reage.errors import ReageError
from reage.web.store import Store

P = ParamSpec("P")
R = TypeVar("R")

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: "
    "blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)
"""Gradio's page holds scripts and styles in line; whatever it may ask of other hosts is not fetched."""
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),  # addresses of pictures are known to their owner only
    (b"x-content-type-options", b"nosniff"),
)
_UPLOAD = "/gradio_api/upload"
_POSTS = re.compile(rf"{_UPLOAD}|/gradio_api/(queue/join|cancel|reset|call/(v2/)?[^/]+)/?")
"""What the page, `gradio_client` and the documented endpoints post to.

Gradio has more, for components that are not on the page; `process_recording`, for one, leaves files in /tmp.
"""
_DEEP_LINK = "/gradio_api/deep_link"
"""Writes what a visitor has chosen into a file, for a link to it, which the page does not offer."""
_NO_FETCHING = "this server fetches nothing from elsewhere: upload the photo itself"
_MAX_BODY = 1 << 20
"""Bytes of a request that is no upload."""
_MULTIPART = 1 << 14
"""Bytes that a form adds to the file in it."""
_UPLOADS = 8
"""So many of the largest uploads may lie on the disk at a time."""


class Guard:
    """ASGI middleware: refuses requests that nothing here needs, that are too large, or that name other hosts.

    Posts go through to `_POSTS` only, and none that would make the server fetch from elsewhere. Uploads of more
    than ``max_upload`` bytes are refused before they are read, and all of them while the files that lie about in
    ``store`` have several times that.
    """

    def __init__(self, app: ASGIApp, *, store: Store, max_upload: int) -> None:
        self.app = app
        self._store = store
        self._max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        refusal = self._refusal(scope)
        if not refusal and scope["method"] == "POST" and not _uploads(scope):
            body = await _body(receive)
            receive = _again(body, receive)
            refusal = PlainTextResponse(_NO_FETCHING, 403) if _names_an_address(body) else None
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        path: str = scope["path"]
        if "file=http" in path or "proxy=" in path:
            return PlainTextResponse(_NO_FETCHING, 403)
        posted = scope["method"] == "POST"
        if path == _DEEP_LINK or (posted and not _POSTS.fullmatch(path)):
            return PlainTextResponse("there is nothing of that name here", 404)
        if not posted:
            return None
        length = dict(scope["headers"]).get(b"content-length", b"").decode()
        if not length.isdigit():
            return PlainTextResponse("say the length of the request", 411)
        uploading = _uploads(scope)
        if int(length) > (self._max_upload + _MULTIPART if uploading else _MAX_BODY):
            limit = (
                f"a file may have {self._max_upload >> 20} MB" if uploading else "this request is too long"
            )
            return PlainTextResponse(limit, 413)
        if uploading and self._store.stray_bytes() > _UPLOADS * self._max_upload:
            return PlainTextResponse("too many uploads at the moment; try again in a few minutes", 503)
        return None


def _uploads(scope: Scope) -> bool:
    return str(scope["path"]) == _UPLOAD


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """``receive`` as it was before `_body` read from it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def first_the_body() -> Message:
        return messages.pop() if messages else await receive()

    return first_the_body


def _names_an_address(body: bytes) -> bool:
    """Whether a request names a file by an address on the web, which Gradio would download."""
    try:
        waiting = [json.loads(body)]
    except (ValueError, RecursionError):
        return False  # which Gradio refuses
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if str(value.get("path")).strip().lower().startswith(("http:", "https:")):
                return True
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return False


def in_one_sentence(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` with a `ReageError` shown to the visitor as it is, and not logged."""

    @functools.wraps(function)
    def wrapped(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return function(*arguments, **named)
        except ReageError as error:
            raise gr.Error(sentence(error), print_exception=False) from error

    return wrapped


def sentence(error: ReageError) -> str:
    """An error's text with a full stop, and a capital letter unless it starts with the name of a file."""
    first, space, rest = str(error).partition(" ")
    return f"{first.capitalize() if first.isalpha() else first}{space}{rest}."
