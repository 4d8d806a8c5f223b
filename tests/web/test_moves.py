"""Moves of a slider, as the page's script posts them; what they change is in `test_handlers.py`."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from reage.errors import PhotoError
from reage.web.moves import Moves
from reage.web.sentences import BUSY, UNEXPECTED


class Slow(Moves):
    """Answers once it is let go on."""

    def __init__(self, queue: int) -> None:
        super().__init__(None, queue)  # type: ignore[arg-type]  # nothing is shown
        self.go_on = threading.Event()

    def move(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What was asked."""
        self.go_on.wait(60)
        return asked


class Failing(Moves):
    """Fails as it was told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__(None, 1)  # type: ignore[arg-type]
        self.error = error

    def move(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Raise the error."""
        raise self.error


def client_of(moves: Moves) -> httpx.AsyncClient:
    app = FastAPI()
    app.add_api_route("/move", moves.answer, methods=["POST"])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")


def test_moves_wait_their_turn_and_too_many_are_refused_in_a_sentence() -> None:
    async def ask() -> list[httpx.Response]:
        moves = Slow(queue=3)
        async with client_of(moves) as client:
            asked = []
            for number in range(6):  # two are worked on, three wait
                asked.append(asyncio.create_task(client.post("/move", json={"number": number})))
                await asyncio.sleep(0.05)
            refused = await asked[5]
            moves.go_on.set()
            return [*await asyncio.gather(*asked[:5]), refused]

    *served, refused = asyncio.run(ask())
    assert [answer.json() for answer in served] == [{"number": number} for number in range(5)]
    assert (refused.status_code, refused.json()) == (429, {"detail": BUSY})


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [(PhotoError("it is gone"), 422, "It is gone."), (IndexError("list index"), 500, UNEXPECTED)],
)
def test_whatever_goes_wrong_is_told_in_a_sentence(error: Exception, status: int, sentence: str) -> None:
    async def ask() -> httpx.Response:
        async with client_of(Failing(error)) as client:
            return await client.post("/move", json={})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()) == (status, {"detail": sentence})
