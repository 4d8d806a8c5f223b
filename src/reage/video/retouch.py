"""Edits video files for `reage video`: everybody in every frame, without flicker.

The first pass tracks the faces, the second edits and encodes. So each person's age is the median over the whole video,
and smoothing can look ahead. Memory holds one frame at a time, and the landmarks of each face. The results of both
passes are kept beside the output until it is complete (`reage.video.work_folder`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av.stream import Disposition

from reage._version import __version__
from reage.arrays import Pixels
from reage.edit.compositing import composite
from reage.errors import NoFaceError, VideoError
from reage.face.identity import IdentityReader
from reage.files import beside, writing
from reage.photo.photo import Photo, PhotoMeta, eight_bits
from reage.reager import Reager
from reage.request import USUAL, FileOptions, Request
from reage.video.edit_plans import EditPlan, beginning_with, describe, plan_edits
from reage.video.reader import VideoReader, open_video
from reage.video.tracking import Tracker
from reage.video.tracks import TrackedVideo
from reage.video.work_folder import PART_FRAMES, WorkFolder
from reage.video.writer import (
    CRF,
    WRITABLE_SUFFIXES,
    CodedFrame,
    Encoder,
    can_attach,
    can_hold,
    create_video,
)

if TYPE_CHECKING:
    from reage.progress import Progress


@dataclass(frozen=True)
class VideoOutcome:
    """The result for a video."""

    output: Path
    frames: int
    people: tuple[str, ...]
    notes: tuple[str, ...]


def age_video(
    video: Path,
    request: Request,
    output: Path | None = None,
    options: FileOptions = USUAL,
    *,
    crf: int = CRF,
    progress: Progress | None = None,
) -> VideoOutcome:
    """Apply ``request`` to the people in ``video``, in every frame.

    ``request.faces`` is "all" or "largest", the person whose face is largest over the whole video. The output (default:
    beside the input) appears when it is complete. After an interruption, the same call continues the work. Raises
    `ReageError`.
    """
    place = _check(video, request, output, options)
    reager = Reager.from_bundle(options.model)
    tell = progress or (lambda *_: None)
    with open_video(video) as source:
        copied, notes = _copied(source, place)
        attached = source.attachments if can_attach(place.suffix) else []
        kept = _work_folder(video, place, request, reager, crf)
        followed = kept.followed()
        if followed is None:
            followed = follow(reager, source, tell)
            plans = plan_edits(
                reager, followed, request
            )  # raises, before anything is kept, if nobody is found
            kept.keep_followed(followed)
        else:
            plans = plan_edits(reager, followed, request)
        total = len(followed.times)
        _edit(reager, source, plans, kept, crf, lambda done: tell("editing", done, total))
        ages = {plan.person: (plan.source, plan.target) for plan in plans}
        mark = request.mark(reager.bundle.title, ages.values())
        with writing(place) as part:
            with create_video(
                part, place.suffix, source.coding, mark, crf=crf, copied=copied, attached=attached
            ) as writer:
                frames = kept.write(writer, source, copied)
            if options.signer:
                original = Photo(next(source.frames()).pixels, meta=PhotoMeta(path=video))
                options.signer.sign(part, suffix=place.suffix, mark=mark, original=original)
        kept.remove()
        if followed.damaged:
            notes.append(f"{followed.damaged} damaged packets of {video} were left out")
    return VideoOutcome(place, frames, describe(plans), tuple(notes))


def _work_folder(video: Path, place: Path, request: Request, reager: Reager, crf: int) -> WorkFolder:
    """The folder for the work, which an interrupted call for the same video and request may have left."""
    file = os.stat(video)
    about = [__version__, os.path.realpath(video), file.st_size, file.st_mtime_ns]
    return WorkFolder(place, about, [asdict(request), crf, reager.bundle.manifest.as_json()])


def _edit(
    reager: Reager,
    source: VideoReader,
    plans: list[EditPlan],
    kept: WorkFolder,
    crf: int,
    tell: Callable[[int], object],
) -> None:
    """The second pass: edit and encode the missing parts."""
    part, memory = kept.done()
    for number, plan in enumerate(plans if part else ()):
        plan.memory = beginning_with(f"{number}_", memory)
    done, waiting = part * PART_FRAMES, 0
    coded: list[CodedFrame] = []
    encoder = Encoder(source.coding, crf)

    def finish() -> None:
        remembered = {f"{i}_{name}": v for i, plan in enumerate(plans) for name, v in plan.memory.items()}
        kept.keep_part(part, [*coded, *encoder.finish()], remembered)

    for number, frame in enumerate(source.frames()):
        if number < done:
            continue
        if waiting == PART_FRAMES:
            finish()
            part, waiting, coded, encoder = part + 1, 0, [], Encoder(source.coding, crf)
        time = float(frame.pts * source.coding.time_base)
        pixels = retouch(reager, frame.pixels, plans, number, time)
        coded += encoder.encode(pixels, frame.pts, frame.duration)
        waiting += 1
        tell(number + 1)
    if waiting:
        finish()


def _check(video: Path, request: Request, output: Path | None, options: FileOptions) -> Path:
    """The output path; raises `ReageError` for errors that can be found before any work."""
    if request.faces not in (None, "all", "largest"):
        raise NoFaceError(f"faces '{request.faces}': for a video, give all or largest")
    if output and os.path.isdir(output):
        raise VideoError(f"{output} is a folder; give the name of a file in it")
    place = output or beside(video, _name(video, request))
    if place.suffix.lower() not in WRITABLE_SUFFIXES:
        raise VideoError(f"a video is written as {', '.join(WRITABLE_SUFFIXES)}, not as '{place.suffix}'")
    options.check_output(place)
    return place


def follow(reager: Reager, source: VideoReader, tell: Progress) -> TrackedVideo:
    """The first pass: the people of a video."""
    tracker = Tracker(reager.detector, reager.age_reader, IdentityReader())
    for number, frame in enumerate(source.frames(), 1):
        tracker.feed(eight_bits(frame.pixels), float(frame.pts * source.coding.time_base))
        tell("tracking", number, source.count)
    tracker.damaged = source.damaged
    return tracker


def retouch(
    reager: Reager,
    pixels: Pixels,
    plans: list[EditPlan],
    number: int,
    time: float,
) -> Pixels:
    """Frame ``number`` (H, W, 3), shown at ``time`` seconds, with everybody's edit."""
    out: Pixels = pixels.copy()
    present = [plan for plan in plans if number in plan.poses]
    for plan in present:
        others = [other.poses[number].matrix for other in present if other is not plan]
        for area, edit in plan.edit(reager, pixels, number, time, others):
            composite(pixels, out, area, edit, detail_sigma=reager.bundle.manifest.detail_sigma)
    return out


