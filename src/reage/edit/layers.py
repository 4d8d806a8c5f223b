"""Writes the edit of a photograph as layers, from which an image editor or a few lines of numpy reproduce the output.

There are two ways, with values as parts of the range from black (0) to white (1):

``output = photo * (1 - alpha) + colour * alpha``    with ``change.png``: an editor's normal mode
``output = photo + delta + gain * (photo - low)``    with ``delta.png``, ``gain.png`` and ``low.png``

The second is the equation of `reage.edit.compositing`; delta and gain are already multiplied by the mask.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from reage.arrays import Pixels
from reage.edit.compositing import AlignedFace, Edit, composite, upsample_edit
from reage.files import refuse_existing, writing_folder
from reage.photo.files import Photo, PhotoMeta, Provenance, write_photo

ZERO = 32768
"""The sample of ``delta.png`` and ``gain.png`` that means no change."""
DELTA_ONE = 32768
"""How many samples of ``delta.png`` are a change of the whole range from black to white."""
GAIN_ONE = 8192
"""How many samples of ``gain.png`` are a gain of 1."""

_FULL = 65535
_BAND = 256
"""Rows that are worked on at a time."""

_README = """\
An AI-generated edit of a photograph, as layers: {tool}, model {model}.
{faces}
Every picture here is as large as the photograph. Values below are parts of the range from black (0) to white (1).

In an image editor: change.png (16-bit RGBA) as a layer over the photograph, in normal mode with an opacity of 100 %,
gives the output. GIMP also needs the setting Layer > Composite Space > RGB (perceptual).

Term by term:  output = photo + delta + gain * (photo - low)
  delta.png    change of colour, 16 bits per channel:       delta = (sample - {zero}) / {delta_one}
  gain.png     change of the photo's own detail, 16 bits:   gain = (sample - {zero}) / {gain_one}
               (-1 removes it, 0 keeps it, 1 doubles it)
  low.png      the photo without that detail, 16 bits:      low = sample / 65535
  mask.png     where the edit acts, 8 bits; delta and gain are already multiplied by it

Both ways give the output to within 1/255. If the output is written as JPEG, that file also differs by its compression.
"""


def write_layers(
    photo: Photo,
    edits: Sequence[tuple[AlignedFace, Edit]],
    folder: str | os.PathLike[str],
    *,
    mark: Provenance,
    detail_sigma: float,
    overwrite: bool = False,
) -> Path:
    """Write the edits of faces as layers: PNG pictures of the size of the photo, with a note on their use.

    The files are ``change.png``, ``delta.png``, ``gain.png``, ``low.png``, ``mask.png`` (each with the mark) and
    ``README.txt``. They appear together or not at all.

    Args:
        photo: the unedited photo.
        edits: each face that was edited, with its edit.
        folder: where the layers go.
        mark: what the files say about their making.
        detail_sigma: the blur that separates a face from its detail, in sides of the aligned frame.
        overwrite: whether to replace layers in a folder that exists; other files in it stay.

    Returns:
        The folder.

    Raises:
        ExistsError: the folder exists and ``overwrite`` is not set.
        WriteError: it cannot be written.
    """
    target = Path(folder)
    refuse_existing(target, overwrite, folder=True)
    with writing_folder(target) as part:
        _write_pictures(photo, edits, part, mark, detail_sigma)
        (part / "README.txt").write_text(_readme(mark), encoding="utf-8")
    return target


def _write_pictures(
    photo: Photo,
    edits: Sequence[tuple[AlignedFace, Edit]],
    folder: Path,
    mark: Provenance,
    detail_sigma: float,
) -> None:
    """Write the layers one after another, so that few of a large photograph's are in memory at the same time."""
    pixels, meta = photo.pixels, photo.meta
    colours = PhotoMeta(icc=meta.icc, dpi=meta.dpi, was_greyscale=meta.was_greyscale)

    def write(name: str, samples: Pixels) -> None:
        if samples.ndim == 2:
            grey = PhotoMeta(dpi=meta.dpi, was_greyscale=True)
            layer = Photo(np.broadcast_to(samples[..., None], pixels.shape), None, grey)
        else:
            layer = Photo(samples[..., :3], samples[..., 3] if samples.shape[2] == 4 else None, colours)
        write_photo(layer, folder / name, mark=mark)

    output = _sixteen_bits(pixels)
    for face, edit in edits:
        composite(pixels, output, face, edit, detail_sigma=detail_sigma)
    write("change.png", change_layer(pixels, output))
    mask, low = _mask_and_low(pixels, [face for face, _ in edits], detail_sigma)
    gain = _gain(pixels, edits, detail_sigma)
    gain[mask == 0] = ZERO  # a gain under less of the mask than it can tell is left to delta
    write("gain.png", gain)
    write("mask.png", mask)
    write("low.png", low)
    _replace_with_delta(output, pixels, gain, low)
    write("delta.png", output)


