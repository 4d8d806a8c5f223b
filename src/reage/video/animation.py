"""Writes animated GIF and WebP files with the AI-edited mark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from reage.arrays import Float32, UInt8
from reage.photo.containers import gif_with_xmp
from reage.photo.provenance import Provenance, updated_xmp

_COLOURS = 255
"""Colours in a GIF's palette. Pillow uses the last place for pixels that stay as they were in the frame before."""
_QUALITY = 90
"""Quality of WebP, 1 to 100. Here libwebp leaves out changes of up to 2 levels of 255, which no eye sees."""


def frame_milliseconds(count: int, fps: float, unit: int) -> list[int]:
    """How many milliseconds each of ``count`` frames is shown: multiples of ``unit`` that add up to the true length."""
    ends = [unit * round(1000 * number / fps / unit) for number in range(count + 1)]
    return [after - before for before, after in pairwise(ends)]


def write_webp(frames: Iterable[UInt8], durations: Sequence[int], path: Path, mark: Provenance) -> None:
    """Write an animated WebP that loops forever.

    Args:
        frames: pictures (H, W, 3).
        durations: how long each is shown, in milliseconds.
        path: the file to write.
        mark: the AI-edited mark of the file.
    """
    with open(path, "wb") as file:
        _save(
            (Image.fromarray(frame) for frame in frames), file, "WEBP", duration=list(durations),
            quality=_QUALITY, xmp=updated_xmp(None, mark),
        )  # fmt: skip


def write_gif(
    frames: Iterable[UInt8], samples: Sequence[UInt8], durations: Sequence[int], path: Path, mark: Provenance
) -> None:
    """Write an animated GIF that loops forever; arguments as in `write_webp`.

    All frames share one palette, made for ``samples``, which are some of them. They are dithered by a fixed pattern, so
    that the dots stand still where the picture does. (With error diffusion, one changed pixel would change all dots to
    its right and below.)
    """
    palette = Image.fromarray(np.concatenate(samples)).quantize(_COLOURS, Image.Quantize.MEDIANCUT, kmeans=1)
    pattern = _pattern(palette, samples[0].shape)
    file = BytesIO()
    _save(
        (_in_palette(frame, pattern, palette) for frame in frames), file, "GIF", duration=list(durations),
        comment=mark.sentence.encode(), optimize=False,
    )  # fmt: skip
    packet = updated_xmp(None, mark)
    assert packet is not None
    path.write_bytes(gif_with_xmp(file.getvalue(), packet))


def _save(pictures: Iterator[Image.Image], target: BinaryIO, kind: str, **options: object) -> None:
    first = next(pictures)
    first.save(target, kind, save_all=True, append_images=chain(pictures), loop=0, **options)


def _in_palette(frame: UInt8, pattern: Float32, palette: Image.Image) -> Image.Image:
    dotted = np.clip(np.rint(frame + pattern), 0, 255).astype(np.uint8)
    return Image.fromarray(dotted).quantize(palette=palette, dither=Image.Dither.NONE)


def _pattern(palette: Image.Image, shape: tuple[int, ...]) -> Float32:
    """What is added to frames of ``shape`` before each pixel takes the nearest colour: an ordered dither."""
    colours = np.array(palette.getpalette()[: 3 * _COLOURS], np.float32).reshape(-1, 3)  # type: ignore[index]
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    step = float(apart.min(1).mean()) / 3**0.5  # as far as neighbouring colours are apart in each channel
    rows, columns = -(-shape[0] // 8), -(-shape[1] // 8)
    return np.tile(step * _bayer(8), (rows, columns))[: shape[0], : shape[1], None]


@lru_cache(maxsize=1)
def _bayer(side: int) -> Float32:
    """Bayer's matrix (side, side), in steps from -0.5 to 0.5 (Bayer, "An optimum method", 1973)."""
    matrix = np.zeros((1, 1), np.float32)
    while len(matrix) < side:
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return np.asarray((matrix + 0.5) / side**2 - 0.5, np.float32)
