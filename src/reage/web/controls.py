"""The components of the page, from top to bottom; `Page` connects them to what they do."""

from __future__ import annotations

import math
from typing import Any

import gradio as gr

from reage.assets import portraits
from reage.edit.masks import MAX_STRENGTH, REGIONS
from reage.request import GENDERS
from reage.web import texts
from reage.web.service import Service, film_kinds

FILE_TYPES = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"]
PRESET_AGES = (20, 40, 60, 80)


class Controls:
    """Builds the components within a `gr.Blocks`.

    What a visitor sets is kept for each face of the photo apart; the sliders show the chosen face's.
    """

    def __init__(self, service: Service) -> None:
        self.token = gr.Textbox("", visible="hidden", elem_id="token")
        """Token of the open photo; hidden rather than a `gr.State`, which scripts of the page could not read."""
        self.face = gr.Number(0, precision=0, visible="hidden")
        """Index of the chosen face."""
        gr.Markdown(texts.INTRODUCTION, elem_id="intro")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                self._build_sources(service)
            with gr.Column(scale=3, min_width=320):
                self._build_result()
                self._build_ages(service)
                with gr.Accordion("Life strip and film", open=False):
                    self._build_series()
                with gr.Accordion("More settings", open=False):
                    self._build_settings(service)
        with gr.Accordion("About the model, and what it must not be used for", open=False):
            self.about = gr.Markdown(texts.about(service.bundle(None)), elem_id="about")
        self.file = gr.File(visible=False)

    def _build_sources(self, service: Service) -> None:
        with gr.Tabs():
            with gr.Tab("Photo"):
                self.upload = gr.File(
                    label="A photo with a face, or several",
                    file_count="multiple",
                    file_types=FILE_TYPES,
                    height=130,
                    elem_id="upload",
                )
                gr.Markdown(texts.limits(service.limits), elem_classes="small")
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
        pictures = [(str(path), name) for path, name in portraits().items()]
        self.portraits = _thumbnails("portraits", pictures, columns=7)

    def _build_result(self) -> None:
        self.people = gr.Markdown(visible=False, elem_id="people")
        self.faces = _thumbnails("faces", [], columns=4)
        self.everybody = gr.Checkbox(False, label="Change every face", visible=False, elem_id="everybody")
        self.picture = gr.ImageSlider(
            label=texts.PICTURE,
            max_height=430,
            show_label=False,
            elem_classes="edited",
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            elem_id="picture",
        )
        with gr.Row(visible=False, elem_id="pair") as self.pair:
            self.before = _picture(texts.BEFORE, "before", ["fullscreen"], is_edited=False)
            self.after = _picture(texts.PICTURE, "after", ["fullscreen"])
        self.result = gr.Markdown(texts.NOTHING_OPEN, elem_id="result")

    def _build_ages(self, service: Service) -> None:
        low, high = ages_in_years(service.bundle(None).manifest.target_ages)
        self.age = gr.Slider(low, high, min(70, high), step=1, label="Age to show, in years", elem_id="age")
        with gr.Row(elem_id="presets"):
            labels = [texts.UNCHANGED, texts.YOUNGER, texts.OLDER, *map(str, PRESET_AGES)]
            self.presets = {label: gr.Button(label, size="sm", min_width=56) for label in labels}
        with gr.Row(elem_id="steps"):
            self.undo = gr.Button(texts.UNDO, size="sm", min_width=56, interactive=False, elem_id="undo")
            self.redo = gr.Button(texts.REDO, size="sm", min_width=56, interactive=False, elem_id="redo")
            self.share = gr.Button(texts.SHARE, size="sm", min_width=56, elem_id="share")
        with gr.Row(elem_id="views"):
            self.view = gr.Radio(
                [texts.WHOLE, texts.NEAR], value=texts.WHOLE, label="Show", min_width=220, elem_id="view"
            )
            self.compare = gr.Radio(
                [texts.SLIDER, texts.BESIDE],
                value=texts.SLIDER,
                label="Before and after",
                min_width=220,
                elem_id="compare",
            )
        self.strength = gr.Slider(
            0, MAX_STRENGTH, 1, step=0.05, label="Strength of the edit", elem_id="strength"
        )
        self.save = gr.Button("Download at full resolution", variant="primary", elem_id="download")
        self.next = gr.Button(visible=False, elem_id="next")

    def _build_series(self) -> None:
        with gr.Row():
            low, high = self.age.minimum, self.age.maximum
            self.first = gr.Slider(
                low, high, max(20, low), step=1, label="From age", min_width=120, elem_id="first"
            )
            self.last = gr.Slider(
                low, high, min(80, high), step=1, label="To age", min_width=120, elem_id="last"
            )
        with gr.Row(equal_height=True):
            self.make_strip = gr.Button("Life strip", min_width=100, elem_id="make-strip")
            self.kind = gr.Dropdown(film_kinds(), label="Format of the film", min_width=90, elem_id="kind")
            self.make_film = gr.Button("Film", min_width=100, elem_id="make-film")
        self.strip = _picture(texts.STRIP, "strip", ["download", "fullscreen"])
        self.film = gr.Video(
            label=texts.FILM,
            autoplay=True,
            loop=True,
            buttons=["download"],
            visible=False,
            elem_id="film",
            elem_classes="edited",
            show_label=False,
        )
        self.moving = _picture(texts.FILM, "moving", ["download"])

    def _build_settings(self, service: Service) -> None:
        self.gender = gr.Radio(
            [texts.AS_IT_LOOKS, *GENDERS], value=texts.AS_IT_LOOKS, label="Gender that the model is told"
        )
        self.source = gr.Number(
            None,
            label="Age in the photo",
            info="Empty: the age that the face looks.",
            minimum=0,
            elem_id="source",
        )
        gr.Markdown(texts.REGIONS)
        with gr.Row():
            self.regions = {
                name: gr.Slider(0, MAX_STRENGTH, 1, step=0.05, label=name.capitalize(), min_width=200)
                for name in REGIONS
            }
        self.model = gr.Dropdown(list(service.bundles), value=service.default, label="Model")


def ages_in_years(ages: tuple[float, float]) -> tuple[int, int]:
    """The whole years within a range of ages."""
    return math.ceil(ages[0]), math.floor(ages[1])


def _thumbnails(name: str, pictures: list[tuple[str, str]], *, columns: int) -> gr.Gallery:
    """Small pictures, each with its caption, of which one can be chosen; hidden as long as there are none."""
    return gr.Gallery(
        pictures,
        show_label=False,
        columns=columns,
        fit_columns=False,
        height="auto",
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        visible=bool(pictures),
        buttons=[],
        elem_id=name,
    )


def _picture(label: str, name: str, buttons: list[Any], *, is_edited: bool = True) -> gr.Image:
    return gr.Image(
        type="filepath",
        label=label,
        buttons=buttons,
        interactive=False,  # or Gradio lets visitors put other pictures there
        visible=False,
        elem_id=name,
        elem_classes="edited" if is_edited else None,
        show_label=False,
    )
