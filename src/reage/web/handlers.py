"""What happens when a visitor does something on the page.

Each handler takes what the components hold and returns what those that change hold from now on. Both are dictionaries
by component, so that no order of arguments has to be kept anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from reage.assets import portraits
from reage.manifest import Manifest
from reage.request import GENDERS, Request
from reage.web import texts
from reage.web.access import visitor
from reage.web.controls import PRESET_AGES, Controls, ages_in_years
from reage.web.service import STRIP_AGES, Service
from reage.web.store import OpenPhoto

Values = dict[Component, Any]
"""What components hold, by component."""
Asked = dict[int, Request]
"""What is asked of each face that was changed, by the index of the face."""


class Handlers:
    """Answers to what visitors do with ``controls``; ``service`` does the work. Errors are `ReageError`s."""

    def __init__(self, service: Service, controls: Controls) -> None:
        self.service = service
        self.controls = controls
        self._portraits = list(portraits())

    def open_file(self, values: Values, request: gr.Request) -> Values:
        """Show a photo that was uploaded, or taken with the webcam."""
        file = values.get(self.controls.upload) or values.get(self.controls.webcam)
        if file is None:
            return {self.controls.picture: gr.skip()}
        return self._open(Path(file), values[self.controls.model], request)

    def open_portrait(self, values: Values, chosen: gr.SelectData, request: gr.Request) -> Values:
        """Show a bundled portrait."""
        return self._open(self._portraits[chosen.index], values[self.controls.model], request)

    def change(self, values: Values) -> Values:
        """Show the photo after a slider or another setting was changed."""
        if values[self.controls.token] is None:
            return {self.controls.result: texts.NOTHING_OPEN}
        photo = self._photo(values)
        request = self._read_settings(values)
        return self._show(
            photo, values[self.controls.asked] | dict.fromkeys(self._chosen(values, photo), request)
        )

    def preset(self, label: str) -> Callable[[Values], Values]:
        """What the button ``label`` does: set an age, or undo what was set."""

        def press(values: Values) -> Values:
            if values[self.controls.token] is None:
                return {self.controls.result: texts.NOTHING_OPEN}
            photo, asked = self._photo(values), dict(values[self.controls.asked])
            for index in self._chosen(values, photo):
                if label == texts.UNCHANGED:
                    asked.pop(index, None)
                else:
                    asked[index] = self._aged(photo, index, label, self._read_settings(values))
            return {
                **self._show_settings(photo, values[self.controls.face], asked),
                **self._show(photo, asked),
            }

        return press

    def choose_face(self, values: Values, chosen: gr.SelectData) -> Values:
        """Show the settings of the face that was chosen; all faces keep theirs."""
        photo = self._photo(values)
        asked = self._with_unsent(values, photo)
        return {
            self.controls.face: chosen.index,
            **self._show_settings(photo, chosen.index, asked),
            **self._show(photo, asked, across=chosen.index),
        }

    def choose_model(self, values: Values) -> Values:
        """Show what the chosen model is, and the photo as that model edits it."""
        bundle = self.service.bundle(values[self.controls.model])
        about: Values = {self.controls.about: texts.about(bundle)}
        if values[self.controls.token] is None:
            return {**about, **self._show_ages(bundle.manifest)}
        photo = self.service.use(values[self.controls.token], values[self.controls.model])
        asked = self._with_unsent(values, photo)
        return {
            **about,
            **self._show_ages(bundle.manifest),
            **self._show_settings(photo, values[self.controls.face], asked),
            **self._show(photo, asked),
        }

    def download(self, values: Values) -> Values:
        """Make the whole photo as it is shown."""
        photo = self._photo(values)
        requests = _effective(photo, self._with_unsent(values, photo))
        return {self.controls.file: str(self.service.download(photo.token, *requests))}

    def make_strip(self, values: Values) -> Values:
        """Make a sheet of the chosen faces at several ages."""
        photo = self._photo(values)
        first, last = values[self.controls.first], values[self.controls.last]
        ages = list(dict.fromkeys(round(float(age)) for age in np.linspace(first, last, STRIP_AGES // 2)))
        request = replace(self._read_settings(values), faces=tuple(self._chosen(values, photo)))
        path = self.service.strip(photo.token, ages, request, first_number=1)
        return {self.controls.strip: gr.Image(str(path), visible=True)}

    def make_film(self, values: Values) -> Values:
        """Make a film of the chosen face: a video, or a moving picture."""
        photo = self._photo(values)
        ages = values[self.controls.first], values[self.controls.last]
        request = replace(self._read_settings(values), faces=values[self.controls.face])
        kind = values[self.controls.kind]
        path = str(self.service.film(photo.token, ages, request, kind=kind))
        is_video = kind == "mp4"
        return {
            self.controls.film: gr.Video(path if is_video else None, visible=is_video),
            self.controls.moving: gr.Image(None if is_video else path, visible=not is_video),
        }

    def leave(self, request: gr.Request) -> None:
        """Forget the photo of a visitor who closes or reloads the page."""
        self.service.store.leave(request.session_hash)

    def _open(self, file: Path, model: str, request: gr.Request) -> Values:
        photo = self.service.open(file, model=model, visitor=visitor(request), page=request.session_hash)
        faces = photo.sitting.faces
        asked = {0: self._aged(photo, 0, texts.OLDER, Request())}
        captions = [texts.thumbnail(face.index, face.apparent_age, of=len(faces)) for face in faces]
        thumbnails = map(str, self.service.thumbnails(photo))
        return {
            self.controls.token: photo.token,
            self.controls.face: 0,
            self.controls.people: gr.Markdown(texts.people(faces), visible=True),
            self.controls.faces: gr.Gallery(
                list(zip(thumbnails, captions, strict=True)), selected_index=0, visible=True
            ),
            self.controls.everybody: gr.Checkbox(False, visible=len(faces) > 1),
            **self._show_ages(photo.sitting.reager.bundle.manifest),
            **self._show_settings(photo, 0, asked),
            **self._show(photo, asked, across=0),
        }

    def _photo(self, values: Values) -> OpenPhoto:
        return self.service.store.get(values[self.controls.token])

    def _chosen(self, values: Values, photo: OpenPhoto) -> Iterable[int]:
        """Indices of the faces that the settings are for."""
        return (
            range(len(photo.sitting.faces))
            if values[self.controls.everybody]
            else [values[self.controls.face]]
        )

    def _read_settings(self, values: Values) -> Request:
        """What the sliders and other settings ask."""
        return Request(
            to=values[self.controls.age],
            source=values[self.controls.source],
            male=GENDERS.get(values[self.controls.gender]),
            strength=values[self.controls.strength],
            regions={name: values[slider] for name, slider in self.controls.regions.items()},
        )

    def _with_unsent(self, values: Values, photo: OpenPhoto) -> Asked:
        """What is asked of each face, with the settings of the chosen one as they are at this moment.

        A slider may have been moved so shortly before that `change` has not told it yet.
        """
        asked: Asked = values[self.controls.asked]
        index, request = values[self.controls.face], self._read_settings(values)
        return asked if request == _settings(photo, index, asked) else asked | {index: request}

    def _aged(self, photo: OpenPhoto, index: int, label: str, request: Request) -> Request:
        """``request`` for the age that the preset ``label`` means for a face."""
        manifest = photo.sitting.reager.bundle.manifest
        if label in (texts.OLDER, texts.YOUNGER):
            source = request.source_age(photo.sitting.faces[index].apparent_age)
            return replace(request, to=_whole_years(photo, manifest.goal(label.lower(), source)))
        return replace(request, to=int(label))

    def _show(self, photo: OpenPhoto, asked: Asked, *, across: int | None = None) -> Values:
        """The edited picture, and in words what was done.

        The line between before and after is put ``across`` a face if one is named, and else stays where it is.
        """
        with photo.turn:
            preview = self.service.preview(photo.token, *_effective(photo, asked))
        pictures: Any = (str(preview.before), str(preview.after))
        if across is not None:
            x0, _, x1, _ = photo.sitting.faces[across].box
            line = round(50 * (x0 + x1) / photo.sitting.photo.width)
            pictures = gr.ImageSlider(pictures, slider_position=min(max(line, 5), 95))
        return {
            self.controls.asked: asked,
            self.controls.picture: pictures,
            self.controls.result: texts.result(preview.changes, of=len(photo.sitting.faces)),
        }

    def _show_settings(self, photo: OpenPhoto, index: int, asked: Asked) -> Values:
        """The settings of one face."""
        request = _settings(photo, index, asked)
        genders = {value: name for name, value in GENDERS.items()}
        low, high = ages_in_years(photo.sitting.reager.bundle.manifest.target_ages)
        return {
            self.controls.age: gr.Slider(low, high, _whole_years(photo, request.to)),
            self.controls.source: request.source,
            self.controls.strength: request.strength,
            self.controls.gender: texts.AS_IT_LOOKS if request.male is None else genders[request.male],
            **{slider: request.regions.get(name, 1) for name, slider in self.controls.regions.items()},
        }

    def _show_ages(self, manifest: Manifest) -> Values:
        """The ages that a model can give, wherever one can be chosen; if it knows only directions, these as presets."""
        low, high = ages_in_years(manifest.target_ages)
        ways = bool(manifest.full_ages)
        presets = self.controls.presets
        return {
            self.controls.age: gr.Slider(low, high),
            self.controls.first: gr.Slider(low, high, max(20, low)),
            self.controls.last: gr.Slider(low, high, min(80, high)),
            **{presets[str(age)]: gr.Button(visible=low <= age <= high and not ways) for age in PRESET_AGES},
            **{presets[label]: gr.Button(way if ways else label) for label, way in texts.WAYS.items()},
        }


def _settings(photo: OpenPhoto, index: int, asked: Asked) -> Request:
    """What the page shows for a face: what is asked of it, or, if nothing is, the age that it looks."""
    request = asked.get(index) or Request(to=photo.sitting.faces[index].apparent_age)
    return replace(request, to=_whole_years(photo, request.to))


def _whole_years(photo: OpenPhoto, age: Any) -> int:
    """The age on the page's sliders that is nearest to ``age``."""
    low, high = ages_in_years(photo.sitting.reager.bundle.manifest.target_ages)
    return int(min(max(round(age), low), high))


def _effective(photo: OpenPhoto, asked: Asked) -> list[Request]:
    """The requests that change anything, each for its face: not those for the age that the face has already."""
    faces = photo.sitting.faces
    return [
        replace(request, faces=index)
        for index, request in sorted(asked.items())
        if request.to != round(request.source_age(faces[index].apparent_age))
    ]
