"""The page in a real browser: Debian's Chromium, driven by Playwright, with no way to any other host."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from reage.bundle import open_bundle
from reage.photo.files import read_photo, read_provenance

ROOT = Path(__file__).parent.parent.parent
WAIT = 120_000
"""Milliseconds: machines that test are busy."""
expect.set_options(timeout=WAIT)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, loaded; at the end it has asked no other host for anything."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT)
    elsewhere: list[str] = []
    ours = (address, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(ours) else elsewhere.append(asked.url))
    page.goto(address)
    page.wait_for_selector("#upload input[type=file]", state="attached")
    yield page
    page.close()
    assert elsewhere == []


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of three people."""
    names = ("house_grace-meng", "senate_angus-king", "house_andre-carson")
    people = [read_photo(ROOT / "examples" / f"{name}.jpg").pixels for name in names]
    tiles = [np.asarray(Image.fromarray(pixels).resize((400, 400))) for pixels in people]
    path = tmp_path_factory.mktemp("group") / "group.jpg"
    Image.fromarray(np.concatenate(tiles, axis=1)).save(path, quality=92)
    return path


def upload(page: Page, path: Path) -> None:
    page.set_input_files("#upload input[type=file]", path)


def after(page: Page, address_before: str = "") -> str:
    """The address of the edited picture, once it is another than ``address_before``."""
    shown = """(before) => [...document.querySelectorAll('#picture img, #after img')].map(image => image.src)
      .find(address => address !== before && (address.includes('after') || address.startsWith('data:')))"""
    return str(page.wait_for_function(shown, arg=address_before, timeout=WAIT).json_value())


def fetched(page: Page, address: str) -> bytes:
    """What is at an address of the page, which may be a ``data:`` address."""
    return bytes(page.evaluate("async address => [...await (await fetch(address)).bytes()]", address))


