"""Frames a second of `reage video`, and how steady its edits are; on clips synthesised from bundled portraits.

A camera pans, zooms and rolls over a portrait, with sensor noise, at 640 x 480 and 24 frames a second, coded as
H.264. Steadiness is measured in the aligned frame, within the mask: the mean change of the edit from one frame to
the next beside that of the aligned face itself, with smoothing and without. As the camera's path is known, so is
how far the aligned frame slips on the face: the wobble. Writes benchmarks/video.json.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

import reage
from reage import Reager
from reage.arrays import UInt8
from reage.edit.compositing import AlignedFace, Edit
from reage.face.alignment import apply_transform, compose, invert_transform, transform_scale
from reage.request import Request
from reage.video.edit_plans import plan_edits
from reage.video.reader import open_video
from reage.video.retouch import age_video, follow
from reage.video.tracking import Tracker

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "video"))

from clips import camera, filmed, portrait, write_clip  # noqa: E402  (from the tests' folder)

SIZE, FPS, NOISE = (640, 480), 24, 2.0
TARGET = 75.0
PORTRAITS = ("house_grace-meng", "house_andre-carson", "astronaut_eileen-collins")


def shown(
    reager: Reager, tracker: Tracker, frames: list[UInt8], smooth: bool
) -> list[tuple[AlignedFace, Edit]]:
    """The aligned face of the first person in each frame, and the edit that it gets."""
    plan = plan_edits(reager, tracker, Request(TARGET), smooth=smooth)[0]
    faces = []
    for number in sorted(plan.poses):
        faces.append(plan.edit(reager, frames[number], number, number / FPS, smooth=smooth)[-1])
    return faces


def unrest(faces: list[tuple[AlignedFace, Edit]]) -> tuple[float, float]:
    """Mean change from frame to frame of the edit and of the aligned face, within the mask, in levels of 255."""
    edits, inputs = [], []
    for (one, before), (other, after) in pairwise(faces):
        within = np.minimum(one.mask, other.mask) > 0.1
        edits.append(np.abs(after.delta - before.delta)[within].mean())
        inputs.append(np.abs(other.pixels - one.pixels)[within].mean())
    return 127.5 * float(np.mean(edits)), 127.5 * float(np.mean(inputs))


def wobble(faces: list[tuple[AlignedFace, Edit]], path: list[Any]) -> float:
    """Mean slip from frame to frame of the aligned frame on the face, in per cent of its side."""
    onto = [compose(face.matrix, matrix) for (face, _), matrix in zip(faces, path, strict=True)]
    size = faces[0][0].size
    marks = size * np.array([[0.25, 0.4], [0.75, 0.4], [0.5, 0.75]], np.float32)
    where = np.stack([apply_transform(invert_transform(matrix), marks) for matrix in onto])
    side = size / float(np.mean([transform_scale(matrix) for matrix in onto]))
    return 100 * float(np.linalg.norm(np.diff(where, axis=0), axis=2).mean()) / side


def measure(reager: Reager, name: str, swing: float, count: int, folder: Path) -> dict[str, float]:
    """Steadiness on one clip."""
    path = camera(count, 960, SIZE, swing)
    clip = write_clip(
        folder / "clip.mp4", filmed(portrait(name, 960), path, SIZE, NOISE), fps=FPS, tone=False
    )
    with open_video(clip) as video:
        frames = [frame.pixels for frame in video.frames()]
        tracker = follow(reager, video, lambda *_: None)
    figures = {}
    for label, smooth in (("without", False), ("with", True)):
        faces = shown(reager, tracker, frames, smooth)
        figures[f"edit {label}"], figures[f"face {label}"] = unrest(faces)
        figures[f"wobble {label}"] = wobble(faces, path)
    return {key: round(value, 3) for key, value in figures.items()}


def speed(folder: Path, count: int) -> dict[str, float]:
    """Frames a second of the whole command, with everything loaded, and of the processor's time alone."""
    frames = filmed(portrait(PORTRAITS[0], 960), camera(count, 960, SIZE), SIZE, NOISE)
    clip = write_clip(folder / "speed.mp4", frames, fps=FPS)
    spent, began = {"tracking": 0.0, "editing": 0.0}, [time.perf_counter(), time.process_time()]
    processor = dict(spent)

    def progress(stage: str, done: int, total: int | None) -> None:
        now = [time.perf_counter(), time.process_time()]
        if done > 1:  # the first frame waits for the networks to load
            spent[stage] += now[0] - began[0]
            processor[stage] += now[1] - began[1]
        began[:] = now

    age_video(clip, Request(TARGET), folder / "out.mp4", progress=progress)
    return {
        "frames a second": round((count - 1) / sum(spent.values()), 2),
        "frames a second of processor time": round((count - 1) / sum(processor.values()), 2),
        "part of the time that following takes": round(processor["tracking"] / sum(processor.values()), 2),
    }


@click.command()
@click.option("--count", default=48, show_default=True, help="Frames of each clip.")
def main(count: int) -> None:
    """Print and store the figures of this machine."""
    reager, steadiness = Reager.default(), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speeds = speed(folder, count)
        for swing, label in ((0.0, "still camera"), (0.5, "moving camera"), (1.0, "quickly moving camera")):
            each = [measure(reager, portrait, swing, count, folder) for portrait in PORTRAITS]
            means = {key: round(float(np.mean([one[key] for one in each])), 3) for key in each[0]}
            steadiness[label] = {**means, "each": dict(zip(PORTRAITS, each, strict=True))}
    for key, value in speeds.items():
        click.echo(f"{key:45s} {value:8.2f}")
    for label, figures in steadiness.items():
        click.echo(
            f"{label}: change between frames in levels of 255, wobble in % of the aligned frame's side"
        )
        for way in ("without", "with"):
            edit, face = figures[f"edit {way}"], figures[f"face {way}"]
            click.echo(
                f"  {way:8s} smoothing: edit {edit:.2f}, face itself {face:.2f}, edit/face {edit / face:.2f}, "
                f"wobble {figures[f'wobble {way}']:.3f}"
            )
    about = {
        "reage": reage.__version__, "model": reager.bundle.manifest.title, "cores": os.cpu_count(),
        "load": os.getloadavg()[0], "clip": f"{SIZE[0]} x {SIZE[1]}, {count} frames",
    }  # fmt: skip
    stored = {"about": about, "speed": speeds, "steadiness": steadiness}
    (HERE / "video.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
