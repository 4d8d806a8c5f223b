"""Takes the picture of the page in the documentation: a bundled portrait, aged, in Debian's Chromium.

``python benchmarks/web_picture.py`` writes docs/web.jpg; it needs `chromium` and the extra `dev`.
"""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import sync_playwright

from reage.photo.files import Provenance, read_photo, write_photo
from reage.web.server import running

ROOT = Path(__file__).parent.parent


@click.command()
@click.option(
    "--size", type=(int, int), default=(1280, 900), show_default=True, help="Size of the window in pixels."
)
@click.option(
    "-o",
    "--output",
    default=ROOT / "docs" / "web.jpg",
    type=click.Path(path_type=Path),
    help="Where it goes.",
)
def main(size: tuple[int, int], output: Path) -> None:
    """Take the picture."""
    with running() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.wait_for_selector("#upload input[type=file]", state="attached")
        page.set_input_files("#upload input[type=file]", ROOT / "examples" / "house_andre-carson.jpg")
        page.wait_for_selector("#picture img")
        page.fill("#age input[type=number]", "80")
        page.get_by_text("asked for 80").wait_for()
        page.wait_for_timeout(1500)  # for the picture to be drawn
        page.evaluate("window.scrollTo(0, 0)")
        shot = page.screenshot()
        browser.close()
    file = BytesIO()
    Image.open(BytesIO(shot)).convert("RGB").save(file, "PNG")
    mark = Provenance(tool="reage web", model="the embedded model", edits=("a picture of the page",))
    write_photo(read_photo(file.getvalue()), output, mark=mark, overwrite=True, quality=85)
    click.echo(f"{output}: {output.stat().st_size >> 10} KB")


if __name__ == "__main__":
    main()
