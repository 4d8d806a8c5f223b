"""Takes the pictures of the page in the documentation: a bundled portrait, aged, in Debian's Chromium.

``python benchmarks/web_picture.py`` writes docs/web.jpg, at the size of a desktop, and docs/web-phone.jpg, at that of a
phone and in dark mode; it needs `chromium` and the extra `dev`.
"""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import click
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from reage.photo.files import Provenance, read_photo, write_photo
from reage.web.server import running

ROOT = Path(__file__).parent.parent


def take(browser: Browser, address: str, size: tuple[int, int], scheme: Any, output: Path) -> None:
    """Open a portrait at 80 in a window of ``size`` pixels, and store what there is to see, marked as AI-edited."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.set_default_timeout(120_000)
    page.goto(address)
    page.wait_for_selector("#upload input[type=file]", state="attached")
    page.set_input_files("#upload input[type=file]", ROOT / "examples" / "house_andre-carson.jpg")
    page.wait_for_selector("#picture img")
    page.get_by_role("button", name="80", exact=True).click()
    page.get_by_text("asked for 80").wait_for()
    page.wait_for_timeout(2500)  # for the picture to be drawn, and in sight
    if scheme == "light":
        page.evaluate("window.scrollTo(0, 0)")
    shot = page.screenshot()
    page.close()
    file = BytesIO()
    Image.open(BytesIO(shot)).convert("RGB").save(file, "PNG")
    mark = Provenance(tool="reage web", model="the embedded model", edits=("a picture of the page",))
    write_photo(read_photo(file.getvalue()), output, mark=mark, overwrite=True, quality=85)
    click.echo(f"{output}: {output.stat().st_size >> 10} KB")


@click.command()
@click.option("-o", "--output", default=ROOT / "docs", type=click.Path(path_type=Path), help="The folder.")
def main(output: Path) -> None:
    """Take the pictures."""
    with running() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        take(browser, address, (1280, 900), "light", output / "web.jpg")
        take(browser, address, (390, 844), "dark", output / "web-phone.jpg")
        browser.close()


if __name__ == "__main__":
    main()
