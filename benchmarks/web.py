"""Measures how long the page takes to answer a slider move on an open 12-megapixel photo, in the service and over HTTP.

Over HTTP in three ways, which take turns: as the page's script asks, past Gradio; through Gradio's queue with plain
requests; and with Gradio's own client for Python. Each is with the picture.
``python benchmarks/web.py`` needs the extra `web`, and writes benchmarks/web.json. The photo is a bundled portrait,
enlarged to a face of about 1,000 pixels, in a canvas of 4000 x 3000. The times are medians; ``load`` says how busy the
machine was with other programs before and after.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from base64 import b64decode
from itertools import cycle
from pathlib import Path

import click
import cv2
import gradio
import httpx
import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

import reage
from photo import median_ms
from reage.photo.files import read_photo
from reage.request import Request
from reage.web.server import running
from reage.web.service import Service

HERE = Path(__file__).parent
PORTRAIT = HERE.parent / "examples" / "house_grace-meng.jpg"
AGES = (25, 70, 40, 80, 55)


def twelve_megapixels(path: Path) -> None:
    """Write the photo: the portrait at three times its size, mirrored outwards to 4000 x 3000."""
    pixels = read_photo(PORTRAIT).pixels
    scale = 3000 / pixels.shape[0]
    large = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:3000]
    left = (4000 - large.shape[1]) // 2
    right = 4000 - large.shape[1] - left
    canvas = np.pad(large, ((0, 0), (left, right), (0, 0)), mode="reflect")
    Image.fromarray(canvas).save(path, quality=92)


def in_the_service(photo: Path, folder: Path, repeats: int) -> dict[str, float]:
    """Milliseconds without Gradio: opening, a move of the slider, and the whole photo for download."""
    service, ages = Service(folder), cycle(AGES)
    opened = service.open(photo)
    return {
        # What other programs do weighs little in the processor's time, that of all threads.
        "slider move, service, processor time": median_ms(
            lambda: service.preview(opened.token, Request(next(ages), faces="0")), repeats, time.process_time
        ),
        "slider move, service": median_ms(
            lambda: service.preview(opened.token, Request(next(ages), faces="0")), repeats
        ),
        "download, service": median_ms(
            lambda: service.download(opened.token, Request(next(ages), faces="0")), max(2, repeats // 5)
        ),
        # Last, since a visitor who opens too many photos pushes out the first.
        "open, service": median_ms(lambda: service.open(photo), max(2, repeats // 5)),
    }


def over_http(photo: Path, repeats: int) -> dict[str, float]:
    """Milliseconds until the picture is there, in each of the three ways."""
    ages = cycle(AGES)
    with (
        running() as address,
        tempfile.TemporaryDirectory() as folder,
        httpx.Client(base_url=address, timeout=600) as plain,
    ):
        client = Client(address, verbose=False, download_files=folder)
        token = client.predict(handle_file(photo), api_name="/open")["token"]
        session = {"session_hash": "one page"}  # which Gradio would make anew for each call otherwise
        (number,) = (each["id"] for each in client.config["dependencies"] if each["api_name"] == "age")

        def past_gradio() -> None:
            asked = {"token": token, "face": 0, "everybody": False, "view": "", "age": next(ages), "strength": 1,
                     "gender": "", "source": None, "regions": {}}  # fmt: skip
            moved = plain.post("move", json=asked).json()
            assert len(b64decode(moved["picture"].partition(",")[2])) > 1000

        def through_gradio() -> None:
            data = [token, next(ages), "0", 1, "", "", {}, ""]
            plain.post("gradio_api/queue/join", json={"data": data, "fn_index": number, **session})
            with plain.stream("GET", "gradio_api/queue/data", params=session) as told:
                (done,) = [line for line in told.iter_lines() if "process_completed" in line]
            picture = json.loads(done.removeprefix("data: "))["output"]["data"][0]
            assert len(plain.get(picture["url"]).content) > 1000

        ways = {
            "slider move, HTTP, past Gradio": past_gradio,
            "slider move, HTTP, through Gradio": through_gradio,
            "slider move, HTTP, gradio_client": lambda: client.predict(
                token, next(ages), "0", api_name="/age"
            ),
        }
        clocks = {"": time.perf_counter, ", processor time": time.process_time}  # of page and client together
        times: dict[str, list[float]] = {way + clock: [] for way in ways for clock in clocks}
        for turn in range(repeats + 1):
            for way, move in ways.items():
                starts = [now() for now in clocks.values()]
                move()
                for (clock, now), start in zip(clocks.items(), starts, strict=True):
                    if turn:  # the first opens what all need
                        times[way + clock].append(1000 * (now() - start))
        client.close()
    return {way: round(statistics.median(each), 1) for way, each in times.items()}


@click.command()
@click.option("--repeats", default=25, show_default=True)
def main(repeats: int) -> None:
    """Measure, print and store the times of this machine."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        photo, folder = Path(name) / "photo.jpg", Path(name) / "served"
        folder.mkdir()
        twelve_megapixels(photo)
        start = time.perf_counter()
        times = {**in_the_service(photo, folder, repeats), **over_http(photo, repeats)}
        lasted = time.perf_counter() - start
    for label, value in times.items():
        click.echo(f"{label:55s} {value:10.1f} ms")
    about = {
        "reage": reage.__version__, "model": reage.open_bundle().manifest.title, "cores": os.cpu_count(),
        "gradio": gradio.__version__, "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        "seconds": round(lasted),
    }  # fmt: skip
    (HERE / "web.json").write_text(json.dumps({"about": about, "milliseconds": times}, indent=2) + "\n")


if __name__ == "__main__":
    main()