def change_layer(photo: Pixels, output: Pixels) -> Pixels:
    """The layer (H, W, 4) uint16 which, laid over ``photo`` in normal mode, shows ``output``.

    ``photo`` is (H, W, 3) uint8 or uint16, ``output`` (H, W, 3) uint16; alpha is not premultiplied. Of all such
    layers this is the most transparent: alpha is only as large as colours from black to white allow, so that
    retouches of the photo beneath show through.
    """
    layer = np.zeros((*output.shape[:2], 4), np.uint16)
    for rows in _bands(len(output)):
        below = _sixteen_bits(photo[rows]).astype(np.float32)
        change = output[rows] - below
        if not change.any():
            continue
        room = np.where(change > 0, _FULL - below, below)
        alpha = np.ceil(_FULL * (np.abs(change) / np.maximum(room, 1)).max(2))
        colour = below + change * (_FULL / np.maximum(alpha, 1))[..., None]
        layer[rows, :, :3] = np.rint(np.clip(colour, 0, _FULL)) * (alpha > 0)[..., None]
        layer[rows, :, 3] = alpha
    return layer


def _gain(photo: Pixels, edits: Sequence[tuple[AlignedFace, Edit]], detail_sigma: float) -> Pixels:
    """The gain of all faces together (H, W) uint16, as it stands in the file."""
    samples = np.full(photo.shape[:2], ZERO, np.uint16)
    for face, edit in edits:
        for rows, columns, _, gain, _ in upsample_edit(photo, face, edit, detail_sigma):
            added = samples[rows, columns] + np.rint(gain * GAIN_ONE)
            samples[rows, columns] = np.clip(added, 0, _FULL)
    return samples


def _mask_and_low(photo: Pixels, faces: Sequence[AlignedFace], detail_sigma: float) -> tuple[Pixels, Pixels]:
    """The masks (H, W) uint8 of all faces, and the blurred faces (H, W, 3) uint16 where a mask is not zero."""
    mask, low = np.zeros(photo.shape[:2], np.uint8), np.zeros(photo.shape, np.uint16)
    for face in faces:
        # A gain of 1 everywhere, multiplied by the mask, is the mask.
        everywhere = Edit(np.zeros_like(face.pixels), np.ones_like(face.mask))
        for rows, columns, _, weight, blurred in upsample_edit(photo, face, everywhere, detail_sigma):
            samples = np.rint(np.clip(weight, 0, 1) * 255).astype(np.uint8)
            mask[rows, columns] = np.maximum(mask[rows, columns], samples)
            seen = np.rint(np.clip((blurred + 1) * (_FULL / 2), 0, _FULL)).astype(np.uint16)
            low[rows, columns] = np.where(weight[..., None] == 0, low[rows, columns], seen)
    return mask, low


def _replace_with_delta(output: Pixels, photo: Pixels, gain: Pixels, low: Pixels) -> None:
    """Replace ``output`` (H, W, 3) uint16 by the samples of ``delta.png``, in place to save memory.

    Delta is what is left of the output without the photo and the gain as the files have them, so that nothing is lost
    to the rounding of those, nor where faces overlap.
    """
    for rows in _bands(len(output)):
        below = _sixteen_bits(photo[rows]).astype(np.float32)
        factor = (gain[rows].astype(np.float32) - ZERO) / GAIN_ONE
        delta = output[rows] - below - factor[..., None] * (below - low[rows])
        output[rows] = np.clip(np.rint(delta * (DELTA_ONE / _FULL)) + ZERO, 0, _FULL)


def _readme(mark: Provenance) -> str:
    faces = "".join(f"A face of {source:g} years, made {target:g}.\n" for source, target in mark.faces)
    edits = "".join(f"With {edit}.\n" for edit in mark.edits)
    return _README.format(
        tool=mark.tool,
        model=mark.model,
        faces=faces + edits,
        zero=ZERO,
        delta_one=DELTA_ONE,
        gain_one=GAIN_ONE,
    )


def _bands(height: int) -> Iterator[slice]:
    return (slice(top, top + _BAND) for top in range(0, height, _BAND))


def _sixteen_bits(pixels: Pixels) -> Pixels:
    """A copy of uint8 or uint16 samples as uint16, white staying white."""
    return np.asarray(pixels.astype(np.uint16) * np.uint16(_FULL // np.iinfo(pixels.dtype).max))