def test_a_portrait_is_uploaded_aged_by_dragging_and_downloaded(
    page: Page, portrait: Path, tmp_path: Path
) -> None:
    upload(page, portrait)
    first = after(page)
    expect(page.locator("#faces")).to_contain_text("looks")
    old = fetched(page, first)
    slider = page.locator("#age input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    x, y = box["x"], box["y"] + box["height"] / 2
    page.mouse.move(x + 0.6 * box["width"], y)
    page.mouse.down()
    page.mouse.move(x + 0.4 * box["width"], y, steps=4)
    during = after(page, first)  # the button of the mouse is still down
    page.mouse.move(x + 0.1 * box["width"], y, steps=4)
    page.mouse.up()
    age = slider.input_value()
    assert 15 < int(age) < 30
    expect(page.locator("#result")).to_contain_text(f"asked for {age},", timeout=WAIT)
    young = fetched(page, after(page, during))
    (tmp_path / "old.jpg").write_bytes(old)
    (tmp_path / "young.jpg").write_bytes(young)
    shown = [read_photo(tmp_path / name).pixels.astype(int) for name in ("old.jpg", "young.jpg")]
    assert np.abs(shown[0] - shown[1]).max() > 20
    with page.expect_download(timeout=WAIT) as download:
        page.click("#download")
    assert download.value.suggested_filename == f"{portrait.stem}-{age}.jpg"
    saved = tmp_path / "saved.jpg"
    download.value.save_as(saved)
    mark = read_provenance(saved)
    assert mark is not None
    assert mark["faces"][0]["target_age"] == float(age)
    assert read_photo(saved).pixels.shape == read_photo(portrait).pixels.shape


def test_what_is_no_photo_is_said_in_a_sentence_and_the_next_one_works(
    page: Page, portrait: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter.jpg").write_text("Dear reader")
    (tmp_path / "letter.txt").write_text("Dear reader")
    upload(page, tmp_path / "letter.jpg")
    expect(page.locator(".toast-body")).to_contain_text("letter.jpg is not an image", timeout=WAIT)
    page.locator(".toast-close").click()
    upload(page, tmp_path / "letter.txt")
    expect(page.locator(".toast-body")).to_contain_text("Invalid file type: letter.txt", timeout=WAIT)
    page.locator(".toast-close").click()
    upload(page, portrait)
    after(page)


def test_without_a_photo_every_button_says_so(page: Page) -> None:
    expect(page.locator("#result")).to_contain_text("Upload a photo")
    page.get_by_role("button", name="80", exact=True).click()
    expect(page.locator("#result")).to_contain_text("Upload a photo")
    page.click("button#share")
    expect(page.locator("button#share")).to_have_text("No photo is open")
    page.click("#download")
    expect(page.locator(".toast-body")).to_contain_text("No photo is open; open one first.")


def test_a_bundled_portrait_a_strip_and_what_the_model_is(page: Page) -> None:
    page.locator("#portraits button.thumbnail-item").last.click()
    first = after(page)
    assert "after.jpg" in first
    page.get_by_text("Life strip and film").click()
    page.click("#make-strip")
    page.wait_for_selector("#strip img", timeout=WAIT)
    page.get_by_text("About the model").click()
    expect(page.locator("#about")).to_contain_text("Do not use it to identify")
    expect(page.locator("#about")).to_contain_text("UTKFace")


def test_people_in_a_group_each_get_their_own_age_and_keep_it(
    page: Page, group: Path, tmp_path: Path
) -> None:
    upload(page, group)
    after(page)
    result, slider = page.locator("#result"), page.locator("#age input[type=range]")
    expect(page.locator("#people")).to_contain_text("The 3 faces in the photo")
    first = slider.input_value()
    expect(result).to_contain_text("Person 1: looked")
    page.locator("#faces button.thumbnail-item").nth(2).click()
    expect(slider).not_to_have_value(first)  # the age that this person looks: nothing is asked of them yet
    page.get_by_role("button", name="80", exact=True).click()
    expect(slider).to_have_value("80")
    expect(result).to_contain_text("asked for 80", timeout=WAIT)
    expect(result).to_contain_text(f"asked for {first}")
    page.locator("#faces button.thumbnail-item").nth(1).click()
    expect(slider).not_to_have_value("80")
    page.get_by_role("button", name="Younger").click()
    expect(result).to_contain_text("Person 2: looked", timeout=WAIT)
    page.locator("#faces button.thumbnail-item").nth(0).click()
    expect(slider).to_have_value(first)
    page.get_by_role("button", name="Unchanged").click()
    expect(result).not_to_contain_text("Person 1", timeout=WAIT)
    with page.expect_download(timeout=WAIT) as download:
        page.click("#download")
    assert download.value.suggested_filename == "group-aged.jpg"
    saved = tmp_path / "saved.jpg"
    download.value.save_as(saved)
    mark = read_provenance(saved)
    assert mark is not None
    younger, older = mark["faces"]
    assert younger["target_age"] <= younger["source_age"] - 15
    assert older["target_age"] == 80


def test_a_change_of_every_face_and_a_film_of_one(page: Page, group: Path) -> None:
    upload(page, group)
    after(page)
    page.get_by_label("Change every face").check()
    page.get_by_role("button", name="20", exact=True).click()
    all_of_them = re.compile(
        ".*".join(f"Person {person}: looked .*asked for 20," for person in (1, 2, 3)), re.DOTALL
    )
    expect(page.locator("#result")).to_have_text(all_of_them, timeout=WAIT)
    page.get_by_text("Life strip and film").click()
    page.get_by_label("Format of the film").click()
    page.get_by_role("option", name="gif").click()
    page.click("#make-film")
    page.wait_for_selector("#moving img", timeout=WAIT)


def test_the_sliders_have_the_ages_of_the_model_and_pictures_have_names(page: Page, portrait: Path) -> None:
    low, high = open_bundle().manifest.target_ages
    page.get_by_text("Life strip and film").click()
    for name in ("age", "first", "last"):
        slider = page.locator(f"#{name} input[type=range]")
        assert (slider.get_attribute("min"), slider.get_attribute("max")) == (f"{low:g}", f"{high:g}")
    upload(page, portrait)
    after(page)
    alts = page.locator("img").evaluate_all("images => images.map(image => image.alt)")
    assert len(alts) == 10
    assert all(alts)
    assert page.locator("#faces button.thumbnail-item").get_attribute("aria-label").startswith("looks ")


def test_on_a_phone_the_result_is_in_sight_after_opening(page: Page, portrait: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    upload(page, portrait)
    after(page)
    expect(page.locator("#picture")).to_be_in_viewport(ratio=0.9, timeout=WAIT)
    expect(page.locator("#age")).to_be_in_viewport(timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page by the Web Content Accessibility Guidelines, levels A and AA."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, options=rules).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everybody_can_read_and_use_the_page(page: Page, portrait: Path, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    page.reload()
    page.wait_for_selector("#upload input[type=file]", state="attached")
    page.wait_for_selector("#portraits img")
    assert violations(page) == []
    upload(page, portrait)
    after(page)
    for part in ("Life strip and film", "More settings", "About the model"):
        page.get_by_text(part).first.click()
    page.wait_for_timeout(1500)  # for them to unfold
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_photos_in_a_row_seen_from_near_side_by_side_and_step_by_step(
    page: Page, group: Path, portrait: Path
) -> None:
    page.set_input_files("#upload input[type=file]", [group, portrait])
    after(page)
    result = page.locator("#result")
    page.locator("#faces button.thumbnail-item").nth(1).click()
    expect(page.locator("#age input[type=range]")).not_to_have_value("70", timeout=WAIT)
    assert page.get_by_label("the chosen face").is_checked()
    page.get_by_role("button", name="20", exact=True).click()
    expect(result).to_contain_text("asked for 20", timeout=WAIT)
    page.click("button#undo")
    expect(result).not_to_contain_text("asked for 20", timeout=WAIT)
    page.click("button#redo")
    expect(result).to_contain_text("asked for 20", timeout=WAIT)
    page.get_by_label("side by side").check()
    page.wait_for_selector("#before img")
    assert (
        page.locator("#pair input[type=file], #pair button[aria-label=Clear]").count() == 0
    )  # shown, not given
    expect(page.locator("#pair")).to_be_in_viewport(ratio=0.9, timeout=WAIT)
    boxes = [page.locator(f"#{part} img").bounding_box() for part in ("before", "after")]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("button#share")
    expect(page.locator("button#share")).to_have_text("Copied", timeout=WAIT)
    kinds = page.evaluate("navigator.clipboard.read().then(items => items[0].types)")
    assert "image/png" in kinds
    page.get_by_label("with a slider").check()
    after(page)
    # The same picture, seen otherwise, needs no warning; a real one is answered below.
    assert page.evaluate("window.reageChanges === window.reageSaved")
    page.get_by_role("button", name="40", exact=True).click()
    expect(result).to_contain_text("asked for 40", timeout=WAIT)
    page.once("dialog", lambda dialog: dialog.dismiss())
    with page.expect_event("dialog") as asked:  # before unsaved work is lost
        page.evaluate("setTimeout(() => location.reload())")
    assert asked.value.type == "beforeunload"
    page.click("#next")
    expect(page.locator("#people")).to_contain_text("The face in the photo", timeout=WAIT)
    expect(page.locator("#next")).not_to_be_visible()


@pytest.fixture
def other_site(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of another web site, at another port."""
    (tmp_path / "index.html").write_text("<p>another site</p>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        page.close()
        server.shutdown()


def test_another_web_site_can_neither_use_nor_frame_the_page(other_site: Page, address: str) -> None:
    ask = """async (address) => {
      const send = (mode, path, body) => fetch(address + path, {method: 'POST', mode, body, credentials: 'include'})
        .then(answer => answer.type + answer.status, error => error.name);
      const form = new FormData();
      form.append('files', new Blob(['photo']), 'me.jpg');
      return [await send('cors', 'gradio_api/upload', form), await send('cors', 'gradio_api/call/v2/models', '{}')];
    }"""
    assert other_site.evaluate(ask, address) == [
        "TypeError",
        "TypeError",
    ]  # refused, and without CORS headers
    with other_site.expect_response(lambda answer: "upload" in answer.url) as upload:
        other_site.evaluate(ask.replace("'cors'", "'no-cors'"), address)
    assert upload.value.status == 403
    other_site.evaluate(
        "address => { document.body.innerHTML = `<iframe src=${address}></iframe>`; }", address
    )
    other_site.wait_for_timeout(2000)
    assert not [frame for frame in other_site.frames if frame.url.startswith(address)]


def test_the_page_does_not_open_under_a_name_that_is_not_its_own(browser: Browser, address: str) -> None:
    page = browser.new_page()
    answer = page.goto(address.replace("127.0.0.1", "rebound.example"))
    assert answer is not None
    assert answer.status == 403
    assert "does not answer to the name 'rebound.example'" in page.inner_text("body")
    page.close()
