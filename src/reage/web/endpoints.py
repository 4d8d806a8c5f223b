"""The HTTP interface: named endpoints for ``gradio_client`` and curl; `docs/http.md` describes them.

A photo is opened once; every other call names it by the token that `/open` gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from reage.errors import AgeError, PhotoError, RegionError
from reage.request import Request
from reage.web import texts
from reage.web.access import visitor
from reage.web.page import WORKERS
from reage.web.service import Service

GENDERS = {"": None, "female": 0.0, "male": 1.0}


class Endpoints:
    """Declares the endpoints within a `gr.Blocks`, on components that nobody sees: they give types and defaults.

    ``faces`` is ``all``, ``largest`` or numbers such as ``0,2``; ``strength`` is 0 to 1.5; ``gender`` is
    ``female``, ``male`` or empty, as the face looks; ``source`` is the age in the photo, empty as it looks;
    ``regions`` are factors such as ``{"forehead": 0.5}``.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        token, model = gr.Textbox(), gr.Textbox("")
        age, ages = gr.Number(), gr.JSON([20, 35, 50, 65, 80])
        wish = [gr.Textbox("largest"), gr.Number(1), gr.Textbox(""), gr.Textbox(""), gr.JSON({})]
        file, told = gr.File(), gr.JSON()
        _named("open", "open", self.open, [gr.File(), model], [told])
        _named("age", "preview", self.age, [token, age, *wish], [gr.Image(type="filepath"), told])
        _named("download", "work", self.download, [token, age, *wish], [file])
        _named("strip", "work", self.strip, [token, ages, *wish], [file])
        course = [gr.Number(20), gr.Number(80), gr.Textbox("gif"), gr.Number(5)]
        _named("film", "work", self.film, [token, *course, *wish], [file])
        _named("close", "preview", self.close, [token], [])
        _named("models", "preview", self.models, [], [told])
        _named("about", "preview", self.about, [model], [gr.Textbox()])

    def open(self, request: gr.Request, photo: str | None, model: str = "") -> dict[str, Any]:
        """Open a photo: its token, size, model, and faces with their boxes and the ages they look."""
        if not photo:
            raise PhotoError("no photo was sent")
        opened = self.service.open(Path(photo), model=model or None, visitor=visitor(request))
        whole = opened.sitting.photo
        return {
            "token": opened.token,
            "name": opened.name,
            "width": whole.width,
            "height": whole.height,
            "model": opened.sitting.reager.bundle.manifest.title,
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
    ) -> tuple[str, list[dict[str, Any]]]:
        """Show faces at an age: a reduced picture, quickly, and what was done to each face."""
        preview = self.service.preview(token, _request(age, faces, strength, gender, source, regions))
        return str(preview.after), preview.changes

    def download(
        self,
        token: str,
        age: float,
        faces: str,
        strength: float,
        gender: str,
        source: str,
        regions: Any,
    ) -> str:
        """The photo at an age, at its own resolution, in its own format (HEIC and BMP as PNG), marked as AI-edited."""
        return str(self.service.download(token, _request(age, faces, strength, gender, source, regions)))

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
        """One sheet of faces at up to 12 ages."""
        if not isinstance(ages, list):
            raise AgeError("ages are a list of numbers, such as [20, 40, 60]")
        request = _request(None, faces, strength, gender, source, regions)
        return str(self.service.strip(token, [_years(age) for age in ages], request))

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
        """A film of one face from the first age to the last and back: mp4, gif or webp."""
        request = _request(None, faces, strength, gender, source, regions)
        ends = (_years(first), _years(last))
        return str(self.service.film(token, ends, request, kind=kind, seconds=_number(seconds, "seconds")))

    def close(self, token: str) -> None:
        """Forget a photo and delete its files."""
        self.service.close(token)

    def models(self) -> list[dict[str, Any]]:
        """The models that photos can be opened with; the first is the default."""
        return self.service.models()

    def about(self, model: str = "") -> str:
        """What a model is, what it was trained on, and what it must not be used for."""
        return texts.about(self.service.bundle(model or None))


def _named(
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


def _request(
    age: float | None, faces: str, strength: float, gender: str, source: str, regions: Any
) -> Request:
    if not isinstance(regions, dict):
        raise RegionError('regions are factors by name, such as {"forehead": 0.5}')
    if gender not in GENDERS:
        raise AgeError(f"gender is female, male or empty, not '{gender}'")
    return Request(
        to=None if age is None else _years(age),
        faces=str(faces) or "largest",
        strength=_number(strength, "strength"),
        male=GENDERS[gender],
        source=_years(source) if source else None,
        regions={str(name): _number(factor, f"region {name}") for name, factor in regions.items()},
    )


def _years(age: Any) -> float:
    return _number(age, "an age")


def _number(value: Any, name: str) -> float:
    """Components pass on whatever JSON holds. Raises `AgeError` for what is no finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise AgeError(f"{name} is a number, not {value!r}")
    return number
