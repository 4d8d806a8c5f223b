"""What the page shows of an open photo: the pictures, the settings of a face, and what can be undone."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component

from reage.face.framing import head_box
from reage.manifest import Manifest
from reage.request import GENDERS, Request
from reage.web import texts
from reage.web.controls import PRESET_AGES, Controls, ages_in_years
from reage.web.history import Asked, History
from reage.web.service import Service
from reage.web.store import OpenPhoto

Values = dict[Component, Any]
"""What components hold, by component."""

_SMALL = 0.5
"""A head that takes less than this part of a photo's longer side is shown from near."""


class Display:
    """Says what ``controls`` hold from now on; ``service`` makes the pictures."""

    def __init__(self, service: Service, controls: Controls) -> None:
        self.service = service
        self.controls = controls

    def change(
        self,
        photo: OpenPhoto,
        values: Values,
        asked: Asked,
        *,
        by_slider: bool = False,
        moves_line: bool = False,
    ) -> Values:
        """The edited picture, in words what was done, and the history with the step to ``asked``.

        The moves of a slider that follow one another (``by_slider``) are one step. The line between before and after
        stays where it is, unless ``moves_line`` puts it across the chosen face.
        """
        history: History = values[self.controls.history]
        history = history.after(values[self.controls.asked], asked, time.monotonic() if by_slider else None)
        return {
            self.controls.asked: asked,
            **self.history(history),
            **self.pictures(photo, values, asked, moves_line=moves_line),
        }

    def history(self, history: History) -> Values:
        """The history, and which of its two buttons do something."""
        return {
            self.controls.history: history,
            self.controls.undo: gr.Button(interactive=bool(history.past)),
            self.controls.redo: gr.Button(interactive=bool(history.future)),
        }

    def pictures(self, photo: OpenPhoto, values: Values, asked: Asked, *, moves_line: bool = False) -> Values:
        """The picture before and after, as the visitor chose to see them, and in words what was done.

        ``moves_line`` is as in `change`.
        """
        face, is_near = values[self.controls.face], values[self.controls.view] == texts.NEAR
        requests = effective(photo, asked)
        with photo.turn:
            if is_near:
                preview = self.service.near(photo.token, face, *requests)
            else:
                preview = self.service.preview(photo.token, *requests)
        before, after = str(preview.before), str(preview.after)
        told: Values = {self.controls.result: texts.result(preview.changes, of=len(photo.sitting.faces))}
        if values[self.controls.compare] == texts.BESIDE:
            pictures: Values = {self.controls.before: before, self.controls.after: after}
            return {part: gr.Image(path, visible=True) for part, path in pictures.items()} | told
        if not moves_line:
            return {self.controls.picture: (before, after), **told}
        x0, _, x1, _ = photo.sitting.faces[face].box
        line = 50 if is_near else round(50 * (x0 + x1) / photo.sitting.photo.width)
        return {
            self.controls.picture: gr.ImageSlider(
                (before, after), visible=True, slider_position=min(max(line, 5), 95)
            ),
            **told,
        }

    def settings(self, photo: OpenPhoto, index: int, asked: Asked) -> Values:
        """The settings of one face."""
        request = settings_of(photo, index, asked)
        genders = {value: name for name, value in GENDERS.items()}
        low, high = ages_in_years(photo.sitting.reager.bundle.manifest.target_ages)
        return {
            self.controls.age: gr.Slider(low, high, whole_years(photo, request.to)),
            self.controls.source: request.source,
            self.controls.strength: request.strength,
            self.controls.gender: texts.AS_IT_LOOKS if request.male is None else genders[request.male],
            **{slider: request.regions.get(name, 1) for name, slider in self.controls.regions.items()},
        }

    def ages(self, manifest: Manifest) -> Values:
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


def is_small(photo: OpenPhoto) -> bool:
    """Whether the largest face is too small in the photo to be judged there."""
    x0, y0, x1, y1 = head_box(photo.sitting.faces[0].face.landmarks_photo, photo.sitting.photo.pixels.shape)
    return max(x1 - x0, y1 - y0) < _SMALL * max(photo.sitting.photo.width, photo.sitting.photo.height)


def settings_of(photo: OpenPhoto, index: int, asked: Asked) -> Request:
    """What the page shows for a face: what is asked of it, or, if nothing is, the age that it looks."""
    request = asked.get(index) or Request(to=photo.sitting.faces[index].apparent_age)
    return replace(request, to=whole_years(photo, request.to))


def whole_years(photo: OpenPhoto, age: Any) -> int:
    """The age on the page's sliders that is nearest to ``age``."""
    low, high = ages_in_years(photo.sitting.reager.bundle.manifest.target_ages)
    return int(min(max(round(age), low), high))


def effective(photo: OpenPhoto, asked: Asked) -> list[Request]:
    """The requests that change anything, each for its face: not those for the age that the face has already."""
    faces = photo.sitting.faces
    return [
        replace(request, faces=index)
        for index, request in sorted(asked.items())
        if request.to != round(request.source_age(faces[index].apparent_age))
    ]
