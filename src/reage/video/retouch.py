"""Videos on disk: `reage video`. Everybody in every frame made older or younger, steadily.

Two passes: the first follows the faces, the second edits and codes. So each person's age is the median over
the whole video, and smoothing may look ahead. Only one frame is in memory at a time; of each face, its landmarks. What
both passes have done is kept beside the output until that is written (`reage.video.kept_work`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from av.stream import Disposition

from reage._version import __version__
from reage.arrays import Float32, Pixels
from reage.edit.compositing import AlignedFace, Edit, composite
from reage.edit.greying import greying
from reage.errors import NoFaceError, VideoError
from reage.files import beside, writing
from reage.onnx_session import meanwhile
from reage.photo.photo import Photo, PhotoMeta, eight_bits
from reage.reager import Reager
from reage.request import USUAL, FileOptions, Request
from reage.video.kept_work import PART_FRAMES, KeptWork
from reage.video.reader import VideoReader, open_video
from reage.video.smoothing import EditSmoother, MaskSmoother, Pose, poses
from reage.video.tracking import Followed, Track, Tracker
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


@dataclass
class Role:
    """A person, with what is to be done: the ``request``, the ages in years and ``male`` (0 or 1) that the network is
    told, and the ``poses`` of the face by frame."""

    track: Track
    request: Request
    source: float
    target: float
    male: float
    poses: dict[int, Pose]
    smoother: EditSmoother = field(default_factory=EditSmoother)
    mask_smoother: MaskSmoother = field(default_factory=MaskSmoother)
    time: float = 0.0

    def edit(
        self,
        reager: Reager,
        pixels: Pixels,
        number: int,
        time: float,
        others: Sequence[Float32] = (),
        *,
        smooth: bool = True,
    ) -> list[tuple[AlignedFace, Edit]]:
        """What to composite in frame ``number`` (H, W, 3), shown at ``time`` seconds, the edit of the face being the
        last: frames in order. ``others`` are the transforms (2, 3) to the aligned frames of other faces in it."""
        pose, step = self.poses[number], time - self.time
        face = reager.align(pixels, pose.matrix, pose.landmarks)
        steady = partial(self.mask_smoother.next, step=step, fresh=pose.fresh) if smooth else None
        with meanwhile(partial(reager.survey, pixels, face, pose.landmarks, others, steady)) as looking:
            edit = reager.edit(face, to=self.target, source=self.source, male=self.male)
            if smooth:
                edit = self.smoother.next(edit, face.pixels, step, fresh=pose.fresh)
            around = looking.result()
        self.time = time
        reached = reager.bundle.manifest.reached(self.source, self.target)
        white = greying(self.source, reached)
        return self.request.applied(face, edit, pose.landmarks, around, greying=white, weight=pose.weight)

    @property
    def memory(self) -> dict[str, Float32]:
        """What it remembers of the frames before, to go on in another process."""
        parts = {
            "edit": self.smoother.memory,
            "mask": self.mask_smoother.memory,
            "role": {"time": np.array(self.time)},
        }
        return {f"{part}_{name}": value for part, values in parts.items() for name, value in values.items()}

    @memory.setter
    def memory(self, memory: Mapping[str, Float32]) -> None:
        self.smoother.memory = _beginning_with("edit_", memory)
        self.mask_smoother.memory = _beginning_with("mask_", memory)
        self.time = float(memory["role_time"])

    def describe(self) -> str:
        """For people."""
        first, last = self.track.times[0], self.track.times[-1]
        return f"{first:.1f} to {last:.1f} s: a face that looks {self.track.apparent_age:.0f}, made {self.target:g}"


@dataclass(frozen=True)
class VideoOutcome:
    """What became of a video."""

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
    """Do what ``request`` asks to the people in ``video``, in every frame.

    ``request.faces`` is "all" or "largest": then only whoever fills most of the picture over the whole video.
    The output (default: beside the input) appears when it is complete. If the work is interrupted, the same call goes
    on where it was. Raises `ReageError`.
    """
    place = _check(video, request, output, options)
    reager = Reager.from_bundle(options.model)
    tell = progress or (lambda *_: None)
    with open_video(video) as source:
        copied, notes = _copied(source, place)
        attached = source.attachments if can_attach(place.suffix) else []
        kept = _kept_work(video, place, request, reager, crf)
        followed = kept.followed()
        if followed is None:
            followed = follow(reager, source, tell)
            roles = cast(reager, followed, request)  # which may find nobody, before anything is kept
            kept.keep_followed(followed)
        else:
            roles = cast(reager, followed, request)
        total = len(followed.times)
        _edit(reager, source, roles, kept, crf, lambda done: tell("editing", done, total))
        mark = request.mark(reager.bundle.title, ((role.source, role.target) for role in roles))
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
    return VideoOutcome(place, frames, tuple(role.describe() for role in roles), tuple(notes))


def _kept_work(video: Path, place: Path, request: Request, reager: Reager, crf: int) -> KeptWork:
    """The work that an earlier call may have left, if it was about the same video, and asked for the same."""
    file = os.stat(video)
    about = [__version__, os.path.realpath(video), file.st_size, file.st_mtime_ns]
    return KeptWork(place, about, [asdict(request), crf, reager.bundle.manifest.as_json()])


def _edit(
    reager: Reager,
    source: VideoReader,
    roles: list[Role],
    kept: KeptWork,
    crf: int,
    tell: Callable[[int], object],
) -> None:
    """The second pass: edit and code what is not kept yet, in parts."""
    part, memory = kept.done()
    for number, role in enumerate(roles if part else ()):
        role.memory = _beginning_with(f"{number}_", memory)
    done, waiting = part * PART_FRAMES, 0
    coded: list[CodedFrame] = []
    encoder = Encoder(source.coding, crf)

    def finish() -> None:
        remembered = {f"{i}_{name}": v for i, role in enumerate(roles) for name, v in role.memory.items()}
        kept.keep_part(part, [*coded, *encoder.finish()], remembered)

    for number, frame in enumerate(source.frames()):
        if number < done:
            continue
        if waiting == PART_FRAMES:
            finish()
            part, waiting, coded, encoder = part + 1, 0, [], Encoder(source.coding, crf)
        time = float(frame.pts * source.coding.time_base)
        pixels = retouch(reager, frame.pixels, roles, number, time)
        coded += encoder.encode(pixels, frame.pts, frame.duration)
        waiting += 1
        tell(number + 1)
    if waiting:
        finish()


def _beginning_with(start: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays whose names have that beginning, without it."""
    return {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}


