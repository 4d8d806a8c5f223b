"""What the page answers when the visitor does something: values of its components in, values of components out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from reage.assets import portraits
from reage.edit.masks import REGIONS
from reage.request import Request
from reage.web import texts
from reage.web.access import visitor
from reage.web.service import STRIP_AGES, Service
from reage.web.store import OpenPhoto

GENDERS = {"as estimated": None, "female": 0.0, "male": 1.0}


class Answers:
    """``wish`` in each method is what `read_wish` reads: the values of the controls, in their order."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._portraits = list(portraits())

    def opened(self, request: gr.Request, file: str | None, model: str, *manner: Any) -> tuple[Any, ...]:
        """A photo was uploaded or taken with the webcam: everything on the page that is about it."""
        if file is None:
            return tuple(gr.skip() for _ in range(9))
        return self._new(
            self.service.open(Path(file), model=model, visitor=visitor(request), page=request.session_hash),
            *manner,
        )

    def portrait(
        self, request: gr.Request, chosen: gr.SelectData, model: str, *manner: Any
    ) -> tuple[Any, ...]:
        """A bundled portrait was chosen: as `opened`."""
        file = self._portraits[chosen.index]
        return self._new(
            self.service.open(file, model=model, visitor=visitor(request), page=request.session_hash), *manner
        )

    def _opened(self, request: gr.Request, file: Path, model: str, *manner: Any) -> tuple[Any, ...]:
        sender, page = visitor(request), request.session_hash
        return self._new(self.service.open(file, model=model, visitor=sender, page=page), *manner)

    def _new(self, photo: OpenPhoto, strength: float, gender: str, *regions: float) -> tuple[Any, ...]:
        faces = photo.sitting.faces
        age = round(photo.sitting.reager.bundle.manifest.goal("older", faces[0].apparent_age))
        labels = [texts.face_label(face.index, face.apparent_age) for face in faces]
        tiles = [
            (str(path), label) for path, label in zip(self.service.thumbnails(photo), labels, strict=True)
        ]
        picture, told = self.shown(photo.token, 0, False, age, strength, gender, None, *regions)
        return (
            photo.token,
            0,
            gr.Markdown(visible=True),
            gr.Gallery(tiles, selected_index=0, visible=True),
            gr.Checkbox(False, visible=len(faces) > 1),
            age,
            None,  # the age that the last photo was said to show
            picture,
            told,
        )

    def shown(self, token: str | None, *wish: Any) -> tuple[Any, Any]:
        """A slider was moved: the picture, and what was done, in words."""
        if token is None:
            return gr.skip(), texts.NOTHING_OPEN
        preview = self.service.preview(token, read_request(*wish))
        return (str(preview.before), str(preview.after)), texts.told(preview.changes)

    def face(self, chosen: gr.SelectData, token: str | None, _: int, *wish: Any) -> tuple[Any, ...]:
        """A face was chosen: its number, and as `shown`."""
        return chosen.index, *self.shown(token, chosen.index, *wish)

    def model(self, model: str, token: str | None, *wish: Any) -> tuple[Any, ...]:
        """Another model was chosen: what it is, and as `shown`."""
        told = texts.about(self.service.bundle(model))
        if token is None:
            return told, gr.skip(), gr.skip()
        self.service.use(token, model)
        return told, *self.shown(token, *wish)

    def download(self, token: str | None, *wish: Any) -> str:
        """The whole photo is wanted."""
        return str(self.service.download(token, read_request(*wish)))

    def strip(self, first: float, last: float, token: str | None, *wish: Any) -> Any:
        """A life strip is wanted."""
        ages = dict.fromkeys(round(float(age)) for age in np.linspace(first, last, STRIP_AGES // 2))
        return gr.Image(str(self.service.strip(token, list(ages), read_request(*wish))), visible=True)

    def film(self, kind: str, first: float, last: float, token: str | None, *wish: Any) -> tuple[Any, ...]:
        """A film is wanted: a video, or a picture that moves."""
        path = str(self.service.film(token, (first, last), read_request(*wish), kind=kind))
        moving = kind == "mp4"
        video, picture = (path, None) if moving else (None, path)
        return gr.Video(video, visible=moving), gr.Image(picture, visible=not moving)

    def left(self, request: gr.Request) -> None:
        """The visitor closed or reloaded the page."""
        self.service.store.leave(request.session_hash)


def read_request(
    face: int,
    everybody: bool,
    age: float,
    strength: float,
    gender: str,
    source: float | None,
    *regions: float,
) -> Request:
    """What is asked for, from the values of the page's controls."""
    faces = "all" if everybody else str(face)
    named = dict(zip(REGIONS, regions, strict=True))
    return Request(age, None, source, GENDERS[gender], strength, named, faces)
