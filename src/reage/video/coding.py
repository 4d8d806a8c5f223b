"""How the frames of a video are encoded and displayed, shared by reader and writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

BT709, LIMITED = 1, 1
"""Colour space, primaries and transfer, all with the same number, and colour range, in ISO/IEC 23091-2."""


KEEPS_TURNS = hasattr(av.VideoStream, "set_display_rotation")
"""Whether a file that is written can tell players to turn its pictures: PyAV 18 and newer. Without, they are turned."""


@dataclass(frozen=True)
class Coding:
    """The encoding, display and tags of a video."""

    width: int
    height: int
    rate: Fraction
    """Frames per second, on average."""
    time_base: Fraction
    """The unit of times, in seconds."""
    colour_space: int = BT709
    primaries: int = BT709
    transfer: int = BT709
    colour_range: int = LIMITED
    bits: int = 8
    """Of each colour: 8, or 10 for what has more."""
    quarters: int = 0
    """Quarter turns counterclockwise that a player gives the coded pictures; ``width`` and ``height`` are those of the
    turned ones."""
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

    @property
    def codec(self) -> str:
        """The encoder: of H.264, or where there are 10 bits, of H.265, which more players show with 10 bits."""
        return "libx264" if self.bits == 8 else "libx265"

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of how pixels are coded."""
        return "yuv420p" if self.bits == 8 else "yuv420p10le"

    def options(self, crf: int) -> dict[str, str]:
        """Those of the encoder, for the quality ``crf``."""
        quiet = {} if self.bits == 8 else {"x265-params": "log-level=none"}
        return {"crf": str(crf), **quiet}


def tags_of(stream: av.stream.Stream) -> dict[str, str]:
    """The tags of a stream. FFmpeg reads the title in MP4 files as ``name``, but writes it under ``title``."""
    return {"title" if key == "name" else key: value for key, value in stream.metadata.items()}


def decoding_times(times: Sequence[int], usual: int) -> list[int]:
    """When frames are to be decoded, given when they are shown: ascending, and never later than they are shown.

    Args:
        times: when each is shown, in the order in which they are decoded.
        usual: how long one is shown, for those that are decoded before the first is shown.
    """
    shown = sorted(times)
    place = {time: rank for rank, time in enumerate(shown)}
    delay = max((at - place[time] for at, time in enumerate(times)), default=0)
    return [shown[0] - usual * (delay - at) for at in range(delay)] + shown[: len(shown) - delay]


def local_name(path: Path) -> str:
    """``path`` in a form that FFmpeg takes for a file; in ``a:b.mp4`` it would see a protocol."""
    return str(path.absolute())
