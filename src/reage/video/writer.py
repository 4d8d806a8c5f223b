"""Writing videos with PyAV: RGB frames coded as H.264; sound and subtitles copied as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer

from reage.arrays import UInt8
from reage.photo.containers import xmp_box
from reage.photo.provenance import Provenance, updated_xmp
from reage.video.coding import Coding, local_name, tags_of

CRF = 18
"""The default quality of H.264, where 0 is lossless and 51 is worst; at 18 a difference is hard to see."""

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
WRITABLE_SUFFIXES = tuple(_FORMATS)
"""The suffixes of videos that can be written."""


@dataclass(frozen=True)
class CodedFrame:
    """A frame coded as H.264, shown from ``pts`` on for ``duration``, both in units of the time base."""

    data: bytes = field(repr=False)
    pts: int
    duration: int
    is_key: bool
    """Whether it can be decoded without those before it."""


class Encoder:
    """Codes frames as H.264 for a `VideoWriter` to add, now or in another process. Each begins with a key frame."""

    def __init__(self, coding: Coding, crf: int) -> None:
        self._coding = coding
        self._context = av.CodecContext.create("libx264", "w")
        self._context.options = {"crf": str(crf)}
        self._context.framerate = coding.rate
        # All formats that are written hold the parameters of the stream once, in front.
        self._context.flags |= av.codec.context.Flags.global_header
        _set_up(self._context, coding)

    def encode(self, pixels: UInt8, pts: int, duration: int) -> list[CodedFrame]:
        """Code a frame, as `VideoWriter.write`; returns what is ready, in the order in which frames are decoded."""
        return [
            _coded(packet) for packet in self._context.encode(_frame(self._coding, pixels, pts, duration))
        ]

    def finish(self) -> list[CodedFrame]:
        """The frames that are not returned yet."""
        return [_coded(packet) for packet in self._context.encode(None)]


class VideoWriter:
    """A video that is being written, coded as H.264; `create_video` makes one."""

    def __init__(
        self, container: OutputContainer, coding: Coding, crf: int, copied: Sequence[av.stream.Stream]
    ) -> None:
        self._container = container
        self._coding = coding
        self._stream = container.add_stream("libx264", rate=coding.rate, options={"crf": str(crf)})
        _set_up(self._stream.codec_context, coding)
        self._stream.metadata.update(coding.picture_tags)
        self._stream.disposition = coding.disposition
        self._copies = {stream.index: self._copy_of(stream) for stream in copied}

    def _copy_of(self, stream: av.stream.Stream) -> Any:
        """A new stream like ``stream``, with its language, title and flags, which PyAV's template leaves out."""
        copy = self._container.add_stream_from_template(stream)
        copy.metadata.update(tags_of(stream))
        copy.disposition = stream.disposition
        return copy

    def write(self, pixels: UInt8, pts: int, duration: int) -> None:
        """Add a frame of RGB ``pixels`` (H, W, 3), shown from ``pts`` on for ``duration``, in units of the time base.

        H.264 needs even sides here: an odd one grows by a copy of its last row or column.
        """
        self._container.mux(self._stream.encode(_frame(self._coding, pixels, pts, duration)))

    def add(self, coded: CodedFrame, dts: int) -> None:
        """Add a frame of an `Encoder` with the same coding and quality; it is decoded at ``dts``, which must ascend."""
        packet = av.Packet(coded.data)
        packet.stream, packet.time_base = self._stream, self._coding.time_base
        packet.pts, packet.dts, packet.duration = coded.pts, dts, coded.duration
        packet.is_keyframe = coded.is_key
        self._container.mux(packet)

    def copy(self, packet: av.Packet[Any]) -> None:
        """Add a packet of one of the streams that are copied."""
        packet.stream = self._copies[packet.stream_index]
        self._container.mux(packet)

    def flush(self) -> None:
        """Write the frames that the encoder still holds."""
        self._container.mux(self._stream.encode(None))


def _set_up(context: Any, coding: Coding) -> None:
    """Make a context of libx264 one for ``coding``."""
    context.width, context.height = (side + side % 2 for side in (coding.width, coding.height))
    context.pix_fmt = "yuv420p"
    context.time_base = coding.time_base
    context.colorspace, context.color_range = coding.colour_space, coding.colour_range
    context.color_primaries, context.color_trc = coding.primaries, coding.transfer
    if coding.aspect:
        context.sample_aspect_ratio = coding.aspect


def _frame(coding: Coding, pixels: UInt8, pts: int, duration: int) -> av.VideoFrame:
    odd = [(0, side % 2) for side in pixels.shape[:2]]
    even = np.pad(pixels, (*odd, (0, 0)), mode="edge") if any(more for _, more in odd) else pixels
    frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=coding.colour_space, dst_color_range=coding.colour_range
    )
    frame.pts, frame.duration, frame.time_base = pts, duration, coding.time_base
    return frame


def _coded(packet: av.Packet[Any]) -> CodedFrame:
    return CodedFrame(bytes(packet), packet.pts or 0, packet.duration or 0, packet.is_keyframe)


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
        with av.open(local_name(place), "w", format=kind, container_options=options) as container:
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
