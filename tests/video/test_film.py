"""Films of a bundled portrait: what they show, how long, and what they say of themselves."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms, ImageSequence

import reage.video.film
from reage import Reager
from reage.arrays import UInt8
from reage.cli.main import main
from reage.cli.options import parse_span
from reage.edit.masks import REGIONS
from reage.errors import (
    AgeError,
    ExistsError,
    NoFaceError,
    PhotoError,
    ReageError,
    RegionError,
    VideoError,
)
from reage.photo.files import Photo, read_photo, read_provenance
from reage.photo.photo import PhotoMeta
from reage.reager import Sitting
from reage.request import Request
from reage.video.film import Look, film_photo, write_film
from reage.video.reader import open_video


@pytest.fixture(scope="module")
def sitting(reager: Reager, portrait: Path) -> Sitting:
    return reager.open(portrait)


def frames_of(path: Path) -> tuple[list[UInt8], float]:
    """The frames of a film, and how long it lasts in seconds."""
    if path.suffix == ".mp4":
        with open_video(path) as video:
            frames = list(video.frames())
            end = frames[-1].pts + frames[-1].duration
            return [frame.pixels for frame in frames], float(end * video.coding.time_base)
    shown, lasts = [], 0
    with Image.open(path) as film:
        for frame in ImageSequence.Iterator(film):
            shown.append(np.asarray(frame.convert("RGB")))
            frame.load()
            lasts += frame.info["duration"]
    return shown, lasts / 1000


LOSS = {".gif": 0, ".mp4": 3, ".webp": 8}
"""Levels of 255 by which coding changes what stands still."""


@pytest.mark.parametrize("suffix", LOSS)
def test_a_face_grows_older(reager: Reager, sitting: Sitting, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"life{suffix}"
    assert write_film(sitting, (20, 80), path, look=Look(1, 12, 200, labels=False)) == path
    frames, lasts = frames_of(path)
    assert lasts == pytest.approx(1, abs=0.011)
    assert frames[0].shape == (200, 200, 3)
    young, old = (reager.sit(Photo(frame)).faces[0].apparent_age for frame in (frames[0], frames[-1]))
    assert old > young + 8
    still = [frame[:30, :30].astype(int) for frame in frames]
    assert max(np.abs(b - a).max() for a, b in pairwise(still)) <= LOSS[suffix]
    mark = read_provenance(path)
    assert mark is not None
    assert mark["digital_source_type"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert [face["target_age"] for face in mark["faces"]] == [20, 80]


def test_a_gif_says_so_in_a_comment_too(sitting: Sitting, tmp_path: Path) -> None:
    path = write_film(sitting, (30, 60), tmp_path / "a.gif", look=Look(0.5, 10, 100))
    with Image.open(path) as film:
        assert b"AI-edited" in film.info["comment"]
        assert film.info["loop"] == 0
    assert path.read_bytes().endswith(b";")


def test_frames_between_the_ages_asked_of_the_network_are_what_it_would_answer(
    sitting: Sitting, tmp_path: Path
) -> None:
    side = max(sitting.photo.pixels.shape)
    look = Look(1, 5, side, labels=False, whole=True)
    frames, _ = frames_of(write_film(sitting, (20, 80), tmp_path / "a.webp", look=look))

    def distance(frame: int, age: float) -> float:
        return float(np.abs(frames[frame].astype(int) - sitting.age(to=age).pixels).mean())

    for frame, age, others in ((1, 31.25, (24, 38)), (3, 68.75, (61, 76))):
        assert distance(frame, age) < 2  # what WebP loses
        assert all(distance(frame, age) < distance(frame, other) for other in others)


def test_there_and_back_ends_where_it_begins(sitting: Sitting, tmp_path: Path) -> None:
    path = tmp_path / "loop.mp4"
    write_film(sitting, (25, 75), path, look=Look(1, 16, 160, labels=False, there_and_back=True))
    frames, _ = frames_of(path)

    def apart(one: int, other: int) -> float:
        return float(np.abs(frames[one].astype(int) - frames[other]).mean())

    assert apart(4, 12) < 0.5 * apart(4, 8)
    assert apart(15, 0) < 0.5 * apart(8, 0)


def test_labels_name_the_age(sitting: Sitting, tmp_path: Path) -> None:
    films = [
        frames_of(write_film(sitting, (40, 40), tmp_path / f"{on}.mp4", look=Look(0.5, 4, 200, labels=on)))[0]
        for on in (False, True)
    ]
    changed = np.abs(films[0][0].astype(int) - films[1][0]).max(2) > 60
    ys, xs = np.nonzero(changed)
    assert ys.min() > 150
    assert xs.max() < 80


def test_ages_are_clamped_to_those_of_the_model(sitting: Sitting, tmp_path: Path) -> None:
    path = write_film(sitting, (0, 116), tmp_path / "a.webp", look=Look(0.5, 4, 64))
    mark = read_provenance(path)
    assert mark is not None
    assert [face["target_age"] for face in mark["faces"]] == list(sitting.reager.bundle.manifest.target_ages)


def test_the_whole_photo_and_its_shape(sitting: Sitting, tmp_path: Path) -> None:
    path = write_film(sitting, (30, 60), tmp_path / "a.mp4", look=Look(0.5, 4, 101, whole=True))
    frames, _ = frames_of(path)
    assert max(frames[0].shape) in (100, 102)
    height, width = sitting.photo.pixels.shape[:2]
    assert frames[0].shape[1] / frames[0].shape[0] == pytest.approx(width / height, rel=0.03)


def test_transparency_deep_samples_and_profiles(reager: Reager, portrait: Path, tmp_path: Path) -> None:
    photo = read_photo(portrait)
    alpha = np.full(photo.pixels.shape[:2], 65535, np.uint16)
    alpha[:60] = 0
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = Photo(photo.pixels.astype(np.uint16) * 257, alpha, PhotoMeta(icc=icc))
    path = write_film(
        reager.sit(deep), (30, 31), tmp_path / "a.mp4", look=Look(0.5, 4, 256, labels=False, whole=True)
    )
    frame = frames_of(path)[0][0]
    assert frame[:20].min() > 245
    small = cv2.resize(photo.pixels, (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(frame[-60:].astype(int) - small[-60:]).mean() < 4


def test_a_film_is_refused_with_a_reason(sitting: Sitting, tmp_path: Path, monkeypatch: Any) -> None:
    there = tmp_path / "there.gif"
    there.touch()
    refusals: list[tuple[type[Exception], str, Path, dict[str, Any], dict[str, Any]]] = [
        (ExistsError, "exists already", there, {}, {}),
        (VideoError, "is written as", tmp_path / "a.avi", {}, {}),
        (VideoError, "frames per second", tmp_path / "a.gif", {"fps": 60}, {}),
        (VideoError, "seconds", tmp_path / "a.gif", {"seconds": 0.01}, {}),
        (VideoError, "side of a film", tmp_path / "a.gif", {"side": 5}, {}),
        (ReageError, "cannot be written", there / "a.gif", {"seconds": 0.5, "fps": 4}, {}),
        (AgeError, "strength", tmp_path / "a.gif", {}, {"strength": 3}),
        (AgeError, "outside 0 to 116", tmp_path / "a.gif", {}, {"source": -4}),
        (NoFaceError, "no face 3", tmp_path / "a.gif", {}, {"faces": 3}),
    ]
    for error, message, path, look, request in refusals:
        with pytest.raises(error, match=message):
            write_film(sitting, (20, 80), path, Request(**request), Look(**look))
    monkeypatch.setattr(reage.video.film, "find_spec", lambda name: None)
    with pytest.raises(VideoError, match="reage\\[video\\]"):
        write_film(sitting, (20, 80), tmp_path / "a.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["there.gif"]


def test_an_interrupted_film_leaves_nothing(sitting: Sitting, tmp_path: Path) -> None:
    def progress(done: int, total: int) -> None:
        assert total == 8
        if done == 3:
            raise KeyboardInterrupt

    for suffix in (".mp4", ".gif", ".webp"):
        with pytest.raises(KeyboardInterrupt):
            write_film(sitting, (20, 80), tmp_path / f"a{suffix}", look=Look(1, 8, 64), progress=progress)
    assert not list(tmp_path.iterdir())


def test_the_command(portrait: Path, tmp_path: Path) -> None:
    path = tmp_path / "life.webp"
    command = ["film", str(portrait), "--ages", "30:60", "-o", str(path), "--seconds", "0.5", "--side", "64"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(path)
    assert CliRunner().invoke(main, command).exit_code == 2
    assert parse_span("20:80") == (20, 80)
    for wrong in ("20", "20:80:10", "a:b", ""):
        with pytest.raises(AgeError, match="first:last"):
            parse_span(wrong)
    with pytest.raises(PhotoError, match="does not exist"):
        film_photo(tmp_path / "absent.jpg", (20, 80))


def test_regions_that_are_left_out_stay_young(sitting: Sitting, tmp_path: Path) -> None:
    look = Look(1, 4, 200, labels=False)
    whole = write_film(sitting, (20, 80), tmp_path / "whole.webp", look=look)
    without = dict.fromkeys(REGIONS, 0.0)
    still = write_film(sitting, (20, 80), tmp_path / "still.webp", Request(regions=without), look)
    ends = [[frames_of(path)[0][i].astype(int) for i in (0, -1)] for path in (whole, still)]
    assert np.abs(ends[0][1] - ends[0][0]).max() > 40
    assert np.abs(ends[1][1] - ends[1][0]).max() < 8
    mark = read_provenance(still)
    assert mark is not None
    assert "regions hair 0, forehead 0" in str(mark)
    with pytest.raises(RegionError, match="did you mean 'eyes'"):
        write_film(sitting, (20, 80), tmp_path / "no.webp", Request(regions={"eye": 0.5}))
