"""The page in a real browser: Debian's Chromium, driven by Playwright, with no way to any other host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from reage.photo.files import read_photo, read_provenance

WAIT = 120_000
"""Milliseconds: machines that test are busy."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        assert not os.environ.get("REAGE_NEEDS_BROWSER"), "chromium is not installed"
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", offline])
        yield started
        started.close()


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


def upload(page: Page, path: Path) -> None:
    page.set_input_files("#upload input[type=file]", path)


def after(page: Page, address_before: str = "") -> str:
    """The address of the edited picture, once it is another than ``address_before``."""
    shown = "() => Array.from(document.querySelectorAll('#picture img')).map(i => i.src).find(s => s.includes('after'))"
    page.wait_for_function(f"({shown})() && ({shown})() != '{address_before}'", timeout=WAIT)
    return str(page.evaluate(shown))


def test_a_portrait_is_uploaded_aged_by_dragging_and_downloaded(
    page: Page, portrait: Path, tmp_path: Path
) -> None:
    upload(page, portrait)
    first = after(page)
    expect(page.locator("#faces")).to_contain_text("looks")
    old = page.request.get(first).body()
    slider = page.locator("#age input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    x, y = box["x"], box["y"] + box["height"] / 2
    page.mouse.move(x + 0.6 * box["width"], y)
    page.mouse.down()
    page.mouse.move(x + 0.4 * box["width"], y, steps=4)
    during = after(page, first)  # the button of the mouse is still down
    page.mouse.move(x + 0.2 * box["width"], y, steps=4)
    page.mouse.up()
    age = slider.input_value()
    assert 15 < int(age) < 30
    expect(page.locator("#told")).to_contain_text(f"asked for {age},", timeout=WAIT)
    young = page.request.get(after(page, during)).body()
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


def test_a_bundled_portrait_a_strip_and_what_the_model_is(page: Page) -> None:
    page.locator("#portraits button.thumbnail-item").last.click()
    first = after(page)
    assert "after.jpg" in first
    page.get_by_text("Life strip and film").click()
    page.click("#make-strip")
    page.wait_for_selector("#strip img", timeout=WAIT)
    page.get_by_text("About the model").click()
    expect(page.locator("#about")).to_contain_text("Not for identification")
    expect(page.locator("#about")).to_contain_text("UTKFace")
