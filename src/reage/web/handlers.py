"""What happens when a visitor does something on the page.

Each handler takes what the components hold and returns what those that change hold from now on. Both are dictionaries
by component, so that no order of arguments has to be kept anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np

from reage.assets import portraits
from reage.errors import PhotoError, ReageError
from reage.request import GENDERS, Request
from reage.web import texts
from reage.web.access import visitor
from reage.web.controls import Controls
from reage.web.display import Display, Values, effective, is_small, settings_of, whole_years
from reage.web.history import Asked, History
from reage.web.sentences import sentence
from reage.web.service import STRIP_AGES, Service
from reage.web.store import OpenPhoto


class Handlers:
    """Answers to what visitors do with ``controls``; ``service`` does the work. Errors are `ReageError`s."""

    def __init__(self, service: Service, controls: Controls) -> None:
        self.service = service
        self.controls = controls
        self.display = Display(service, controls)
        self._portraits = list(portraits())

    def open_file(self, values: Values, request: gr.Request) -> Values:
        """Show a photo that was uploaded, or taken with the webcam."""
        files = values.get(self.controls.upload) or values.get(self.controls.webcam)
        if not files:
            return {self.controls.picture: gr.skip()}
        return self._open_first([files] if isinstance(files, str) else files, values, request)

    def open_next(self, values: Values, request: gr.Request) -> Values:
        """Show the next of the photos that were uploaded together."""
        return self._open_first(self._photo(values).waiting, values, request)

    def open_portrait(self, values: Values, chosen: gr.SelectData, request: gr.Request) -> Values:
        """Show a bundled portrait."""
        waiting = self._waiting(values)
        return self._keep_waiting(waiting, self._open(self._portraits[chosen.index], values, request))

    def preset(self, label: str) -> Callable[[Values], Values]:
        """What the button ``label`` does: set an age, or undo what was set."""

        def press(values: Values) -> Values:
            if not values[self.controls.token]:
                return {self.controls.result: texts.NOTHING_OPEN}
            photo = self._photo(values)
            with photo.turn:
                asked = dict(photo.asked)
                for index in self._chosen(values, photo):
                    if label == texts.UNCHANGED:
                        asked.pop(index, None)
                    else:
                        asked[index] = self._aged(photo, index, label, self._read_settings(values))
                shown = self.display.change(photo, values, asked)
                return shown | self.display.settings(photo, values[self.controls.face])

        return press

    def undo(self, values: Values) -> Values:
        """Take back the last change of what is asked."""
        return self._step(values, History.undone)

    def redo(self, values: Values) -> Values:
        """Do again what was taken back."""
        return self._step(values, History.redone)

    def choose_view(self, values: Values) -> Values:
        """Show the whole photo or the chosen face, with a slider or side by side."""
        beside = values[self.controls.compare] == texts.BESIDE
        shown = {
            self.controls.pair: gr.Row(visible=beside),
            self.controls.picture: gr.ImageSlider(visible=not beside),
        }
        if not values[self.controls.token]:
            return shown
        photo = self._photo(values)
        with photo.turn:
            asked = self._with_unsent(values, photo)
            return shown | self.display.change(photo, values, asked, moves_line=True)

    def choose_face(self, values: Values, chosen: gr.SelectData) -> Values:
        """Show the settings of the face that was chosen; all faces keep theirs."""
        photo = self._photo(values)
        now: Values = {self.controls.face: photo.check_face(chosen.index), self.controls.view: texts.NEAR}
        with photo.turn:
            asked = self._with_unsent(values, photo)
            shown = self.display.change(photo, values | now, asked, moves_line=True)
            return {**now, **self.display.settings(photo, chosen.index), **shown}

    def choose_model(self, values: Values) -> Values:
        """Show what the chosen model is, and the photo as that model edits it."""
        bundle = self.service.bundle(values[self.controls.model])
        about: Values = {self.controls.about: texts.about(bundle), **self.display.ages(bundle.manifest)}
        if not values[self.controls.token]:
            return about
        photo = self._photo(values)
        with photo.turn:
            self.service.use(photo.token, values[self.controls.model])
            shown = self.display.change(photo, values, self._with_unsent(values, photo))
            return {**about, **self.display.settings(photo, values[self.controls.face]), **shown}

    def download(self, values: Values) -> Values:
        """Make the whole photo as it is shown."""
        photo = self._photo(values)
        with photo.turn:
            photo.ask(self._with_unsent(values, photo))
            requests = effective(photo)
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

    def _open_first(self, files: Sequence[str | Path], values: Values, request: gr.Request) -> Values:
        """Show the first of the photos that can be opened. Those after it wait; warnings tell why others cannot."""
        for i, file in enumerate(files):
            try:
                shown = self._open(Path(file), values, request)
            except ReageError as error:
                if i == len(files) - 1:
                    raise
                gr.Warning(sentence(error))
            else:
                return self._keep_waiting(files[i + 1 :], shown)
        return {self.controls.picture: gr.skip()}

    def _keep_waiting(self, files: Sequence[str | Path], shown: Values) -> Values:
        """What is ``shown`` of a photo, and that ``files`` come after it."""
        self.service.store.get(shown[self.controls.token]).waiting = tuple(map(Path, files))
        return shown | {self.controls.next: gr.Button(texts.waiting(len(files)), visible=bool(files))}

    def _waiting(self, values: Values) -> Sequence[Path]:
        """What comes after the photo that is open, if one is."""
        try:
            return self.service.store.get(values[self.controls.token]).waiting
        except PhotoError:
            return ()

    def _open(self, file: Path, values: Values, request: gr.Request) -> Values:
        photo = self.service.open(
            file, model=values[self.controls.model], visitor=visitor(request), page=request.session_hash
        )
        faces = photo.sitting.faces
        captions = [texts.thumbnail(face.index, face.apparent_age, of=len(faces)) for face in faces]
        thumbnails = map(str, self.service.thumbnails(photo))
        now: Values = {
            self.controls.face: 0,
            self.controls.view: texts.NEAR if is_small(photo) else texts.WHOLE,
        }
        photo.asked = {0: self._aged(photo, 0, texts.OLDER, Request())}
        return {
            self.controls.token: photo.token,
            **now,
            self.controls.people: gr.Markdown(texts.people(faces), visible=True),
            self.controls.faces: gr.Gallery(
                list(zip(thumbnails, captions, strict=True)), selected_index=0, visible=True
            ),
            self.controls.everybody: gr.Checkbox(False, visible=len(faces) > 1),
            **self.display.ages(photo.sitting.reager.bundle.manifest),
            **self.display.settings(photo, 0),
            **self.display.change(photo, values | now, photo.asked, moves_line=True),
        }

    def _photo(self, values: Values) -> OpenPhoto:
        """The open photo, of which the chosen face is known to be one."""
        photo = self.service.store.get(values[self.controls.token])
        photo.check_face(values[self.controls.face])
        return photo

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

        A slider may have been moved so shortly before that `Moves` has not heard of it yet.
        """
        index, request = values[self.controls.face], self._read_settings(values)
        return photo.asked if request == settings_of(photo, index) else photo.asked | {index: request}

    def _aged(self, photo: OpenPhoto, index: int, label: str, request: Request) -> Request:
        """``request`` for the age that the preset ``label`` means for a face."""
        manifest = photo.sitting.reager.bundle.manifest
        if label in (texts.OLDER, texts.YOUNGER):
            source = request.source_age(photo.sitting.faces[index].apparent_age)
            return replace(request, to=whole_years(photo, manifest.goal(label.lower(), source)))
        return replace(request, to=int(label))

    def _step(self, values: Values, step: Callable[[History, Asked], tuple[History, Asked]]) -> Values:
        photo = self._photo(values)
        with photo.turn:
            photo.history, photo.asked = step(photo.history, photo.asked)
            return {
                **self.display.settings(photo, values[self.controls.face]),
                **self.display.history(photo),
                **self.display.pictures(photo, values),
            }
