"""Videos of the bundled portraits under a moving camera: who is followed, and what comes out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from clips import camera, filmed, portrait, write_clip

from reage import Reager
from reage.arrays import UInt8
from reage.cli.main import main
from reage.edit.compositing import composite
from reage.edit.masks import REGIONS
from reage.errors import NoFaceError
from reage.face.identity import IdentityReader
from reage.photo.files import Photo, read_provenance
from reage.progress import Progress
from reage.request import Request
from reage.video.coding import decoding_times
from reage.video.edit_plans import EditPlan, describe, plan_edits
from reage.video.reader import open_video
from reage.video.retouch import age_video, retouch
from reage.video.tracking import Tracker

FPS = 12


def clip(name: str, count: int = 12, swing: float = 0.5) -> list[UInt8]:
    return filmed(portrait(name), camera(count, 320, swing=swing), noise=1)


def hide(frames: list[UInt8]) -> None:
    """Hold something before the face, in place."""
    for pixels in frames:
        pixels[50:200, 90:240] = (150, 110, 90)


def followed(reager: Reager, frames: list[UInt8]) -> Tracker:
    tracker = Tracker(reager.detector, reager.age_reader, IdentityReader())
    for number, pixels in enumerate(frames):
        tracker.feed(pixels, number / FPS)
    return tracker


def plans_of(reager: Reager, frames: list[UInt8], **options: Any) -> list[EditPlan]:
    return plan_edits(reager, followed(reager, frames), Request(75, **options))


def reage(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def pictures(path: Path) -> list[UInt8]:
    with open_video(path) as video:
        return [frame.pixels for frame in video.frames()]


def same(one: Path, other: Path) -> bool:
    """Whether two videos have the same frames at the same times, and the same sound."""
    found = []
    for path in (one, other):
        with open_video(path) as video:
            frames = [(frame.pixels.tobytes(), frame.pts, frame.duration) for frame in video.frames()]
            found.append((frames, [bytes(packet) for packet in video.packets(video.copied)]))
    return found[0] == found[1]


def test_a_video_from_the_command_line(reager: Reager, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "me.mp4", clip("house_grace-meng"), fps=FPS)
    result = reage("video", source, "--to", 80, "--quiet")
    assert result.exit_code == 0, result.output
    output = tmp_path / "me-80.mp4"
    before, after = pictures(source), pictures(output)
    assert len(after) == len(before) == 12
    one, other = (reager.sit(Photo(frames[6])).faces[0].apparent_age for frames in (before, after))
    assert other > one + 8
    corner = np.s_[:40, -40:]
    assert np.abs(before[6][corner].astype(int) - after[6][corner]).mean() < 4
    mark = read_provenance(output)
    assert mark is not None
    assert mark["faces"][0]["target_age"] == 80
    with av.open(str(output)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    again = reage("video", source, "--to", 80, "--quiet")
    assert again.exit_code == 2
    assert "--overwrite" in again.output


def test_two_people_keep_their_own_ages(reager: Reager) -> None:
    young, old = clip("house_grace-meng", swing=1), clip("senate_angus-king", swing=0.7)
    tracker = followed(reager, [np.hstack(pair) for pair in zip(young, old, strict=True)])
    assert [len(track.frames) for track in tracker.tracks] == [12, 12]
    plans = sorted(plan_edits(reager, tracker, Request("older")), key=lambda plan: plan.source)
    alone = [plans_of(reager, frames)[0].source for frames in (young, old)]
    assert [plan.source for plan in plans] == pytest.approx(alone, abs=3)
    assert plans[1].source > plans[0].source + 20
    assert plans[0].male == 0
    assert plans[1].male == 1
    middles = [plan.track.landmarks[-1][:, 0].mean() for plan in plans]
    assert middles[0] < 320 < middles[1]
    beyond = plan_edits(reager, tracker, Request(110))
    assert {plan.target for plan in beyond} == {reager.bundle.manifest.target_ages[1]}
    largest = plan_edits(reager, tracker, Request(75, faces="largest"))
    assert len(largest) == 1
    with pytest.raises(NoFaceError, match="all or largest"):
        age_video(Path("any.mp4"), Request(75, faces="1"))


def test_a_cut_begins_anew_and_fades_nothing(reager: Reager) -> None:
    frames = clip("house_grace-meng", 8) + clip("senate_angus-king", 8)
    tracker = followed(reager, frames)
    assert tracker.cuts == {8}
    first, second = plan_edits(reager, tracker, Request(75))
    assert sorted(first.poses) == list(range(8))
    assert sorted(second.poses) == list(range(8, 16))
    assert first.poses[7].weight == second.poses[8].weight == 1
    assert second.poses[8].fresh
    assert second.source > first.source + 20


def test_somebody_seen_again_after_a_cut_is_the_same_person(reager: Reager) -> None:
    bass = filmed(portrait("house_karen-bass"), camera(15, 320, swing=1), noise=2)
    again = [np.clip(frame * 0.8, 0, 255).astype(np.uint8)[:, ::-1] for frame in bass[5:10]]
    tracker = followed(reager, [*bass[:5], *clip("senate_angus-king", 5), *again])
    assert tracker.cuts == {5, 10}
    one, twice, other = plan_edits(reager, tracker, Request(by=10))
    assert [plan.person for plan in (one, twice, other)] == [0, 0, 1]
    assert (one.source, one.target) == (twice.source, twice.target)
    assert other.source > one.source
    first, second = describe([one, twice, other])
    assert first.startswith("0.0 to 0.3 s, 0.8 to 1.2 s: a face that looks")
    assert second.startswith("0.4 to 0.8 s: a face that looks")
    assert len(plan_edits(reager, tracker, Request(70, faces="largest"))) == 2  # both shots of one person


def test_whose_age_may_be_misread_is_told(reager: Reager) -> None:
    night = [(frame * 0.15).astype(np.uint8) for frame in clip("senate_angus-king", 5)]
    tracker = followed(reager, night)
    (line,) = describe(plan_edits(reager, tracker, Request(30)))
    assert line.endswith("; that may be misread, since it is very dark")
    (line,) = describe(plan_edits(reager, tracker, Request(30, source=70)))  # nothing was read
    assert "misread" not in line
    (line,) = describe(plan_edits(reager, followed(reager, clip("senate_angus-king", 5)), Request(30)))
    assert "misread" not in line


def test_a_dissolve_parts_two_people(reager: Reager) -> None:
    one, other = clip("house_grace-meng", 32, swing=0.3), clip("senate_angus-king", 32, swing=0.3)
    parts = np.clip((np.arange(32) - 10) / 11, 0, 1)
    frames = [
        np.rint(a * (1 - part) + b * part).astype(np.uint8)
        for a, b, part in zip(one, other, parts, strict=True)
    ]
    tracker = followed(reager, frames)
    assert not tracker.cuts
    first, second = plan_edits(reager, tracker, Request(75))
    assert first.person != second.person
    assert max(first.poses) < 16 <= min(second.poses)
    assert {first.poses[number].weight for number in range(10)} == {1}
    for plan in (first, second):
        weights = [plan.poses[number].weight for number in sorted(plan.poses)]
        assert max(abs(after - before) for before, after in pairwise(weights)) < 0.6
        assert min(weights) < 0.1
    assert second.source > first.source + 20


def test_a_flash_changes_nobody(reager: Reager) -> None:
    frames = clip("house_grace-meng", 10)
    frames[5] = np.clip(frames[5].astype(int) * 2, 0, 255).astype(np.uint8)
    tracker = followed(reager, frames)
    assert len(tracker.tracks) == 1
    assert all(pose.weight == 1 for pose in plan_edits(reager, tracker, Request(75))[0].poses.values())


def test_a_face_that_was_lost_is_the_same_person(reager: Reager) -> None:
    frames = clip("house_karen-bass", 26, swing=0.2)
    hide(frames[10:15])
    (track,) = followed(reager, frames).tracks
    missing = set(range(26)) - set(track.frames)
    assert set(range(10, 15)) <= missing
    assert max(missing) < 19
    (plan,) = plans_of(reager, frames)
    assert plan.poses[0].weight == plan.poses[25].weight == 1
    assert plan.poses[9].weight < 0.1  # faded out while the face could still be seen
    assert plan.poses[max(missing) + 1].fresh
    assert not set(plan.poses) & set(range(10, 15))


def test_an_appearing_face_fades_in(reager: Reager) -> None:
    frames = clip("house_karen-bass", 12, swing=0.2)
    hide(frames[:3])
    (plan,) = plans_of(reager, frames)
    weights = [plan.poses[number].weight for number in sorted(plan.poses)]
    assert weights[0] < 0.1
    assert weights == sorted(weights)
    assert weights[-1] == 1


def test_smoothing_steadies_edits(reager: Reager) -> None:
    frames = filmed(portrait("house_andre-carson"), camera(10, 320, swing=0), noise=3)
    tracker, unrest = followed(reager, frames), []
    for smooth in (False, True):
        (plan,) = plan_edits(reager, tracker, Request(75), smooth=smooth)
        edits = [
            plan.edit(reager, pixels, number, number / FPS, smooth=smooth)[-1][1].delta
            for number, pixels in enumerate(frames)
        ]
        unrest.append(np.mean([np.abs(b - a).mean() for a, b in pairwise(edits)]))
    assert unrest[1] < 0.5 * unrest[0]


@pytest.mark.parametrize(("suffix", "times"), [(".mp4", None), (".mkv", [0, 40, 50, 130, 170, 400, 410])])
def test_an_interrupted_video_goes_on_where_it_was(
    suffix: str, times: list[int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reage.video.retouch.PART_FRAMES", 3)
    source = write_clip(tmp_path / f"me{suffix}", clip("house_grace-meng", 7), fps=FPS, times=times)
    lossless = {"crf": 0}  # of what is coded, since libx264 does not give the same bytes each time
    whole = age_video(source, Request(70), tmp_path / f"whole{suffix}", **lossless)
    output = tmp_path / f"out{suffix}"
    stages = []

    def stopping_at(stop: int) -> Progress:
        def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
            stages.append((stage, done, total))
            if (stage, done) == ("editing", stop):
                raise KeyboardInterrupt

        return progress

    for stop, first in ((2, 1), (5, 1), (6, 4), (7, 4), (0, 7)):
        stages.clear()
        if stop:
            with pytest.raises(KeyboardInterrupt):
                age_video(source, Request(70), output, progress=stopping_at(stop), **lossless)
            assert not output.exists()
        else:
            outcome = age_video(source, Request(70), output, progress=stopping_at(0), **lossless)
            assert outcome.frames == 7
        tracking = [stage for stage in stages if stage[0] == "tracking"]
        assert len(tracking) == (7 if (stop, first) == (2, 1) else 0)
        assert next(stage for stage in stages if stage[0] == "editing") == ("editing", first, 7)
    assert same(output, whole.output)
    assert {path.name for path in tmp_path.iterdir()} == {source.name, output.name, whole.output.name}


def test_what_is_kept_is_used_for_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reage.video.retouch.PART_FRAMES", 2)
    source = write_clip(tmp_path / "me.mp4", clip("house_grace-meng", 4), fps=FPS, tone=False)
    output, stages = tmp_path / "out.mp4", []

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        stages.append((stage, done))
        if (stage, done) == ("editing", 3) and len(stages) < 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        age_video(source, Request(70), output, progress=progress)
    age_video(source, Request(40), output, progress=progress)  # the same faces, but another age
    assert stages[7:] == [("editing", number) for number in (1, 2, 3, 4)]
    mark = read_provenance(output)
    assert mark is not None
    assert mark["faces"][0]["target_age"] == 40


def test_kept_work_that_was_damaged_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reage.video.retouch.PART_FRAMES", 2)
    source = write_clip(tmp_path / "me.mp4", clip("house_grace-meng", 4), fps=FPS, tone=False)
    output, whole = tmp_path / "out.mp4", tmp_path / "whole.mp4"
    age_video(source, Request(70), whole, crf=0)

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        if (stage, done) == ("editing", 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        age_video(source, Request(70), output, progress=progress, crf=0)
    kept = list((tmp_path / ".out.mp4.reage-video").iterdir())
    assert len(kept) == 2
    for file in kept:
        file.write_bytes(file.read_bytes()[:100])
    age_video(source, Request(70), output, crf=0)
    assert same(output, whole)


@pytest.mark.parametrize(
    ("times", "decoded"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 4, 2, 1, 3, 5], [-2, -1, 0, 1, 2, 3]),
        ([5, 30, 10, 100, 60], [4, 5, 10, 30, 60]),
        ([], []),
    ],
)
def test_frames_are_decoded_before_they_are_shown(times: list[int], decoded: list[int]) -> None:
    found = decoding_times(times, 1)
    assert found == decoded
    assert all(early <= shown for early, shown in zip(found, times, strict=True))


def test_clear_ends(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 320).astype(np.uint8)[None, :, None], (240, 1, 3))
    blank = write_clip(tmp_path / "blank.mp4", [ramp] * 3, tone=False)
    face = write_clip(tmp_path / "face.mp4", clip("house_grace-meng", 2), tone=False)
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 40)
    sound = write_clip(tmp_path / "sound.mkv", [ramp] * 3, sound="wavpack")
    ends = {
        "no face found": ["video", blank, "--to", 50],
        "not a video": ["video", noise, "--to", 50],
        "does not exist": ["video", tmp_path / "absent.mp4", "--to", 50],
        "is a folder": ["video", tmp_path, "--to", 50],
        "is written as": ["video", blank, "--to", 50, "-o", tmp_path / "out.avi"],
        "outside 0 to 116": ["video", blank, "--to", 130],
        "all or largest": ["video", blank, "--to", 50, "--faces", "0"],
        "try .mkv": ["video", sound, "--to", 50, "-o", tmp_path / "out.mp4"],
        "cannot be written": ["video", face, "--to", 50, "-o", noise / "out.mp4"],
    }
    for message, arguments in ends.items():
        result = reage(*arguments, "--quiet")
        assert result.exit_code == 2, (message, result.output)
        assert message in result.output
        assert len(result.output.strip().splitlines()) == 1, result.output
        assert result.output.startswith("reage: ")
    assert {path.name for path in tmp_path.iterdir()} == {"blank.mp4", "face.mp4", "noise.mp4", "sound.mkv"}


def test_regions_that_are_left_out_stay_as_they_were(reager: Reager) -> None:
    frames = clip("house_grace-meng", 3)
    none = dict.fromkeys(REGIONS, 0.0)
    (whole,), (kept,) = plans_of(reager, frames), plans_of(reager, frames, regions=none)
    changes = [np.abs(plan.edit(reager, frames[0], 0, 0.0)[-1][1].delta).max() for plan in (whole, kept)]
    assert changes[0] > 0.05
    assert changes[1] < 1e-5


def test_sound_that_cannot_be_copied_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = Path("me:1.mkv")
    write_clip(tmp_path / "plain.mkv", clip("house_grace-meng", 3)).rename(source)
    source.write_bytes(source.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    outcome = age_video(source, Request(70))
    assert outcome.output == Path("me:1-70.mkv")
    assert outcome.notes == ("its audio (stream 1) was left out: FFmpeg has no decoder for it",)
    with av.open(str(tmp_path / outcome.output)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_hair_and_neck_follow_steadily(greying: Reager) -> None:
    frames = filmed(portrait("house_joaquin-castro"), camera(8, 320, swing=0), noise=3)
    tracker, unrest = followed(greying, frames), []
    for smooth in (False, True):
        (plan,) = plan_edits(greying, tracker, Request(75), smooth=smooth)
        changes = []
        for number, pixels in enumerate(frames):
            out = pixels.copy()
            around = plan.edit(greying, pixels, number, number / FPS, smooth=smooth)[:-1]
            for area, edit in around:
                composite(pixels, out, area, edit)
            changes.append(out.astype(float) - pixels)
        unrest.append(np.mean([np.abs(b - a).mean() for a, b in pairwise(changes)]))
    assert (np.mean(changes, 0).max(2) > 20).mean() > 0.03  # of the picture: the hair
    assert unrest[1] < 0.8 * unrest[0]


def test_each_person_has_their_own_hair(greying: Reager) -> None:
    one, other = (clip(name, 2, swing=0) for name in ("house_joaquin-castro", "house_grace-meng"))
    frames = [np.concatenate(pair, 1) for pair in zip(one, other, strict=True)]
    plans = plans_of(greying, frames)
    assert len(plans) == 2
    half = one[0].shape[1]
    for plan in plans:
        left = retouch(greying, frames[0], [plan], 0, 0.0) != frames[0]
        assert left[:, :half].any() != left[:, half:].any()
