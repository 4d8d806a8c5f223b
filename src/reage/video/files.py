"""Videos in and out of files (PyAV): upright RGB frames with their times; sound and subtitles copied as they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from reage.arrays import UInt8
from reage.errors import VideoError
from reage.files import checked_name
from reage.photo.containers import xmp_box, xmp_packet
from reage.photo.provenance import Provenance, updated_xmp

CRF = 18
"""Quality of H.264, 0 (no loss) to 51; at 18 a difference is hard to see."""

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
WRITABLE_SUFFIXES = tuple(_FORMATS)
"""Suffixes of the videos that can be written."""

_BT709, _LIMITED = 1, 1  # of colour spaces, primaries and transfer alike, in ISO/IEC 23091-2
_BT601 = 5
_YUV_SPACES = (1, 2, 4, 5, 6, 7, 9)
"""Colour spaces that are kept; 2 is "not said"."""
_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""Tags that describe the file rather than the film."""
_STALE = ("encode", "vendor", "rotate", "alpha_mode", "bps", "duration", "number_of_", "_statistics")
"""Beginnings of tags of a picture that say how it was coded, not what it is."""


@dataclass(frozen=True)
class Coding:
    """How frames are shown: ``width`` x ``height`` pixels, ``rate`` a second on average, times in ``time_base``."""

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    colour_space: int = _BT709
    primaries: int = _BT709
    transfer: int = _BT709
    colour_range: int = _LIMITED
    aspect: Fraction | None = None
    """Width of a pixel in its heights."""
    tags: dict[str, str] = field(default_factory=dict)
    """Of the whole film."""
    picture_tags: dict[str, str] = field(default_factory=dict)
    disposition: av.stream.Disposition = field(default_factory=lambda: av.stream.Disposition(0))
    """Of the picture, as `picture_tags`: whether players show it by default, and so on."""
    xmp: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Still:
    """One frame: RGB ``pixels`` (H, W, 3), shown from ``pts`` on for ``duration``, in units of the time base."""

    pixels: UInt8
    pts: int
    duration: int


class VideoReader:
    """An open video; see `open_video`. ``coding`` is that of the upright frames, ``count`` how many it says it has.

    ``copied`` are its streams of sound and subtitles, but for those of ``unknown`` kinds, which cannot be copied.
    """

    def __init__(self, container: InputContainer, path: Path) -> None:
        self._container = container
        shown = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not shown:
            raise VideoError(f"{path} has no video in it")
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise VideoError(f"{path} is a photo; use `reage photo`")
        self._stream = shown[0]
        self._stream.thread_type = "AUTO"
        others = [s for s in container.streams if s.type in ("audio", "subtitle")]
        self.copied = [s for s in others if s.codec_context]
        self.unknown = [s for s in others if not s.codec_context]
        first = next(self._decoded(self._container.demux(self._stream)), None)
        if first is None:
            raise VideoError(f"{path} is not a video that can be decoded")
        self._quarters = round(first.rotation / 90) % 4
        self.coding = self._coding_of(first, path)
        seconds = float((container.duration or 0) / av.time_base)
        self.count = self._stream.frames or round(seconds * float(self.coding.rate)) or None

    def _coding_of(self, frame: av.VideoFrame, path: Path) -> Coding:
        stream = self._stream
        turned = self._quarters % 2 == 1
        aspect = stream.codec_context.sample_aspect_ratio
        with open(path, "rb") as file:
            packet = xmp_packet(file, str(path)) if file.read(12)[4:8] == b"ftyp" else None
        return Coding(
            *((frame.height, frame.width) if turned else (frame.width, frame.height)),
            rate=stream.average_rate or stream.guessed_rate or Fraction(25),
            time_base=stream.time_base or Fraction(1, 90000),
            colour_space=frame.colorspace if frame.colorspace in _YUV_SPACES else _BT709,
            primaries=stream.codec_context.color_primaries,
            transfer=stream.codec_context.color_trc,
            colour_range=frame.color_range,
            aspect=1 / aspect if aspect and turned else aspect,
            tags={key: value for key, value in self._container.metadata.items() if key not in _OWN},
            picture_tags={k: v for k, v in _tags(stream).items() if not k.lower().startswith(_STALE)},
            disposition=stream.disposition,
            xmp=packet,
        )

    def stills(self) -> Iterator[Still]:
        """The frames in their order, from the first on."""
        return (item for item in self.play([]) if isinstance(item, Still))

    def play(self, copied: Sequence[av.stream.Stream]) -> Iterator[Still | av.Packet[Any]]:
        """The frames, and between them the packets of the streams ``copied``, as they lie in the file."""
        self._container.seek(0)
        usual = max(1, round(1 / (self.coding.rate * self.coding.time_base)))
        waiting: list[av.Packet[Any]] = []
        last: int | None = None

        def packets() -> Iterator[av.Packet[Any]]:
            for packet in self._container.demux(self._stream, *copied):
                if packet.stream_index == self._stream.index:
                    yield packet
                elif packet.dts is not None:
                    waiting.append(packet)

        for frame in self._decoded(packets()):
            yield from waiting
            waiting.clear()
            pts = frame.pts
            if last is not None:  # times must rise, even where a broken file says otherwise, or nothing
                pts = max(last + 1, last + usual if pts is None else pts)
            last = pts or 0
            yield Still(self._upright(frame), last, frame.duration or usual)
        yield from waiting

    def _decoded(self, packets: Iterator[av.Packet[Any]]) -> Iterator[av.VideoFrame]:
        """What can be decoded; the rest is counted as damaged."""
        self.damaged = 0
        try:
            for packet in packets:
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    self.damaged += 1
        except av.FFmpegError:  # the file ends here
            self.damaged += 1

    def _upright(self, frame: av.VideoFrame) -> UInt8:
        size = (self.coding.width, self.coding.height)
        width, height = size[::-1] if self._quarters % 2 else size
        space = frame.colorspace if frame.colorspace in _YUV_SPACES else None
        # RGB has no matrix, but PyAV before 17 heeds that of the source only where the other is different.
        pixels = frame.to_ndarray(
            format="rgb24", width=width, height=height, src_colorspace=space, dst_colorspace=_BT601
        )
        return np.ascontiguousarray(np.rot90(pixels, self._quarters))


