"""The answer to a move of a slider, past Gradio, whose queue and files would take longer than the picture.

The page's script (`looks.MOVE`) posts what its controls say, as JSON, and gets the picture with what to say about it.
"""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from reage.errors import ReageError
from reage.web import texts
from reage.web.arguments import request_of, years
from reage.web.display import Display
from reage.web.guard import busy
from reage.web.sentences import explain

_WORKERS = 2
"""How many moves are worked on at a time, while others wait."""


class Moves:
    """What answers at `guard.MOVE`; ``display`` makes the pictures, and ``queue`` moves may wait."""

    def __init__(self, display: Display, queue: int) -> None:
        self._display = display
        self._queue = queue
        self._workers = CapacityLimiter(_WORKERS)

    async def answer(self, request: HttpRequest) -> Response:
        """A request's answer, in the order in which requests came; errors are sentences called ``detail``."""
        if self._workers.statistics().tasks_waiting >= self._queue:
            return busy()
        try:
            moved = await to_thread.run_sync(self.move, await request.json(), limiter=self._workers)
        except Exception as error:
            status = 422 if isinstance(error, ReageError) else 500
            return JSONResponse({"detail": explain(error)}, status)
        return JSONResponse(moved)

    def move(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask of faces what the controls say; the picture, in words what was done, and what can be undone.

        ``asked`` has the ``token`` of the photo, the index of the chosen ``face``, whether ``everybody`` is to change,
        the ``view``, and the settings of the edit, those of regions as a table. The picture is a ``data:`` address: so
        it needs no second request, and no file that a browser may still want when it is deleted.

        Raises:
            ReageError: The photo is not open any more, or something is asked that cannot be.
        """
        token = asked.get("token")
        photo = self._display.service.store.get(token if isinstance(token, str) else None)
        face, gender = photo.check_face(asked.get("face")), asked.get("gender")
        request = request_of(
            years(asked.get("age")),
            asked.get("strength"),
            "" if gender == texts.AS_IT_LOOKS else gender,
            asked.get("source"),
            asked.get("regions"),
        )
        with photo.turn:
            faces = range(len(photo.sitting.faces)) if asked.get("everybody") else [face]
            photo.ask(photo.asked | dict.fromkeys(faces, request), by_slider=True)
            preview = self._display.preview(photo, face, asked.get("view"))
            photo.history = photo.history.answered(time.monotonic())
            return {
                "picture": f"data:image/jpeg;base64,{b64encode(preview.after.read_bytes()).decode()}",
                "told": texts.result(preview.changes, of=len(photo.sitting.faces)),
                "undo": bool(photo.history.past),
                "redo": bool(photo.history.future),
            }
