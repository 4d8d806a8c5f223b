"""What the page shows after each thing that a visitor can do, without a browser."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pytest
from gradio.blocks import Block
from gradio.components import Component
from PIL import Image

from reage.assets import asset
from reage.bundle import open_bundle, write_bundle
from reage.errors import AgeError, PhotoError
from reage.photo.files import read_photo, read_provenance
from reage.web import texts
from reage.web.controls import Controls
from reage.web.handlers import Handlers
from reage.web.moves import Moves
from reage.web.service import Service

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


class Visitor:
    """Sets components, and sees what the handlers make of them."""

    def __init__(self, service: Service) -> None:
        self.controls = asyncio.run(_build(service))
        self.handlers = Handlers(service, self.controls)
        self.moves = Moves(self.handlers.display, queue=1)
        self.path = service.store.folder.parent
        self.request = gr.Request(session_hash="a page", client={"host": "127.0.0.1"})
        self.shown: dict[Component, Any] = {
            component: component.value
            for component in (*vars(self.controls).values(), *self.controls.regions.values())
            if isinstance(component, Component)
        }
        self.properties: dict[Component, dict[str, Any]] = {}

    def sees(self, updates: dict[Component, Any]) -> None:
        for component, update in updates.items():
            if isinstance(update, Block):
                self.properties[component] = update.constructor_args
                if "value" in update.constructor_args:
                    self.shown[component] = update.constructor_args["value"]
            else:
                self.shown[component] = update

    def opens(self, path: Path) -> None:
        self.uploads(path)

    def uploads(self, *paths: Path) -> None:
        files = [str(path) for path in paths]
        self.sees(self.handlers.open_file({**self.shown, self.controls.upload: files}, self.request))

    def sets(self, component: Component, value: Any) -> None:
        """As the script of the page does it."""
        self.shown[component] = value
        names = ("token", "face", "everybody", "view", "age", "strength", "gender", "source")
        asked = {name: self.shown[getattr(self.controls, name)] for name in names}
        asked["regions"] = {name: self.shown[slider] for name, slider in self.controls.regions.items()}
        moved = self.moves.move(json.loads(json.dumps(asked)))
        place = self.path / "moved.jpg"
        place.write_bytes(b64decode(moved["picture"].partition("base64,")[2]))
        before, _ = self.shown[self.controls.picture]
        undo, redo = (gr.Button(interactive=moved[step]) for step in ("undo", "redo"))
        self.sees({
            self.controls.picture: (before, str(place)),
            self.controls.result: moved["told"],
            self.controls.undo: undo,
            self.controls.redo: redo,
        })  # fmt: skip

    def presses(self, label: str) -> None:
        self.sees(self.handlers.preset(label)(self.shown))

    def steps(self, step: Callable[[dict[Component, Any]], dict[Component, Any]]) -> None:
        self.sees(step(self.shown))

    def chooses(self, face: int) -> None:
        chosen = gr.SelectData(None, {"index": face, "value": None})
        self.sees(self.handlers.choose_face(self.shown, chosen))

    @property
    def age(self) -> int:
        return int(self.shown[self.controls.age])

    @property
    def result(self) -> str:
        return str(self.shown[self.controls.result])


async def _build(service: Service) -> Controls:
    """In a running event loop: Gradio makes locks, and without one would leave a loop of its own unclosed."""
    with gr.Blocks():
        return Controls(service)


@pytest.fixture
def visitor(tmp_path: Path) -> Visitor:
    """With a second model to choose, which can show ages from 30 to 59.5."""
    models, folder = tmp_path / "models", tmp_path / "served"
    shutil.copytree(asset("default_bundle"), models / "narrow")
    manifest = models / "narrow" / "manifest.json"
    changed = {"name": "narrow", "target_ages": [30, 59.5]}
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changed}))
    folder.mkdir()
    return Visitor(Service(folder, models=models))


@pytest.fixture
def couple(tmp_path: Path) -> Path:
    """A photo of two people; the first face, the larger one, is at the right."""
    left, right = (
        read_photo(EXAMPLES / f"{name}.jpg").pixels for name in ("house_grace-meng", "senate_angus-king")
    )
    canvas = np.full((500, 900, 3), 128, np.uint8)
    canvas[:400, :400] = np.asarray(Image.fromarray(left).resize((400, 400)))
    canvas[:, 400:] = np.asarray(Image.fromarray(right).resize((500, 500)))
    Image.fromarray(canvas).save(tmp_path / "couple.jpg", quality=92)
    return tmp_path / "couple.jpg"


def test_nothing_is_shown_before_a_photo_is_open(visitor: Visitor) -> None:
    visitor.presses("80")
    assert visitor.result == texts.NOTHING_OPEN


def test_every_setting_belongs_to_a_face_and_comes_back_with_it(visitor: Visitor, couple: Path) -> None:
    controls = visitor.controls
    visitor.opens(couple)
    assert visitor.shown[controls.view] == texts.WHOLE
    assert visitor.properties[controls.picture]["slider_position"] > 60  # the line is over the first face
    settings = {
        controls.age: 30,
        controls.source: 70,
        controls.strength: 1.2,
        controls.gender: "male",
        controls.regions["eyes"]: 0.5,
    }
    for component, value in settings.items():
        visitor.sets(component, value)
    visitor.chooses(1)
    assert visitor.shown[controls.view] == texts.NEAR  # choosing a face zooms to it
    assert visitor.properties[controls.picture]["slider_position"] == 50
    assert 30 <= visitor.age <= 36  # the age that this face looks
    assert {component: visitor.shown[component] for component in settings} == {
        controls.age: visitor.age,
        controls.source: None,
        controls.strength: 1,
        controls.gender: texts.AS_IT_LOOKS,
        controls.regions["eyes"]: 1,
    }
    assert "Person 2" not in visitor.result
    visitor.presses("80")
    assert "Person 1" in visitor.result
    assert "Person 2" in visitor.result
    visitor.chooses(0)
    assert {component: visitor.shown[component] for component in settings} == settings


def test_a_face_that_can_hardly_be_seen_is_told(visitor: Visitor, couple: Path) -> None:
    visitor.opens(couple)
    assert "misread" not in str(visitor.shown[visitor.controls.people])
    pixels = read_photo(couple).pixels.copy()
    pixels[:, 400:] //= 12  # the larger face, which is the first
    Image.fromarray(pixels).save(couple, quality=95)
    visitor.opens(couple)
    told = str(visitor.shown[visitor.controls.people])
    assert "The age of person 1 may be misread, since it is very dark" in told
    assert "person 2" not in told


def test_a_slider_moved_just_before_another_face_is_chosen_counts(visitor: Visitor, couple: Path) -> None:
    visitor.opens(couple)
    visitor.shown[visitor.controls.age] = 25  # and its move has not come through yet
    visitor.chooses(1)
    assert "asked for 25" in visitor.result
    visitor.chooses(0)
    assert visitor.age == 25


def test_a_chosen_face_is_shown_from_near_and_the_others_are_told_all_the_same(
    visitor: Visitor, couple: Path
) -> None:
    controls = visitor.controls
    visitor.opens(couple)
    whole = read_photo(Path(visitor.shown[controls.picture][0]))
    visitor.chooses(1)
    visitor.presses("80")
    before, after = (read_photo(Path(path)) for path in visitor.shown[controls.picture])
    assert before.width < 0.6 * whole.width
    match = cv2.matchTemplate(whole.pixels, before.pixels, cv2.TM_SQDIFF)
    assert cv2.minMaxLoc(match)[2][0] < 100  # cut from the left of the photo
    assert np.abs(before.pixels.astype(int) - after.pixels).max() > 30
    assert "Person 1" in visitor.result
    assert "Person 2: looked" in visitor.result
    assert "asked for 80" in visitor.result
    visitor.shown[controls.view] = texts.WHOLE
    visitor.sees(visitor.handlers.choose_view(visitor.shown))
    assert read_photo(Path(visitor.shown[controls.picture][1])).width == whole.width


def test_before_and_after_stand_side_by_side_if_wished(visitor: Visitor, couple: Path) -> None:
    controls = visitor.controls
    visitor.shown[controls.compare] = texts.BESIDE
    visitor.sees(visitor.handlers.choose_view(visitor.shown))
    visitor.opens(couple)
    assert visitor.properties[controls.pair]["visible"]
    assert not visitor.properties[controls.picture]["visible"]
    before, after = (read_photo(Path(visitor.shown[part])) for part in (controls.before, controls.after))
    assert before.pixels.shape == after.pixels.shape
    visitor.shown[controls.compare] = texts.SLIDER
    visitor.sees(visitor.handlers.choose_view(visitor.shown))
    assert visitor.properties[controls.picture]["visible"]


def test_steps_are_undone_and_done_again(visitor: Visitor, couple: Path) -> None:
    controls, handlers = visitor.controls, visitor.handlers
    visitor.opens(couple)
    older = visitor.age
    assert not visitor.properties[controls.undo]["interactive"]
    for age in (50, 45, 40):  # a slider on its way: one step
        visitor.sets(controls.age, age)
    visitor.presses("20")
    visitor.chooses(1)
    visitor.presses("80")
    visitor.steps(handlers.undo)
    assert "Person 2" not in visitor.result
    visitor.steps(handlers.undo)
    visitor.chooses(0)
    assert visitor.age == 40
    visitor.steps(handlers.undo)
    assert visitor.age == older
    assert not visitor.properties[controls.undo]["interactive"]
    visitor.steps(handlers.redo)
    visitor.steps(handlers.redo)
    assert visitor.age == 20
    assert visitor.properties[controls.redo]["interactive"]
    visitor.presses("60")  # another way on from here
    assert not visitor.properties[controls.redo]["interactive"]
    visitor.opens(couple)
    assert not visitor.properties[controls.undo]["interactive"]


def test_several_photos_are_worked_on_in_a_row(visitor: Visitor, couple: Path, tmp_path: Path) -> None:
    controls = visitor.controls
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear reader")
    alone = shutil.copy(EXAMPLES / "house_grace-meng.jpg", tmp_path / "alone.jpg")
    visitor.uploads(couple, letter, alone)
    assert "Person 1" in visitor.result
    assert visitor.properties[controls.next] == {"value": "Next photo (2 more)", "visible": True}
    with pytest.warns(UserWarning, match=r"letter\.jpg is not an image"):  # which the page shows
        visitor.sees(visitor.handlers.open_next(visitor.shown, visitor.request))
    assert visitor.result.startswith("Looked")
    assert not visitor.properties[controls.next]["visible"]
    with pytest.raises(PhotoError, match=r"letter\.jpg"):
        visitor.uploads(letter)


def test_older_and_younger_are_said_for_each_face_and_unchanged_undoes(
    visitor: Visitor, couple: Path
) -> None:
    visitor.opens(couple)
    visitor.sets(visitor.controls.everybody, True)
    visitor.presses(texts.YOUNGER)
    photo = visitor.handlers.service.store.get(visitor.shown[visitor.controls.token])
    asked = [request.to for request in photo.asked.values()]
    assert len(set(asked)) == 2
    visitor.presses(texts.UNCHANGED)
    assert visitor.result.startswith("Nothing is changed")
    assert visitor.shown[visitor.controls.picture][0] == visitor.shown[visitor.controls.picture][1]
    with pytest.raises(AgeError, match="choose an age first"):
        visitor.handlers.download(visitor.shown)


def test_the_download_is_what_is_shown(visitor: Visitor, couple: Path) -> None:
    visitor.opens(couple)
    visitor.presses("40")
    visitor.chooses(1)
    visitor.presses("60")
    visitor.sees(visitor.handlers.download(visitor.shown))
    mark = read_provenance(Path(visitor.shown[visitor.controls.file]))
    assert mark is not None
    assert [face["target_age"] for face in mark["faces"]] == [40, 60]


def test_another_model_brings_its_own_ages(visitor: Visitor, couple: Path) -> None:
    controls = visitor.controls
    visitor.opens(couple)
    assert visitor.properties[controls.age]["minimum"] == 16
    title = visitor.handlers.service.models()[1]["title"]
    visitor.shown[controls.model] = title
    visitor.sees(visitor.handlers.choose_model(visitor.shown))
    assert title in visitor.shown[controls.about]
    for slider in (controls.age, controls.first, controls.last):
        limits = visitor.properties[slider]
        assert (limits["minimum"], limits["maximum"]) == (30, 59)
        assert 30 <= visitor.shown[slider] <= 59
    shown = {label: visitor.properties.get(button, {}) for label, button in controls.presets.items()}
    visible = {label for label, properties in shown.items() if properties.get("visible", True)}
    assert visible == {texts.UNCHANGED, texts.YOUNGER, texts.OLDER, "40"}
    visitor.presses(texts.OLDER)
    assert visitor.age <= 59


def test_a_strip_shows_the_chosen_faces_and_a_film_one(
    visitor: Visitor, couple: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controls, service = visitor.controls, visitor.handlers.service
    monkeypatch.setattr(service, "film", partial(service.film, seconds=1))
    visitor.opens(couple)
    visitor.sees(visitor.handlers.make_strip(visitor.shown))
    one = read_photo(Path(visitor.shown[controls.strip]))
    visitor.sets(controls.everybody, True)
    visitor.sees(visitor.handlers.make_strip(visitor.shown))
    both = read_photo(Path(visitor.shown[controls.strip]))
    assert both.height > 1.8 * one.height
    visitor.shown[controls.kind] = "gif"
    visitor.sees(visitor.handlers.make_film(visitor.shown))
    assert visitor.shown[controls.moving].endswith(".gif")
    assert visitor.shown[controls.film] is None


def test_who_leaves_the_page_leaves_a_photo_to_be_forgotten(visitor: Visitor, couple: Path) -> None:
    visitor.opens(couple)
    assert len(visitor.handlers.service.store) == 1
    visitor.handlers.leave(visitor.request)
    (photo,) = visitor.handlers.service.store._photos.values()
    assert photo.is_left


def test_a_model_that_knows_only_directions_offers_these_instead_of_ages(tmp_path: Path) -> None:
    whole = open_bundle()
    manifest = replace(whole.manifest, name="ways", full_ages={"older": 60.0, "younger": 20.0})
    contents = {name: content for name, content in whole.files().items() if name in manifest.files}
    write_bundle(tmp_path / "models" / "ways", manifest, contents)
    service = Service(tmp_path, models=tmp_path / "models")
    (title,) = (title for title in service.bundles if title.startswith("ways"))
    assert [model["directions"] for model in service.models()] == [[], ["young2old", "old2young"]]
    visitor = Visitor(service)
    visitor.opens(shutil.copy(EXAMPLES / "house_grace-meng.jpg", tmp_path / "me.jpg"))
    presets = visitor.controls.presets
    assert visitor.properties[presets["60"]]["visible"] is True
    visitor.shown[visitor.controls.model] = title
    visitor.sees(visitor.handlers.choose_model(visitor.shown))
    assert visitor.shown[presets[texts.OLDER]] == "young2old"
    assert visitor.shown[presets[texts.YOUNGER]] == "old2young"
    assert visitor.properties[presets["60"]]["visible"] is False
    visitor.presses(texts.OLDER)
    assert visitor.age >= 60
    assert "two directions" in visitor.shown[visitor.controls.about]
