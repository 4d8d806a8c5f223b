"""The page: its components, its looks, and which handler answers to what a visitor does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from reage.web import texts
from reage.web.controls import Controls
from reage.web.handlers import Handlers
from reage.web.service import Service

WORKERS = {"open": 1, "preview": 2, "work": 1}
"""How many requests of each group are worked on at a time, while others wait: a film delays no slider."""

SHOW_RESULT = """() => {
  const box = document.querySelector('#picture').getBoundingClientRect();
  if (box.top < 0 || box.bottom > window.innerHeight)
    document.querySelector('#people').scrollIntoView({behavior: 'smooth', block: 'start'});
}"""
"""Scrolls to what was opened, which on a phone lies below the portraits."""

EMPTY = "() => null"
"""Frees a component for the next photo."""

SAVE = """(file) => {
  if (!file) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name || '';
  link.click();
}"""
"""Hands a file that is ready to the browser, so that one click downloads."""

NAME_PICTURES = f"""() => {{
  const texts = {{
    '#picture': ['The photo as it is', '{texts.PICTURE}'], '#strip': ['{texts.STRIP}'], '#moving': ['{texts.FILM}']
  }};
  const name = () => {{
    for (const [place, alts] of Object.entries(texts))
      document.querySelectorAll(place + ' img').forEach((image, i) => {{ image.alt ||= alts[i] || alts.at(-1); }});
    for (const image of document.querySelectorAll('.thumbnail-item img'))
      image.closest('button').ariaLabel = image.alt;
  }};
  new MutationObserver(name).observe(document.body, {{childList: true, subtree: true}});
  name();
}}"""
"""Tells screen readers what pictures show: Gradio leaves that empty, and calls thumbnails by their numbers."""

THEME = gr.themes.Base(
    primary_hue="teal",
    neutral_hue="stone",
    font=["system-ui", "sans-serif"],  # of the visitor's machine: nothing is fetched from elsewhere
    font_mono=["ui-monospace", "monospace"],
)

CSS = """
.edited { position: relative; }
.edited:has(img, video)::after {
  content: "AI-edited"; position: absolute; right: 12px; bottom: 12px; padding: 2px 8px; border-radius: 4px;
  background: rgb(0 0 0 / 60%); color: white; font-size: 12px; pointer-events: none; z-index: 50;
}
#faces .grid-wrap, #portraits .grid-wrap { min-height: 0; max-height: none; padding: 6px; }
#faces .grid-container, #portraits .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)) !important; gap: 6px;
}
#faces .grid-container { grid-template-columns: repeat(auto-fill, minmax(100px, 1fr)) !important; }
#faces .gallery-item { max-width: 120px; }
#portraits .caption-label { display: none; }
#faces .caption-label { left: 0; right: 0; max-width: 100%; padding: 1px 4px; font-size: 12px; border: 0; }
#presets { gap: 6px; }
#presets button { flex: 1 1 auto; padding: 4px 8px; }
#intro h1 { margin-bottom: 0; }
footer { display: none !important; }
"""


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
            *controls.presets.values(),
            *self._settings,
            *self._edited,
        }
        for source, event in (
            (controls.upload, controls.upload.upload),
            (controls.webcam, controls.webcam.input),
        ):
            opened = event(
                **_event("open", handlers.open_file, {source, controls.model}, shown, controls.picture)
            )
            opened.success(fn=None, js=SHOW_RESULT, api_visibility="private")
            for ended in (opened.success, opened.failure):
                ended(fn=None, js=EMPTY, outputs=source, api_visibility="private")
        opened = controls.portraits.select(
            **_event("open", handlers.open_portrait, {controls.model}, shown, controls.picture)
        )
        opened.success(fn=None, js=SHOW_RESULT, api_visibility="private")

    def _connect_settings(self) -> None:
        controls, handlers = self.controls, self.handlers
        for slider in (controls.age, controls.strength, *controls.regions.values()):
            slider.input(
                **_event("preview", handlers.change, self._values, self._edited), trigger_mode="always_last"
            )
        for choice in (controls.everybody, controls.gender, controls.source):
            choice.input(
                **_event("preview", handlers.change, self._values, self._edited), trigger_mode="always_last"
            )
        edited = self._edited | self._settings
        for label, button in controls.presets.items():
            button.click(**_event("preview", handlers.preset(label), self._values, edited))
        controls.faces.select(
            **_event("preview", handlers.choose_face, self._values, edited | {controls.face})
        )
        ranges = {controls.first, controls.last, *controls.presets.values()}
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
        return {controls.token, controls.face, controls.asked, controls.everybody, *self._settings}

    @property
    def _edited(self) -> set[Any]:
        """What changes with the edited picture."""
        return {self.controls.asked, self.controls.picture, self.controls.result}


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