def _check(video: Path, request: Request, output: Path | None, options: FileOptions) -> Path:
    """Where the output goes; raises `ReageError` for what can be said to be wrong before any work."""
    if request.faces not in (None, "all", "largest"):
        raise NoFaceError(f"faces '{request.faces}': of a video, say all or largest")
    if output and os.path.isdir(output):
        raise VideoError(f"{output} is a folder; give the name of a file in it")
    place = output or beside(video, _name(video, request))
    if place.suffix.lower() not in WRITABLE_SUFFIXES:
        raise VideoError(f"a video is written as {', '.join(WRITABLE_SUFFIXES)}, not as '{place.suffix}'")
    options.check_output(place)
    return place


def follow(reager: Reager, source: VideoReader, tell: Progress) -> Followed:
    """The first pass: the people of a video."""
    tracker = Tracker(reager.detector, reager.age_reader)
    for number, frame in enumerate(source.frames(), 1):
        tracker.feed(eight_bits(frame.pixels), float(frame.pts * source.coding.time_base))
        tell("following", number, source.count)
    tracker.damaged = source.damaged
    return tracker


def cast(reager: Reager, followed: Followed, request: Request, *, smooth: bool = True) -> list[Role]:
    """What is to be done with whom; raises `NoFaceError` where no face was found."""
    tracks = [track for track in followed.tracks if track.frames]
    if not tracks:
        raise NoFaceError("no face found in the video; a face must be at least 40 pixels high in some frames")
    if request.faces == "largest":
        tracks = [max(tracks, key=lambda track: track.prominence)]
    manifest, times, roles = reager.bundle.manifest, np.array(followed.times), []
    for track in tracks:
        source = request.source_age(track.apparent_age)
        target = manifest.reached(source, request.goal(source, manifest))
        male = request.gender(track.male_probability)
        where = poses(track, manifest.size, times, followed.cuts, zoom=manifest.zoom, smooth=smooth)
        roles.append(Role(track, request, source, target, male, where))
    return roles


def retouch(
    reager: Reager,
    pixels: Pixels,
    roles: list[Role],
    number: int,
    time: float,
) -> Pixels:
    """Frame ``number`` (H, W, 3), shown at ``time`` seconds, with everybody's edit."""
    out = pixels.copy()
    present = [role for role in roles if number in role.poses]
    for role in present:
        others = [other.poses[number].matrix for other in present if other is not role]
        for area, edit in role.edit(reager, pixels, number, time, others):
            composite(pixels, out, area, edit, detail_sigma=reager.bundle.manifest.detail_sigma)
    return out


def _copied(source: VideoReader, place: Path) -> tuple[list[Any], list[str]]:
    """The streams to copy, and what is to be said about others; raises `VideoError` for sound that does not fit."""
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
