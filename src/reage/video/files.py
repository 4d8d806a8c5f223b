"""Reading and writing videos with PyAV: upright RGB frames with their times; sound and subtitles copied as they are."""

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
"""The default quality of H.264, where 0 is lossless and 51 is worst; at 18 a difference is hard to see."""

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
WRITABLE_SUFFIXES = tuple(_FORMATS)
"""The suffixes of videos that can be written."""

_BT709, _LIMITED = 1, 1
"""Colour space, primaries and transfer, all with the same number, and colour range, in ISO/IEC 23091-2."""
_BT601 = 5
_YUV_SPACES = (1, 2, 4, 5, 6, 7, 9)
"""Colour spaces that are kept; 2 means that the file names none."""
_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""Tags that describe the file rather than what it shows."""
_STALE = ("encode", "vendor", "rotate", "alpha_mode", "bps", "duration", "number_of_", "_statistics")
"""Beginnings of tags that say how the pictures were coded, not what they show."""


@dataclass(frozen=True)
class Coding:
    """How the frames of a video are shown, and what the file says about itself."""

    width: int
    height: int
    rate: Fraction
    """Frames per second, on average."""
    time_base: Fraction
    """The unit of times, in seconds."""
    colour_space: int = _BT709
    primaries: int = _BT709
    transfer: int = _BT709
    colour_range: int = _LIMITED
    aspect: Fraction | None = None
    """Width of a pixel divided by its height."""
    tags: dict[str, str] = field(default_factory=dict)
    """The tags of the whole file."""
    picture_tags: dict[str, str] = field(default_factory=dict)
    """The tags of the stream of pictures."""
    disposition: av.stream.Disposition = field(default_factory=lambda: av.stream.Disposition(0))
    """The flags of that stream: whether players show it by default, and so on."""
    xmp: bytes | None = field(default=None, repr=False)
    """The XMP packet of the file."""


@dataclass(frozen=True)
class Frame:
    """One frame: RGB ``pixels`` (H, W, 3), shown from ``pts`` on for ``duration``, both in units of the time base."""

    pixels: UInt8
    pts: int
    duration: int


class VideoReader:
    """A video that is open for reading; `open_video` makes one.

    ``coding`` is that of the upright frames, and ``count`` their number, if the file tells it. ``copied`` are the
    streams of sound and subtitles that can be copied, ``unknown`` those whose kind FFmpeg does not know.
    ``damaged`` counts the packets that could not be decoded when the frames were read last.
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

    def frames(self) -> Iterator[Frame]:
        """All frames in their order."""
        return (item for item in self.frames_and_packets([]) if isinstance(item, Frame))

    def frames_and_packets(self, copied: Sequence[av.stream.Stream]) -> Iterator[Frame | av.Packet[Any]]:
        """All frames, and between them the packets of the streams ``copied``, in the order of the file."""
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
            if last is not None:  # times must rise, even where those of a broken file are missing or do not
                pts = max(last + 1, last + usual if pts is None else pts)
            last = pts or 0
            yield Frame(self._upright(frame), last, frame.duration or usual)
        yield from waiting

    def _decoded(self, packets: Iterator[av.Packet[Any]]) -> Iterator[av.VideoFrame]:
        """The frames in ``packets`` that can be decoded; the other packets are counted as damaged."""
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
        # RGB has no colour matrix, but PyAV before 17 uses the source's only where the target's is different.
        pixels = frame.to_ndarray(
            format="rgb24", width=width, height=height, src_colorspace=space, dst_colorspace=_BT601
        )
        return np.ascontiguousarray(np.rot90(pixels, self._quarters))


def _tags(stream: av.stream.Stream) -> dict[str, str]:
    """The tags of a stream. FFmpeg reads the title in MP4 files as ``name``, but writes it under ``title``."""
    return {"title" if key == "name" else key: value for key, value in stream.metadata.items()}


