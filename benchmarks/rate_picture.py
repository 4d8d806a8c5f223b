"""Takes the picture of the page of `reage rate` in the documentation, and votes on it in Debian's Chromium.

``python benchmarks/rate_picture.py`` writes docs/rate.jpg; it needs `chromium` and the extra `dev`. What is compared is
the embedded model at its full strength and at a half of it, on bundled portraits.
"""

from __future__ import annotations

import shutil
import tempfile
from io import BytesIO
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import sync_playwright

from reage.evaluation.rating.bradley_terry import preferences
from reage.evaluation.rating.pairs import Pair
from reage.evaluation.rating.server import running
from reage.evaluation.rating.session import Session
from reage.evaluation.rating.votes import read_votes
from reage.evaluation.report_folder import RANDOM_TILE
from reage.face.framing import head_tile
from reage.photo.files import Provenance, read_photo, write_photo
from reage.reager import Reager

ROOT = Path(__file__).parent.parent
MODELS = ("full strength", "half strength")
PORTRAITS = ("house_andre-carson", "house_grace-meng")
AGE = 75.0


@click.command()
@click.option(
    "-o",
    "--output",
    default=ROOT / "docs" / "rate.jpg",
    type=click.Path(path_type=Path),
    help="Where it goes.",
)
def main(output: Path) -> None:
    """Take the picture, and vote."""
    reager, pairs = Reager.default(), []
    for name in PORTRAITS:
        sitting = reager.open(ROOT / "examples" / f"{name}.jpg")
        landmarks = sitting.faces[0].face.landmarks_photo
        pictures = [sitting.photo.pixels, *(sitting.age(to=AGE, strength=s).pixels for s in (1.0, 0.5))]
        photo, full, half = (head_tile(picture, landmarks, RANDOM_TILE) for picture in pictures)
        pairs.append(Pair(name, AGE, photo, MODELS, (full, half)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        votes = Path(folder) / "votes.jsonl"
        with running(Session(pairs, votes)) as address:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1000, "height": 720})
            page.set_default_timeout(120_000)
            page.goto(address)
            page.get_by_text(f"0 of {len(pairs)} done.").wait_for()
            shot = page.screenshot()
            for done in range(len(pairs)):
                page.get_by_text(f"{done} of {len(pairs)} done.").wait_for()
                page.keyboard.press("ArrowLeft")
            page.get_by_text("That was all.").wait_for()
            browser.close()
        for each in preferences(read_votes(votes), MODELS):
            click.echo(f"{each.model}: {each.wins} won, {each.losses} lost, score {each.score.value:.2f}")
    file = BytesIO()
    Image.open(BytesIO(shot)).convert("RGB").save(file, "PNG")
    mark = Provenance(tool="reage rate", model="the embedded model", edits=("a picture of the page",))
    write_photo(read_photo(file.getvalue()), output, mark=mark, overwrite=True, quality=85)
    click.echo(f"{output}: {output.stat().st_size >> 10} KB")


if __name__ == "__main__":
    main()
