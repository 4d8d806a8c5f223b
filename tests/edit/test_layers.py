"""Layers: with the photo they give the output, they say what they are, and they appear together or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage import Reager
from reage.edit.layers import change_layer
from reage.errors import ExistsError, WriteError
from reage.photo.files import Photo, PhotoMeta, read_photo, read_provenance
from reage.result import Result

NAMES = ("change", "delta", "gain", "low", "mask")


def samples(path: Path) -> np.ndarray:
    """As stored, channels in the order of the photo, three or four of them."""
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored.ndim == 2:
        return np.repeat(stored[..., None], 3, 2).astype(float)
    return stored[..., [2, 1, 0, 3][: stored.shape[2]]].astype(float)


def in_normal_mode(photo: np.ndarray, folder: Path) -> np.ndarray:
    """What an editor shows with ``change.png`` over ``photo``, both as parts of the whole range."""
    change = samples(folder / "change.png") / 65535
    return photo * (1 - change[..., 3:]) + change[..., :3] * change[..., 3:]


def term_by_term(photo: np.ndarray, folder: Path) -> np.ndarray:
    delta = (samples(folder / "delta.png") - 32768) / 32768
    gain = (samples(folder / "gain.png") - 32768) / 8192
    return photo + delta + gain * (photo - samples(folder / "low.png") / 65535)


def side_by_side(portraits: list[Path], overlap: int) -> np.ndarray:
    """Two people so close that their faces' crops overlap."""
    one, other = (cv2.resize(read_photo(path).pixels, (480, 480)) for path in portraits[1:3])
    return np.hstack([one[:, : 480 - overlap], other[:, overlap:]])


def check(result: Result, folder: Path, tolerance: float) -> None:
    """Both ways give the output to ``tolerance`` levels of the photo's depth, and leave the rest as it was."""
    full = np.iinfo(result.pixels.dtype).max
    photo = result.original.pixels / full
    untouched = (result.pixels == result.original.pixels).all(2) & (samples(folder / "mask.png")[..., 0] == 0)
    for way in (in_normal_mode, term_by_term):
        rebuilt = np.rint(way(photo, folder) * full)
        assert np.abs(rebuilt - result.pixels).max() <= tolerance, way.__name__
        assert np.array_equal(rebuilt[untouched], result.original.pixels[untouched])
    for name in NAMES:
        assert samples(folder / f"{name}.png").shape[:2] == result.pixels.shape[:2]


def test_photo_and_layers_are_the_output_to_one_level(
    reager: Reager, portraits: list[Path], tmp_path: Path
) -> None:
    sitting = reager.sit(Photo(side_by_side(portraits, 90)))
    assert len(sitting.faces) == 2
    for number, wishes in enumerate(
        ({"to": 80}, {"to": 20, "strength": 1.5}, {"to": 70, "regions": {"eyes": 0, "mouth": 1.5}})
    ):
        result = sitting.age(**wishes)
        assert (result.pixels != result.original.pixels).any()
        check(result, result.save_layers(tmp_path / f"layers{number}"), 1)


