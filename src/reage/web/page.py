"""The page: what a visitor sees, and which answer belongs to what he does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from reage.ages import MAX_AGE
from reage.assets import portraits
from reage.edit.masks import MAX_STRENGTH, REGIONS
from reage.web import texts
from reage.web.answers import GENDERS, Answers
from reage.web.service import Service, film_kinds

FILE_TYPES = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"]
WORKERS = {"open": 1, "preview": 2, "work": 1}
"""How many of each group of requests are answered at a time, the others waiting: a film delays no slider."""

LOOK = "() => document.querySelector('#faces').scrollIntoView({behavior: 'smooth', block: 'nearest'})"
"""Shows what was opened, which on a phone lies below."""

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
#faces .gallery-item { max-width: 120px; }
#portraits .caption-label { display: none; }
#faces .caption-label { left: 0; right: 0; max-width: 100%; padding: 1px 4px; font-size: 12px; border: 0; }
#intro h1 { margin-bottom: 0; }
footer { display: none !important; }
"""


class Page:
    """Builds the page within a `gr.Blocks`; events of its own are no part of the HTTP interface."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.answers = Answers(service)
        gr.Markdown(texts.INTRODUCTION, elem_id="intro")
        self.token, self.index = gr.State(None), gr.State(0)
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                self._sources()
            with gr.Column(scale=3, min_width=320):
                self._picture()
        with gr.Accordion("About the model, and what it must not be used for", open=False):
            self.about = gr.Markdown(texts.about(service.bundle(None)), elem_id="about")
        self._wire()

    def _sources(self) -> None:
        with gr.Tabs():
            with gr.Tab("Photo"):
                self.upload = gr.File(
                    label="A photo with a face", file_types=FILE_TYPES, height=130, elem_id="upload"
                )
                gr.Markdown(texts.limits(self.service.limits), elem_classes="small")
            with gr.Tab("Webcam"):
                self.webcam = gr.Image(
                    sources=["webcam"],
                    type="filepath",
                    format="jpeg",
                    label="A picture from the webcam",
                    webcam_options=gr.WebcamOptions(mirror=False),
                    elem_id="webcam",
                )
        gr.Markdown(texts.PORTRAITS, visible=bool(portraits()))
        self.portraits = gr.Gallery(
            [(str(path), name) for path, name in portraits().items()],
            show_label=False,
            columns=7,
            fit_columns=False,
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            visible=bool(portraits()),
            buttons=[],
            elem_id="portraits",
        )

    def _picture(self) -> None:
        self.choice = gr.Markdown(texts.CHOOSE_FACE, visible=False)
        self.faces = gr.Gallery(
            show_label=False,
            columns=4,
            fit_columns=False,
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            visible=False,
            buttons=[],
            elem_id="faces",
        )
        self.everybody = gr.Checkbox(False, label="Change every face", visible=False)
        self.picture = gr.ImageSlider(
            label="Before and after, AI-edited",
            max_height=430,
            show_label=False,
            elem_classes="edited",
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            elem_id="picture",
        )
        self.told = gr.Markdown(texts.NOTHING_OPEN, elem_id="told")
        self.age = gr.Slider(0, MAX_AGE, 70, step=1, label="Age to show, in years", elem_id="age")
        self.strength = gr.Slider(0, 1.5, 1, step=0.05, label="Strength of the edit", elem_id="strength")
        self.save = gr.Button("Download at full resolution", variant="primary", elem_id="download")
        with gr.Accordion("Life strip and film", open=False):
            self._series()
        with gr.Accordion("More", open=False):
            self.gender = gr.Radio(list(GENDERS), value="as estimated", label="Gender that the model is told")
            self.source = gr.Number(
                None, label="Age in the photo (empty: the age it looks)", minimum=0, maximum=MAX_AGE
            )
            gr.Markdown(texts.REGIONS)
            with gr.Row():
                self.regions = [
                    gr.Slider(0, MAX_STRENGTH, 1, step=0.05, label=name.capitalize(), min_width=200)
                    for name in REGIONS
                ]
            self.model = gr.Dropdown(list(self.service.bundles), value=self.service.default, label="Model")
        self.file = gr.File(visible=False)

    def _series(self) -> None:
        with gr.Row():
            self.first = gr.Slider(0, MAX_AGE, 20, step=1, label="From", min_width=120, elem_id="first")
            self.last = gr.Slider(0, MAX_AGE, 80, step=1, label="To", min_width=120, elem_id="last")
        with gr.Row(equal_height=True):
            self.make_strip = gr.Button("Life strip", min_width=100, elem_id="make-strip")
            self.kind = gr.Dropdown(film_kinds(), label="Film as", min_width=90, elem_id="kind")
            self.make_film = gr.Button("Film", min_width=100, elem_id="make-film")
        self.strip = gr.Image(
            type="filepath",
            label="Life strip, AI-edited",
            buttons=["download", "fullscreen"],
            visible=False,
            elem_id="strip",
            elem_classes="edited",
            show_label=False,
        )
        self.film = gr.Video(
            label="Film, AI-edited",
            autoplay=True,
            loop=True,
            buttons=["download"],
            visible=False,
            elem_id="film",
            elem_classes="edited",
            show_label=False,
        )
        self.moving = gr.Image(
            type="filepath",
            label="Film, AI-edited",
            buttons=["download"],
            visible=False,
            elem_id="moving",
            elem_classes="edited",
            show_label=False,
        )

    def _wire(self) -> None:
        answers, manner = self.answers, [self.strength, self.gender]
        wish = [self.token, self.index, self.everybody, self.age, *manner, self.source, *self.regions]
        shown = [self.picture, self.told]
        fresh = [
            self.token,
            self.index,
            self.choice,
            self.faces,
            self.everybody,
            self.age,
            self.source,
            *shown,
        ]
        model = [self.model, *manner, *self.regions]
        for source, event in ((self.upload, self.upload.upload), (self.webcam, self.webcam.input)):
            opened = event(**_event("open", answers.opened, [source, *model], fresh, self.picture))
            opened.success(fn=None, js=LOOK, api_visibility="private")
            for ended in (opened.success, opened.failure):
                ended(fn=None, js=EMPTY, outputs=source, api_visibility="private")
        opened = self.portraits.select(**_event("open", answers.portrait, model, fresh, self.picture))
        opened.success(fn=None, js=LOOK, api_visibility="private")
        self.faces.select(**_event("preview", answers.face, wish, [self.index, *shown]))
        for slider in (self.age, self.strength, *self.regions):
            slider.input(**_event("preview", answers.shown, wish, shown), trigger_mode="always_last")
        for choice in (self.everybody, self.gender, self.source):
            choice.input(**_event("preview", answers.shown, wish, shown), trigger_mode="always_last")
        self.model.input(
            **_event("open", answers.model, [self.model, *wish], [self.about, *shown], self.picture)
        )
        ends = [self.first, self.last]
        self.make_strip.click(**_event("work", answers.strip, [*ends, *wish], [self.strip], self.make_strip))
        self.make_film.click(
            **_event(
                "work", answers.film, [self.kind, *ends, *wish], [self.film, self.moving], self.make_film
            )
        )
        saved = self.save.click(**_event("work", answers.download, wish, [self.file], self.save))
        saved.success(fn=None, js=SAVE, inputs=self.file, api_visibility="private")


def _event(
    group: str, answer: Callable[..., Any], inputs: list[Any], outputs: list[Any], waiting: Any = None
) -> dict[str, Any]:
    """What every event has: its group shares its workers; the sign of waiting is on ``waiting``, else there is none."""
    return {
        "fn": answer,
        "inputs": inputs,
        "outputs": outputs,
        "concurrency_id": group,
        "concurrency_limit": WORKERS[group],
        "show_progress": "minimal" if waiting else "hidden",
        "show_progress_on": waiting,
        "api_name": f"page_{answer.__name__}",
        "api_visibility": "private",
    }
