"""What the page shows of an open photo: the pictures, the settings of a face, and what can be undone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component

from reage.face.framing import head_box
from reage.manifest import Manifest
from reage.request import GENDERS, Request
from reage.web import texts
from reage.web.controls import PRESET_AGES, Controls, ages_in_years
from reage.web.history import Asked
from reage.web.service import Preview, Service
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

    def change(self, photo: OpenPhoto, values: Values, asked: Asked, *, moves_line: bool = False) -> Values:
        """Ask for ``asked``; the edited picture, in words what was done, and what can be undone.

        The line between before and after stays where it is, unless ``moves_line`` puts it across the chosen face.
        """
        photo.ask(asked)
        return {**self.history(photo), **self.pictures(photo, values, moves_line=moves_line)}

    def history(self, photo: OpenPhoto) -> Values:
        """Which of the two buttons do something."""
        return {
            self.controls.undo: gr.Button(interactive=bool(photo.history.past)),
            self.controls.redo: gr.Button(interactive=bool(photo.history.future)),
        }

    def preview(self, photo: OpenPhoto, face: int, view: object) -> Preview:
        """The picture before and after what is asked; ``view`` says whether the face ``face`` is shown from near."""
        requests = effective(photo)
        if view == texts.NEAR:
            return self.service.near(photo.token, face, *requests)
        return self.service.preview(photo.token, *requests)

    def pictures(self, photo: OpenPhoto, values: Values, *, moves_line: bool = False) -> Values:
        """The picture before and after, as the visitor chose to see them, and in words what was done.

        ``moves_line`` is as in `change`.
        """
        face, view = values[self.controls.face], values[self.controls.view]
        preview = self.preview(photo, face, view)
        before, after = str(preview.before), str(preview.after)
        told: Values = {self.controls.result: texts.result(preview.changes, of=len(photo.sitting.faces))}
        if values[self.controls.compare] == texts.BESIDE:
            pictures: Values = {self.controls.before: before, self.controls.after: after}
            return {part: gr.Image(path, visible=True) for part, path in pictures.items()} | told
        if not moves_line:
            return {self.controls.picture: (before, after), **told}
        x0, _, x1, _ = photo.sitting.faces[face].box
        line = 50 if view == texts.NEAR else round(50 * (x0 + x1) / photo.sitting.photo.width)
        return {
            self.controls.picture: gr.ImageSlider(
                (before, after), visible=True, slider_position=min(max(line, 5), 95)
            ),
            **told,
        }

    def settings(self, photo: OpenPhoto, index: int) -> Values:
        """The settings of one face."""
        request = settings_of(photo, index)
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


def settings_of(photo: OpenPhoto, index: int) -> Request:
    """What the page shows for a face: what is asked of it, or, if nothing is, the age that it looks."""
    request = photo.asked.get(index) or Request(to=photo.sitting.faces[index].apparent_age)
    return replace(request, to=whole_years(photo, request.to))


def whole_years(photo: OpenPhoto, age: Any) -> int:
    """The age on the page's sliders that is nearest to ``age``."""
    low, high = ages_in_years(photo.sitting.reager.bundle.manifest.target_ages)
    return int(min(max(round(age), low), high))


def effective(photo: OpenPhoto) -> list[Request]:
    """What is asked that changes anything, each for its face: not those for the age that the face has already."""
    faces = photo.sitting.faces
    return [
        replace(request, faces=index)
        for index, request in sorted(photo.asked.items())
        if request.to != round(request.source_age(faces[index].apparent_age))
    ]
