"""Reads videos with PyAV: upright RGB frames with their times, and packets of the tracks that are copied."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer

from reage.arrays import Pixels
from reage.errors import VideoError
from reage.files import checked_name
from reage.photo.containers import xmp_packet
from reage.video.coding import BT709, KEEPS_TURNS, Coding, decoding_times, local_name, tags_of

MAX_PIXELS = 100_000_000
"""Pixels of the largest frame that is read; 8K has a third of that."""
_TIME_BASE = Fraction(1, 90000)
"""The unit of times, in seconds, of a stream that names none."""
_YUV_SPACES = (1, 2, 4, 5, 6, 7, 9)
"""Colour spaces that are kept; 2 means that the file names none."""
_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""Tags that describe the file rather than what it shows."""
_STALE = ("encode", "vendor", "rotate", "alpha_mode", "bps", "duration", "number_of_", "_statistics")
"""Beginnings of tags that say how the pictures were coded, not what they show."""


@dataclass(frozen=True)
class Frame:
    """One frame: RGB ``pixels`` (H, W, 3), shown from ``pts`` on for ``duration``, both in units of the time base.

    They are uint8, or uint16 where the video has more than 8 bits.
    """

    pixels: Pixels
    pts: int
    duration: int


class VideoReader:
    """A video that is open for reading; `open_video` makes one.

    ``coding`` is that of the upright frames of its first stream of pictures, and ``count`` their number, if the file
    tells it. ``copied`` are the streams of sound, subtitles, further pictures and covers that can be copied,
    ``unknown`` those that cannot: of data, or of a kind that FFmpeg does not know. ``attachments`` are files within it,
    such as fonts. ``damaged`` counts the packets that could not be decoded when the frames were read last.
    """

    def __init__(self, container: InputContainer, path: Path) -> None:
        self._container = container
        cover = av.stream.Disposition.attached_pic
        # FFmpeg has no codec context for what it cannot decode.
        shown = [s for s in container.streams.video if s.codec_context and not s.disposition & cover]
        if not shown:
            raise VideoError(f"{path} has no video in it that can be decoded")
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise VideoError(f"{path} is a photo; use `reage photo`")
        self._stream = shown[0]
        self._stream.thread_type = "AUTO"
        self.attachments = [s for s in container.streams if s.type == "attachment"]
        others = [s for s in container.streams if s != self._stream and s not in self.attachments]
        self.copied = [s for s in others if s.codec_context and s.type in ("audio", "subtitle", "video")]
        self.unknown = [s for s in others if s not in self.copied]
        _refuse_large(self._stream.codec_context, path)
        first = next(self._decoded(self._container.demux(self._stream)), None)
        if first is None:
            raise VideoError(f"{path} is not a video that can be decoded")
        _refuse_large(first, path)
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
            rate=_rate(stream),
            time_base=stream.time_base or _TIME_BASE,
            colour_space=frame.colorspace if frame.colorspace in _YUV_SPACES else BT709,
            primaries=stream.codec_context.color_primaries,
            transfer=stream.codec_context.color_trc,
            colour_range=frame.color_range,
            bits=10 if max(part.bits for part in frame.format.components) > 8 else 8,
            quarters=self._quarters if KEEPS_TURNS else 0,
            aspect=1 / aspect if aspect and turned else aspect,
            tags={key: value for key, value in self._container.metadata.items() if key not in _OWN},
            picture_tags={k: v for k, v in tags_of(stream).items() if not k.lower().startswith(_STALE)},
            disposition=stream.disposition,
            xmp=packet,
        )

    @property
    def usual_duration(self) -> int:
        """How long a frame is shown on average, in units of the time base."""
        return _usual_duration(self._stream)

    def packets(self, copied: Sequence[av.stream.Stream]) -> Iterator[av.Packet[Any]]:
        """All packets of the streams ``copied``, in the order of the file."""
        moments = self._decoding_times([stream for stream in copied if stream.type == "video"])
        self._container.seek(0)
        for packet in self._container.demux(*copied) if copied else ():
            if packet.size and packet.stream_index in moments:
                packet.dts = next(moments[packet.stream_index])
                packet.pts = packet.dts if packet.pts is None else packet.pts
            if packet.size and packet.dts is not None:
                yield packet

    def _decoding_times(self, streams: Sequence[av.stream.Stream]) -> dict[int, Iterator[int]]:
        """When each packet of ``streams`` is to be decoded, by their indices; not all files tell."""
        times: dict[int, list[int]] = {stream.index: [] for stream in streams}
        self._container.seek(0)
        for packet in self._container.demux(*streams) if streams else ():
            if packet.size:
                times[packet.stream_index].append(packet.pts or packet.dts or 0)
        return {
            stream.index: iter(decoding_times(times[stream.index], _usual_duration(stream)))
            for stream in streams
        }

    def frames(self) -> Iterator[Frame]:
        """All frames in their order."""
        self._container.seek(0)
        usual = self.usual_duration
        last: int | None = None
        for frame in self._decoded(self._container.demux(self._stream)):
            pts = frame.pts
            if last is not None:  # times must rise, even where those of a broken file are missing or do not
                pts = max(last + 1, last + usual if pts is None else pts)
            last = pts or 0
            yield Frame(self._upright(frame), last, frame.duration or usual)

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

    def _upright(self, frame: av.VideoFrame) -> Pixels:
        size = (self.coding.width, self.coding.height)
        width, height = size[::-1] if self._quarters % 2 else size
        space = frame.colorspace if frame.colorspace in _YUV_SPACES else None
        kind = "rgb24" if self.coding.bits == 8 else "rgb48le"
        pixels = frame.to_ndarray(format=kind, width=width, height=height, src_colorspace=space)
        return np.ascontiguousarray(np.rot90(pixels, self._quarters))


def _rate(stream: Any) -> Fraction:
    """Frames a second of a stream of pictures, on average."""
    return Fraction(stream.average_rate or stream.guessed_rate or 25)


def _usual_duration(stream: Any) -> int:
    """How long one of its frames is shown on average, in units of its time base."""
    return max(1, round(1 / (_rate(stream) * (stream.time_base or _TIME_BASE))))


def _refuse_large(sized: Any, path: Path) -> None:
    """Refuse frames too large to be decoded, by what the file says before, and by what the decoder says after it."""
    if sized.width * sized.height > MAX_PIXELS:
        raise VideoError(
            f"{path} has frames of {sized.width} x {sized.height} pixels, more than the limit of "
            f"{MAX_PIXELS / 1e6:g} megapixels"
        )


@contextmanager
def open_video(path: Path) -> Iterator[VideoReader]:
    """Open a video for reading; raises `VideoError` if ``path`` is missing or is not a video."""
    _check_file(path)
    try:
        # Playlists could name other files and addresses; only this file is read.
        options = {"protocol_whitelist": "file"}
        with av.open(local_name(path), options=options, metadata_errors="replace") as container:
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
