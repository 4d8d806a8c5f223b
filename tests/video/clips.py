"""Clips synthesised from the bundled portraits: a camera that pans, zooms and rolls, and a tone for sound."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from reage.arrays import Float32, UInt8
from reage.photo.files import read_photo

EXAMPLES = Path(__file__).parents[2] / "examples"
SIZE = (320, 240)
RATE = 44100


def portrait(name: str, side: int = 320) -> UInt8:
    """A bundled portrait, reduced to ``side`` pixels."""
    pixels = read_photo(EXAMPLES / f"{name}.jpg").pixels
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def camera(count: int, side: int, size: tuple[int, int] = SIZE, swing: float = 1.0) -> list[Float32]:
    """The transforms (2, 3) of a moving camera, from a square portrait of ``side`` to frames of ``size``.

    It starts and ends with the portrait filling the width; ``swing`` scales its movements.
    """
    matrices = []
    for phase in np.linspace(0, 2 * np.pi, count, endpoint=False):
        zoom = size[0] / side * (1 + 0.12 * swing * np.sin(phase))
        roll = 0.06 * swing * np.sin(phase)
        x, y = (
            size[0] * (0.5 + 0.08 * swing * np.sin(2 * phase)),
            size[1] * (0.55 + 0.05 * swing * np.sin(phase)),
        )
        cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
        middle = (side - 1) / 2
        matrices.append(
            np.array(
                [
                    [cos, -sin, x - cos * middle + sin * 0.85 * middle],
                    [sin, cos, y - sin * middle - cos * 0.85 * middle],
                ],
                np.float32,
            )
        )
    return matrices


def filmed(
    picture: UInt8, matrices: Sequence[Float32], size: tuple[int, int] = SIZE, noise: float = 0.0
) -> list[UInt8]:
    """What the camera sees of a picture; ``noise`` is that of its sensor, in levels of 255."""
    rng, frames = np.random.default_rng(0), []
    for matrix in matrices:
        seen = cv2.warpAffine(
            picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        if noise:
            seen = np.clip(np.rint(seen + rng.normal(0, noise, seen.shape)), 0, 255).astype(np.uint8)
        frames.append(seen)
    return frames


def write_clip(
    path: Path,
    frames: Sequence[UInt8],
    *,
    fps: int = 12,
    times: Sequence[int] | None = None,
    tone: bool = True,
    quarters: int = 0,
    codec: str = "libx264",
    sound: str = "aac",
) -> Path:
    """Write frames (H, W, 3), with a tone of 440 Hz as long as they last; returns ``path``.

    ``times`` are those of the frames in 1/1000 s, for a varying rate; ``quarters`` is how many quarter turns
    counterclockwise a player is told to give the frames.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"crf": "12"})
        context = stream.codec_context
        context.height, context.width = frames[0].shape[:2]
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, 1000) if times else Fraction(1, fps)
        voice = container.add_stream(sound, rate=RATE) if tone else None
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = times[number] if times else number
            frame.time_base = context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            waves = np.sin(2 * np.pi * 440 * np.arange(RATE * len(frames) // fps) / RATE).astype(np.float32)
            for at in range(0, len(waves), 1024):
                block = av.AudioFrame.from_ndarray(0.2 * waves[None, at : at + 1024], "fltp", "mono")
                block.sample_rate, block.pts, block.time_base = RATE, at, Fraction(1, RATE)
                container.mux(voice.encode(block))
            container.mux(voice.encode(None))
    if quarters:
        _turn(path, quarters)
    return path


def _turn(path: Path, quarters: int) -> None:
    """Write the matrix of a quarter turn into the (first) track header of an MP4 file: ISO/IEC 14496-12."""
    one = 1 << 16
    turns = {1: (0, -one, one, 0), 2: (-one, 0, 0, -one), 3: (0, one, -one, 0)}
    a, b, c, d = turns[quarters % 4]
    old = np.array([one, 0, 0, 0, one, 0, 0, 0, 1 << 30], ">i4").tobytes()
    new = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    content = path.read_bytes()
    at = content.index(old, content.index(b"tkhd"))
    path.write_bytes(content[:at] + new + content[at + len(new) :])
