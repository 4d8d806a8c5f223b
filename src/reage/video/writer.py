"""Writes videos with PyAV: RGB frames as H.264 or, with 10 bits, H.265; everything else is copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import OutputContainer

from reage.arrays import Pixels
from reage.photo.containers import xmp_box
from reage.photo.provenance import Provenance, updated_xmp
from reage.video.coding import Coding, local_name, tags_of

CRF = 18
"""The default quality, where 0 is best and 51 is worst; at 18 a difference is hard to see."""

_BYTES = "application/octet-stream"
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
WRITABLE_SUFFIXES = tuple(_FORMATS)
"""The suffixes of videos that can be written."""


@dataclass(frozen=True)
class CodedFrame:
    """A coded frame, shown from ``pts`` on for ``duration``, both in units of the time base."""

    data: bytes = field(repr=False)
    pts: int
    duration: int
    is_key: bool
    """Whether it can be decoded without those before it."""


class Encoder:
    """Codes frames for a `VideoWriter` to add, now or in another process. Each begins with a key frame."""

    def __init__(self, coding: Coding, crf: int) -> None:
        self._coding = coding
        self._context = cast(av.VideoCodecContext, av.CodecContext.create(coding.codec, "w"))
        self._context.options = coding.options(crf)
        self._context.framerate = coding.rate
        # All formats that are written hold the parameters of the stream once, in front.
        self._context.flags |= av.codec.context.Flags.global_header
        _set_up(self._context, coding)

    def encode(self, pixels: Pixels, pts: int, duration: int) -> list[CodedFrame]:
        """Code a frame, as `VideoWriter.write`; returns what is ready, in the order in which frames are decoded."""
        return [
            _coded(packet) for packet in self._context.encode(_frame(self._coding, pixels, pts, duration))
        ]

    def finish(self) -> list[CodedFrame]:
        """The frames that are not returned yet."""
        return [_coded(packet) for packet in self._context.encode(None)]


class VideoWriter:
    """A video that is being written; `create_video` makes one."""

    def __init__(
        self, container: OutputContainer, coding: Coding, crf: int, copied: Sequence[av.stream.Stream]
    ) -> None:
        self._container = container
        self._coding = coding
        stream = container.add_stream(coding.codec, rate=coding.rate, options=coding.options(crf))
        self._stream = cast(av.VideoStream, stream)
        _set_up(self._stream.codec_context, coding)
        if coding.bits > 8 and container.format.name != "matroska":
            self._stream.codec_context.codec_tag = "hvc1"  # the only kind of H.265 that Apple's players show
        if coding.quarters:
            self._stream.set_display_rotation(90 * coding.quarters)
        self._stream.metadata.update(coding.picture_tags)
        _set_flags(self._stream, coding.disposition)
        self._copies = {stream.index: self._copy_of(stream) for stream in copied}

    def _copy_of(self, stream: av.stream.Stream) -> Any:
        """A new stream like ``stream``, with its language, title and flags, which PyAV's template leaves out."""
        copy = self._container.add_stream_from_template(stream, opaque=True)
        copy.metadata.update(tags_of(stream))
        _set_flags(copy, stream.disposition)
        return copy

    def write(self, pixels: Pixels, pts: int, duration: int) -> None:
        """Add a frame of RGB ``pixels`` (H, W, 3), shown from ``pts`` on for ``duration``, in units of the time base.

        The coding needs even sides: an odd one grows by a copy of its last row or column.
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


def _set_flags(stream: Any, disposition: av.stream.Disposition) -> None:
    stream.disposition = disposition.value  # PyAV before 18 takes nothing else


def _set_up(context: Any, coding: Coding) -> None:
    """Make an encoder's context one for ``coding``."""
    sides = (coding.width, coding.height)[:: -1 if coding.quarters % 2 else 1]
    context.width, context.height = (side + side % 2 for side in sides)
    context.pix_fmt = coding.pixel_format
    context.time_base = coding.time_base
    context.colorspace, context.color_range = coding.colour_space, coding.colour_range
    context.color_primaries, context.color_trc = coding.primaries, coding.transfer
    if coding.aspect:
        context.sample_aspect_ratio = 1 / coding.aspect if coding.quarters % 2 else coding.aspect


def _frame(coding: Coding, pixels: Pixels, pts: int, duration: int) -> av.VideoFrame:
    lying = np.rot90(pixels, -coding.quarters)
    odd = [(0, side % 2) for side in lying.shape[:2]]
    even = np.pad(lying, (*odd, (0, 0)), mode="edge") if any(more for _, more in odd) else lying
    kind = "rgb24" if coding.bits == 8 else "rgb48le"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format=kind).reformat(
        format=coding.pixel_format, dst_colorspace=coding.colour_space, dst_color_range=coding.colour_range
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
    attached: Sequence[Any] = (),
) -> Iterator[VideoWriter]:
    """Open a video for writing; it is complete when the block ends.

    The mark is written into the comments and, except in Matroska, as XMP.

    Args:
        place: the file to write, whatever its name.
        suffix: one of `WRITABLE_SUFFIXES`, which names the format.
        coding: how the frames are shown.
        mark: the AI-edited mark of the file.
        crf: quality, where 0 is best and 51 is worst.
        copied: streams of another video whose packets are going to be copied.
        attached: attachments of another video, for formats that can hold them: see `can_attach`.

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
            for file in attached:
                container.add_attachment(file.name or "attachment", file.mimetype or _BYTES, file.data)
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
            copy = container.add_stream_from_template(stream, opaque=True)
            _set_flags(copy, stream.disposition)
            container.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def can_attach(suffix: str) -> bool:
    """Whether a video of the format that ``suffix`` names can hold attachments."""
    return _FORMATS[suffix.lower()] == "matroska"