def _tags(stream: av.stream.Stream) -> dict[str, str]:
    """What is said of a stream; its title under that name, which FFmpeg writes, and not as it reads it in MP4."""
    return {"title" if key == "name" else key: value for key, value in stream.metadata.items()}


@contextmanager
def open_video(path: Path) -> Iterator[VideoReader]:
    """Open a video; raises `VideoError` for what is missing, or is none."""
    _refuse_folder(path)
    try:
        # Playlists could name other files and addresses; only this file is read.
        with av.open(_local(path), options={"protocol_whitelist": "file"}) as container:
            yield VideoReader(container, path)
    except av.FFmpegError as error:
        raise VideoError(f"{path} is not a video that can be read: {error.strerror}") from error


def _refuse_folder(path: Path) -> None:
    try:
        mode = os.stat(checked_name(path)).st_mode
    except FileNotFoundError:
        raise VideoError(f"{path} does not exist") from None
    except OSError as error:
        raise VideoError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    if stat.S_ISDIR(mode):
        raise VideoError(f"{path} is a folder, not a video")


def _local(path: Path) -> str:
    """``path`` as FFmpeg takes it for a file: in ``a:b.mp4`` it sees a protocol."""
    return str(path.absolute())


class VideoWriter:
    """An H.264 video being written; see `create_video`."""

    def __init__(
        self, container: OutputContainer, coding: Coding, crf: int, copied: Sequence[av.stream.Stream]
    ) -> None:
        self._container = container
        self._coding = coding
        self._stream = container.add_stream("libx264", rate=coding.rate, options={"crf": str(crf)})
        context = self._stream.codec_context
        context.width, context.height = (side + side % 2 for side in (coding.width, coding.height))
        context.pix_fmt = "yuv420p"
        context.time_base = coding.time_base
        context.colorspace, context.color_range = coding.colour_space, coding.colour_range
        context.color_primaries, context.color_trc = coding.primaries, coding.transfer
        if coding.aspect:
            context.sample_aspect_ratio = coding.aspect
        self._stream.metadata.update(coding.picture_tags)
        self._stream.disposition = coding.disposition
        self._copies = {stream.index: self._copy_of(stream) for stream in copied}

    def _copy_of(self, stream: av.stream.Stream) -> Any:
        """A stream like ``stream``, with its language, title and flags, which PyAV's template leaves out."""
        copy = self._container.add_stream_from_template(stream)
        copy.metadata.update(_tags(stream))
        copy.disposition = stream.disposition
        return copy

    def write(self, pixels: UInt8, pts: int, duration: int) -> None:
        """Encode RGB ``pixels`` (H, W, 3), shown from ``pts`` on; an odd last row or column is doubled."""
        odd = [(0, side % 2) for side in pixels.shape[:2]]
        even = np.pad(pixels, (*odd, (0, 0)), mode="edge") if any(more for _, more in odd) else pixels
        coding = self._coding
        frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=coding.colour_space, dst_color_range=coding.colour_range
        )
        frame.pts, frame.duration, frame.time_base = pts, duration, coding.time_base
        self._container.mux(self._stream.encode(frame))

    def copy(self, packet: av.Packet[Any]) -> None:
        """Write a packet of a stream that is copied."""
        packet.stream = self._copies[packet.stream_index]
        self._container.mux(packet)

    def finish(self) -> None:
        """Encode what is still waiting."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def create_video(
    place: Path,
    suffix: str,
    coding: Coding,
    mark: Provenance,
    *,
    crf: int = CRF,
    copied: Sequence[av.stream.Stream] = (),
) -> Iterator[VideoWriter]:
    """Write a video of the kind of ``suffix`` to ``place``, with its mark in comments and (but Matroska) XMP.

    Packets of the streams ``copied`` may be written along with the frames. Raises OSError if that fails.
    """
    kind = _FORMATS[suffix.lower()]
    options = {} if kind == "matroska" else {"movflags": "faststart"}
    said = {
        key: "\n".join(filter(None, (mark.sentence, coding.tags.get(key))))
        for key in ("comment", "description")
    }
    try:
        with av.open(_local(place), "w", format=kind, container_options=options) as container:
            container.metadata.update({**coding.tags, **said})
            writer = VideoWriter(container, coding, crf, copied)
            yield writer
            writer.finish()
    except av.FFmpegError as error:
        raise OSError(error.strerror) from error
    packet = updated_xmp(coding.xmp, mark)
    if kind != "matroska" and packet is not None:
        with open(place, "ab") as file:
            file.write(xmp_box(packet))


def can_hold(suffix: str, stream: av.stream.Stream) -> bool:
    """Whether a video of the kind of ``suffix`` may have a copy of ``stream``."""
    try:
        with av.open(BytesIO(), "w", format=_FORMATS[suffix.lower()]) as container:
            container.add_stream_from_template(stream)
            container.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True
