"""How the frames of a video are coded and shown: what its reader and its writer have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

BT709, LIMITED = 1, 1
"""Colour space, primaries and transfer, all with the same number, and colour range, in ISO/IEC 23091-2."""


@dataclass(frozen=True)
class Coding:
    """How the frames of a video are shown, and what the file says about itself."""

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


def tags_of(stream: av.stream.Stream) -> dict[str, str]:
    """The tags of a stream. FFmpeg reads the title in MP4 files as ``name``, but writes it under ``title``."""
    return {"title" if key == "name" else key: value for key, value in stream.metadata.items()}


def local_name(path: Path) -> str:
    """``path`` in a form that FFmpeg takes for a file; in ``a:b.mp4`` it would see a protocol."""
    return str(path.absolute())