def _copied(source: VideoReader, place: Path) -> tuple[list[Any], list[str]]:
    """The streams to copy, and notes on the others; raises `VideoError` for sound that does not fit."""
    copied = []
    notes = [
        f"its {stream.type} (stream {stream.index}) was left out: FFmpeg has no decoder for it"
        for stream in source.unknown
        if stream.type != "data"
    ]
    data = [str(stream.index) for stream in source.unknown if stream.type == "data"]
    if data:
        notes.append(f"its data (stream {', '.join(data)}) was left out: what it means is not known here")
    if source.attachments and not can_attach(place.suffix):
        files = ", ".join(file.name or "one without a name" for file in source.attachments)
        notes.append(f"its attached files ({files}) were left out: {place.suffix} cannot hold them; try .mkv")
    for stream in source.copied:
        is_cover = stream.disposition & Disposition.attached_pic
        kind = f"{'cover' if is_cover else stream.type} ({stream.codec_context.name})"
        if can_hold(place.suffix, stream):
            copied.append(stream)
        elif stream.type == "audio":
            raise VideoError(f"{place.suffix} cannot hold its {kind} as it is; try .mkv or .mov")
        else:
            hint = "" if place.suffix.lower() == ".mkv" else "; try .mkv"
            notes.append(f"its {kind} was left out: {place.suffix} cannot hold it{hint}")
    return copied, notes


def _name(video: Path, request: Request) -> str:
    suffix = video.suffix if video.suffix.lower() in WRITABLE_SUFFIXES else ".mp4"
    return f"{video.stem}-{request.label}{suffix}"