@contextmanager
def open_video(path: Path) -> Iterator[VideoReader]:
    """Open a video for reading; raises `VideoError` if ``path`` is missing or is not a video."""
    _check_file(path)
    try:
        # Playlists could name other files and addresses; only this file is read.
        with av.open(_local(path), options={"protocol_whitelist": "file"}) as container:
            yield VideoReader(container, path)
    except av.FFmpegError as error:
        raise VideoError(f"{path} is not a video that can be read: {error.strerror}") from error


def _check_file(path: Path) -> None:
    try:
        mode = os.stat(checked_name(path)).st_mode
    except FileNotFoundError:
        raise VideoError(f"{path} does not exist") from None
    except OSError as error:
        raise VideoError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    if stat.S_ISDIR(mode):
        raise VideoError(f"{path} is a folder, not a video")


def _local(path: Path) -> str:
    """``path`` in a form that FFmpeg takes for a file; in ``a:b.mp4`` it would see a protocol."""
    return str(path.absolute())


class VideoWriter:
    """A video that is being written, coded as H.264; `create_video` makes one."""

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
        """A new stream like ``stream``, with its language, title and flags, which PyAV's template leaves out."""
        copy = self._container.add_stream_from_template(stream)
        copy.metadata.update(_tags(stream))
        copy.disposition = stream.disposition
        return copy

    def write(self, pixels: UInt8, pts: int, duration: int) -> None:
        """Add a frame of RGB ``pixels`` (H, W, 3), shown from ``pts`` on for ``duration``, in units of the time base.

        H.264 needs even sides here: an odd one grows by a copy of its last row or column.
        """
        odd = [(0, side % 2) for side in pixels.shape[:2]]
        even = np.pad(pixels, (*odd, (0, 0)), mode="edge") if any(more for _, more in odd) else pixels
        coding = self._coding
        frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=coding.colour_space, dst_color_range=coding.colour_range
        )
        frame.pts, frame.duration, frame.time_base = pts, duration, coding.time_base
        self._container.mux(self._stream.encode(frame))

    def copy(self, packet: av.Packet[Any]) -> None:
        """Add a packet of one of the streams that are copied."""
        packet.stream = self._copies[packet.stream_index]
        self._container.mux(packet)

    def flush(self) -> None:
        """Write the frames that the encoder still holds."""
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
    """Open a video for writing; it is complete when the block ends.

    The mark is written into the comments and, except in Matroska, as XMP.

    Args:
        place: the file to write, whatever its name.
        suffix: one of `WRITABLE_SUFFIXES`, which names the format.
        coding: how the frames are shown.
        mark: what the file says about its making.
        crf: quality of H.264, where 0 is lossless and 51 is worst.
        copied: streams of another video whose packets are going to be copied.

    Raises:
        OSError: FFmpeg cannot write the file.
    """
    kind = _FORMATS[suffix.lower()]
    options = {} if kind == "matroska" else {"movflags": "faststart"}
    comments = {
        key: "\n".join(filter(None, (mark.sentence, coding.tags.get(key))))
        for key in ("comment", "description")
    }
    try:
        with av.open(_local(place), "w", format=kind, container_options=options) as container:
            container.metadata.update({**coding.tags, **comments})
            writer = VideoWriter(container, coding, crf, copied)
            yield writer
            writer.flush()
    except av.FFmpegError as error:
        raise OSError(error.strerror) from error
    packet = updated_xmp(coding.xmp, mark)
    if kind != "matroska" and packet is not None:
        with open(place, "ab") as file:
            file.write(xmp_box(packet))


def can_hold(suffix: str, stream: av.stream.Stream) -> bool:
    """Whether a video of the format that ``suffix`` names can hold a copy of ``stream``."""
    try:
        with av.open(BytesIO(), "w", format=_FORMATS[suffix.lower()]) as container:
            container.add_stream_from_template(stream)
            container.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True
