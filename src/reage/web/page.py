"""The page: its components, and which handler answers to what a visitor does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reage.web.controls import Controls
from reage.web.handlers import Handlers
from reage.web.looks import CHANGE, EMPTY, MOVE, SAVE, SHARE, SHOW_RESULT
from reage.web.service import Service

WORKERS = {"open": 1, "preview": 2, "work": 1}
"""How many requests of each group are worked on at a time, while others wait: a film delays no slider."""


class Page:
    """Builds the page within a `gr.Blocks`. Its events are private: the HTTP interface has endpoints of its own."""

    def __init__(self, service: Service) -> None:
        self.controls = Controls(service)
        self.handlers = Handlers(service, self.controls)
        self._connect_sources()
        self._connect_settings()
        self._connect_work()

    def _connect_sources(self) -> None:
        controls, handlers = self.controls, self.handlers
        shown = {
            controls.token,
            controls.face,
            controls.people,
            controls.faces,
            controls.everybody,
            controls.first,
            controls.last,
            controls.view,
            controls.next,
            *controls.presets.values(),
            *self._settings,
            *self._edited,
        }
        given = {controls.token, controls.face, controls.model, controls.compare}
        for source, event in (
            (controls.upload, controls.upload.upload),
            (controls.webcam, controls.webcam.input),
        ):
            opened = event(**_event("open", handlers.open_file, {source, *given}, shown, controls.picture))
            opened.success(fn=None, js=SHOW_RESULT, api_visibility="private")
            for ended in (opened.success, opened.failure):
                ended(fn=None, js=EMPTY, outputs=source, api_visibility="private")
        opened = controls.portraits.select(
            **_event("open", handlers.open_portrait, given, shown, controls.picture)
        )
        opened.success(fn=None, js=SHOW_RESULT, api_visibility="private")
        opened = controls.next.click(**_event("open", handlers.open_next, given, shown, controls.picture))
        opened.success(fn=None, js=SHOW_RESULT, api_visibility="private")

    def _connect_settings(self) -> None:
        controls, handlers = self.controls, self.handlers
        sliders = (controls.age, controls.strength, *controls.regions.values())
        settings: tuple[Any, ...] = (*sliders, controls.everybody, controls.gender, controls.source)
        for setting in settings:
            setting.input(
                fn=None,
                js=MOVE,
                inputs=[
                    *(controls.token, controls.face, controls.everybody, controls.view, controls.compare),
                    *(controls.age, controls.strength, controls.gender, controls.source),
                    *(controls.picture, controls.after, *controls.regions.values()),
                ],
                outputs=[controls.picture, controls.after, controls.result, controls.undo, controls.redo],
                trigger_mode="multiple",  # the script itself sends only the last of several
                api_visibility="private",
            )
        edited = self._edited | self._settings
        for label, button in controls.presets.items():
            button.click(**_event("preview", handlers.preset(label), self._values, edited))
        controls.undo.click(**_event("preview", handlers.undo, self._values, edited))
        controls.redo.click(**_event("preview", handlers.redo, self._values, edited))
        controls.faces.select(
            **_event("preview", handlers.choose_face, self._values, edited | {controls.face, controls.view})
        )
        for choice in (controls.view, controls.compare):
            chosen = choice.input(
                **_event("preview", handlers.choose_view, self._values, self._edited | {controls.pair})
            )
            chosen.success(fn=None, js=SHOW_RESULT, api_visibility="private")
        controls.share.click(fn=None, js=SHARE, api_visibility="private")
        ranges = {controls.first, controls.last, *controls.presets.values()}
        controls.model.input(fn=None, js=CHANGE, api_visibility="private")
        controls.model.input(
            **_event(
                "open",
                handlers.choose_model,
                self._values | {controls.model},
                edited | ranges | {controls.about},
                controls.picture,
            )
        )

    def _connect_work(self) -> None:
        controls, handlers = self.controls, self.handlers
        span = self._values | {controls.first, controls.last}
        controls.make_strip.click(
            **_event("work", handlers.make_strip, span, {controls.strip}, controls.make_strip)
        )
        controls.make_film.click(
            **_event(
                "work",
                handlers.make_film,
                span | {controls.kind},
                {controls.film, controls.moving},
                controls.make_film,
            )
        )
        saved = controls.save.click(
            **_event("work", handlers.download, self._values, {controls.file}, controls.save)
        )
        saved.success(fn=None, js=SAVE, inputs=controls.file, api_visibility="private")

    @property
    def _settings(self) -> set[Any]:
        """What can be set for a face."""
        controls = self.controls
        return {
            controls.age,
            controls.strength,
            controls.gender,
            controls.source,
            *controls.regions.values(),
        }

    @property
    def _values(self) -> set[Any]:
        """What handlers read to know what is asked."""
        controls = self.controls
        chosen = {controls.token, controls.face, controls.everybody, controls.view, controls.compare}
        return {*chosen, *self._settings}

    @property
    def _edited(self) -> set[Any]:
        """What changes with the edited picture."""
        controls = self.controls
        steps = {controls.undo, controls.redo}
        return {*steps, controls.picture, controls.before, controls.after, controls.result}


def _event(
    group: str, handler: Callable[..., Any], inputs: set[Any], outputs: set[Any], waiting: Any = None
) -> dict[str, Any]:
    """What every event has: its group's workers; while it lasts, ``waiting`` shows that, or nothing does."""
    return {
        "fn": handler,
        "inputs": inputs,
        "outputs": outputs,
        "concurrency_id": group,
        "concurrency_limit": WORKERS[group],
        "show_progress": "minimal" if waiting else "hidden",
        "show_progress_on": waiting,
        "api_name": f"page_{handler.__name__}",
        "api_visibility": "private",
    }
