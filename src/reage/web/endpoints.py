"""The HTTP interface: named endpoints for ``gradio_client`` and curl, described in `docs/http.md`.

A photo is opened once; every other call names it by the token that `/open` answers. Faces are counted from 0, as on the
command line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from reage.batch import describe
from reage.errors import AgeError, PhotoError
from reage.web import texts
from reage.web.access import visitor
from reage.web.arguments import number, request_of, target_of, years
from reage.web.page import WORKERS
from reage.web.service import Service


class Endpoints:
    """Declares the endpoints within a `gr.Blocks`, on components that nobody sees: they give types and defaults.

    Each method is an endpoint, and the names of its arguments are those of the interface. Settings of the edit are
    ``faces`` (``all``, ``largest`` or numbers such as ``0,2``), ``strength`` (0 to 1.5), ``gender`` (``female``,
    ``male``, or empty for what the face looks), ``source`` (the age in the photo, empty for what the face looks) and
    ``regions`` (factors such as ``{"forehead": 0.5}``). Instead of an age, `age` and `download` take a ``direction``,
    young2old or old2young. Whatever cannot be done raises a `ReageError`.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        token, model = gr.Textbox(), gr.Textbox("")
        age, ages = gr.Number(), gr.JSON([20, 35, 50, 65, 80])
        settings = [gr.Textbox("largest"), gr.Number(1), gr.Textbox(""), gr.Textbox(""), gr.JSON({})]
        file, facts = gr.File(), gr.JSON()
        _declare("open", "open", self.open, [gr.File(), model], [facts])
        target = [*settings, gr.Textbox("")]
        _declare("age", "preview", self.age, [token, age, *target], [gr.Image(type="filepath"), facts])
        _declare("download", "work", self.download, [token, age, *target], [file])
        _declare("strip", "work", self.strip, [token, ages, *settings], [file])
        film = [gr.Number(20), gr.Number(80), gr.Textbox("gif"), gr.Number(5)]
        _declare("film", "work", self.film, [token, *film, *settings], [file])
        _declare("close", "preview", self.close, [token], [])
        _declare("models", "preview", self.models, [], [facts])
        _declare("about", "preview", self.about, [model], [gr.Textbox()])

    def open(self, request: gr.Request, photo: str | None, model: str = "") -> dict[str, Any]:
        """Open a photo; answer its token, size and model, and its faces with their boxes and the ages they look."""
        if not photo:
            raise PhotoError("no photo was sent")
        opened = self.service.open(Path(photo), model=model or None, visitor=visitor(request))
        whole = opened.sitting.photo
        return {
            "token": opened.token,
            "name": opened.name,
            "width": whole.width,
            "height": whole.height,
            "model": opened.sitting.reager.bundle.title,
            "faces": self.service.faces(opened),
        }

    def age(
        self,
        token: str,
        age: float,
        faces: str,
        strength: float,
        gender: str,
        source: str,
        regions: Any,
        direction: str = "",
    ) -> tuple[str, list[dict[str, Any]]]:
        """Answer a reduced picture of the faces at an age, quickly, and what was done to each face."""
        request = request_of(
            target_of(age, direction), strength, gender, source, regions, faces=str(faces) or "largest"
        )
        preview = self.service.preview(token, request)
        return str(preview.after), describe(preview.changes)

    def download(
        self,
        token: str,
        age: float,
        faces: str,
        strength: float,
        gender: str,
        source: str,
        regions: Any,
        direction: str = "",
    ) -> str:
        """Answer the photo at an age, at its own resolution and in its own format (HEIC and BMP become PNG)."""
        request = request_of(
            target_of(age, direction), strength, gender, source, regions, faces=str(faces) or "largest"
        )
        return str(self.service.download(token, request))

    def strip(
        self,
        token: str,
        ages: list[float],
        faces: str,
        strength: float,
        gender: str,
        source: str,
        regions: Any,
    ) -> str:
        """Answer one sheet of the faces at up to 12 ages."""
        if not isinstance(ages, list):
            raise AgeError("ages are a list of numbers, such as [20, 40, 60]")
        request = request_of(None, strength, gender, source, regions, faces=str(faces) or "largest")
        return str(self.service.strip(token, [years(age) for age in ages], request))

    def film(
        self,
        token: str,
        first: float,
        last: float,
        kind: str,
        seconds: float,
        faces: str,
        strength: float,
        gender: str,
        source: str,
        regions: Any,
    ) -> str:
        """Answer a film of one face from the first age to the last and back: mp4, gif or webp."""
        request = request_of(None, strength, gender, source, regions, faces=str(faces) or "largest")
        ends = (years(first), years(last))
        return str(self.service.film(token, ends, request, kind=kind, seconds=number(seconds, "seconds")))

    def close(self, token: str) -> None:
        """Forget a photo and delete its files."""
        self.service.close(token)

    def models(self) -> list[dict[str, Any]]:
        """Answer the models that photos can be opened with; the first is the default."""
        return self.service.models()

    def about(self, model: str = "") -> str:
        """Answer what a model is, what it was trained on, and what it must not be used for, in Markdown."""
        return texts.about(self.service.bundle(model or None))


def _declare(
    name: str, group: str, function: Callable[..., Any], inputs: list[Any], outputs: list[Any]
) -> None:
    gr.Button().click(
        function,
        inputs,
        outputs,
        api_name=name,
        concurrency_id=group,
        concurrency_limit=WORKERS[group],
        show_progress="hidden",
    )