def test_16_bits_are_met_to_two_of_65535(reager: Reager, portrait: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = read_photo(portrait).pixels.astype(np.uint16) * 257
    noisy = np.clip(pixels + rng.integers(-300, 300, pixels.shape), 0, 65535).astype(np.uint16)
    result = reager.sit(Photo(noisy)).age(to=75)
    check(result, result.save_layers(tmp_path / "layers"), 2)


def test_a_grey_photo_has_grey_layers(reager: Reager, portrait: Path, tmp_path: Path) -> None:
    grey = cv2.cvtColor(read_photo(portrait).pixels, cv2.COLOR_RGB2GRAY)
    photo = Photo(np.repeat(grey[..., None], 3, 2), None, PhotoMeta("png", was_greyscale=True))
    folder = reager.sit(photo).age(to=75).save_layers(tmp_path / "layers")
    for name in NAMES:
        layer = read_photo(folder / f"{name}.png")
        assert layer.meta.was_greyscale
        assert layer.pixels.dtype == (np.uint8 if name == "mask" else np.uint16)
    change = read_photo(folder / "change.png")
    alpha = change.alpha / 65535
    rebuilt = np.rint(grey * (1 - alpha) + change.pixels[..., 0] / 257 * alpha)
    assert np.abs(rebuilt - reager.sit(photo).age(to=75).pixels[..., 0]).max() <= 1


def test_the_change_alone_reaches_every_output_and_hides_no_more_than_it_must() -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (300, 200, 3)).astype(np.uint8)  # more rows than one band
    output = rng.integers(0, 65536, photo.shape).astype(np.uint16)
    photo[0, :6] = [[0] * 3, [255] * 3, [0] * 3, [255] * 3, [7] * 3, [128] * 3]
    output[0, :6] = [[0] * 3, [65535] * 3, [65535] * 3, [0] * 3, [7 * 257] * 3, [128 * 257 + 1] * 3]
    layer = change_layer(photo, output).astype(float)
    alpha = layer[..., 3:] / 65535
    assert np.abs(photo * 257.0 * (1 - alpha) + layer[..., :3] * alpha - output).max() <= 0.51
    assert layer[0, :6, 3].tolist() == [0, 0, 65535, 65535, 0, 3]
    less = np.maximum(alpha - 1.01 / 65535, 1e-9)  # with so little alpha, a colour would leave its range
    colour = photo * 257.0 + (output - photo * 257.0) / less
    assert ((colour < 0) | (colour > 65535)).any(2)[1:].all()


def test_layers_carry_the_mark_and_the_profile_and_a_note(
    reager: Reager, portrait: Path, tmp_path: Path
) -> None:
    photo = read_photo(portrait)
    icc = bytearray(132)
    icc[16:20] = b"RGB "
    meta = PhotoMeta(icc=bytes(icc), dpi=(300, 300), exif=b"II*\0\x08\0\0\0\0\0")
    result = reager.sit(Photo(photo.pixels, None, meta)).age(to=70, strength=0.9)
    folder = result.save_layers(tmp_path / "layers")
    for name in NAMES:
        mark = read_provenance(folder / f"{name}.png")
        assert mark is not None
        assert mark["edits"] == ["strength 0.9"]
        stored = read_photo(folder / f"{name}.png").meta
        assert (stored.icc == bytes(icc)) == (name in ("change", "delta", "low"))
        assert stored.exif is None
    note = (folder / "README.txt").read_text()
    for word in ("AI", "made 70", "strength 0.9", "perceptual", *(f"{name}.png" for name in NAMES)):
        assert word in note


def test_layers_replace_nothing_unasked_and_lose_nothing(
    reager: Reager, portrait: Path, tmp_path: Path
) -> None:
    result = reager.open(portrait).age(to=70)
    folder = result.save_layers(tmp_path / "new" / "layers")
    (folder / "my.psd").write_text("work of hours")
    (folder / "mask.png").write_text("old")
    with pytest.raises(ExistsError, match="exists already"):
        result.save_layers(folder)
    assert (folder / "mask.png").read_text() == "old"
    result.save_layers(folder, overwrite=True)
    assert samples(folder / "mask.png").max() == 255
    assert (folder / "my.psd").read_text() == "work of hours"
    with pytest.raises(WriteError, match="is a file"):
        result.save_layers(folder / "my.psd", overwrite=True)
    with pytest.raises(WriteError, match="cannot be written"):
        result.save_layers(folder / "my.psd" / "layers")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["layers"]


def test_layers_that_cannot_all_be_written_leave_nothing(
    reager: Reager, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def disk_for_three_files(_: int) -> None:
        nonlocal written
        written += 1
        if written > 3:
            raise OSError(28, "No space left on device")

    result = reager.open(portrait).age(to=70)
    monkeypatch.setattr(os, "fsync", disk_for_three_files)
    with pytest.raises(WriteError) as caught:
        result.save_layers(tmp_path / "layers")
    assert str(caught.value) == f"'{tmp_path / 'layers'}' cannot be written: No space left on device"
    assert not list(tmp_path.iterdir())
