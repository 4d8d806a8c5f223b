"""Videos in and out of files (PyAV): upright RGB frames with their times, everything else copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from reage.errors import VideoError
from reage.photo.containers import xmp_box
from reage.photo.provenance import Provenance, updated_xmp

Frame = npt.NDArray[np.uint8]

CRF = 18
"""Quality of H.264, 0 (no loss) to 51; at 18 a difference is hard to see."""

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
WRITABLE_SUFFIXES = tuple(_FORMATS)
"""Suffixes of the videos that can be written."""

_BT709 = 1  # of colour spaces, primaries and transfer alike, in ISO/IEC 23091-2
_LIMITED = 1


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


class VideoWriter:
    """An H.264 video being written; see `writing`."""

    def __init__(self, container: av.container.OutputContainer, coding: Coding, crf: int) -> None:
        self._container = container
        self._coding = coding
        self._stream = container.add_stream("libx264", rate=coding.rate, options={"crf": str(crf)})
        context = self._stream.codec_context
        context.width, context.height = coding.width, coding.height
        context.pix_fmt = "yuv420p"
        context.time_base = coding.time_base
        context.colorspace, context.color_range = coding.colour_space, coding.colour_range
        context.color_primaries, context.color_trc = coding.primaries, coding.transfer

    def write(self, pixels: Frame, pts: int) -> None:
        """Encode RGB ``pixels`` (H, W, 3), shown from ``pts`` on, in units of the time base."""
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=self._coding.colour_space,
            dst_color_range=self._coding.colour_range,
        )
        frame.pts, frame.time_base = pts, self._coding.time_base
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Encode what is still waiting."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def writing(
    place: Path, suffix: str, coding: Coding, mark: Provenance, *, crf: int = CRF
) -> Iterator[VideoWriter]:
    """Write a video of the kind of ``suffix`` to ``place``, with its mark in comments and (but Matroska) XMP."""
    kind = _FORMATS[suffix.lower()]
    options = {} if kind == "matroska" else {"movflags": "faststart"}
    try:
        with av.open(str(place), "w", format=kind, container_options=options) as container:
            container.metadata.update(comment=mark.sentence, description=mark.sentence)
            writer = VideoWriter(container, coding, crf)
            yield writer
            writer.finish()
    except av.FFmpegError as error:
        raise VideoError(f"the video cannot be written: {error.strerror}") from error
    packet = updated_xmp(None, mark)
    if kind != "matroska" and packet is not None:
        with open(place, "ab") as file:
            file.write(xmp_box(packet))
