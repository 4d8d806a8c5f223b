"""The guard alone, in front of an application that answers everything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from reage.web.access import Access
from reage.web.guard import Guard
from reage.web.store import Store


def ask(guard: Guard, method: str, path: str) -> httpx.Response:
    """What is answered to a request without arguments."""

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app=guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, json={} if method == "POST" else None)

    return asyncio.run(sent())


@pytest.fixture
def full(tmp_path: Path) -> Guard:
    """In front of a queue that nobody can join."""
    store = Store(tmp_path, max_bytes=1, share=1, seconds=1)
    return Guard(
        PlainTextResponse("served"),
        access=Access(),
        calls={"models": {}},
        store=store,
        max_upload=1,
        is_full=lambda: True,
    )


@pytest.mark.parametrize("path", ["queue/join", "call/models", "call/v2/models"])
def test_a_full_queue_is_told_in_a_sentence_of_our_own(full: Guard, path: str) -> None:
    answer = ask(full, "POST", f"/gradio_api/{path}")
    assert answer.status_code == 429
    assert answer.json()["detail"].endswith("try again in a few seconds.")
    assert answer.headers["Retry-After"] == "5"


def test_a_full_queue_keeps_nobody_from_pictures_and_from_cancelling(full: Guard) -> None:
    assert ask(full, "GET", "/gradio_api/file=me.jpg").text == "served"
    assert ask(full, "POST", "/gradio_api/cancel").text == "served"
