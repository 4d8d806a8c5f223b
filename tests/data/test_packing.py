"""A cache packed into one file: it fits, and comes out as it went in but for the loss of WebP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reage.data.cache import Cache, open_cache
from reage.data.packing import QUALITIES, pack_cache, unpack_cache
from reage.errors import DataError, ExistsError
from training.tiny import write_cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return open_cache(write_cache(tmp_path / "cache", size=64))


def test_what_is_unpacked_is_what_was_packed(cache: Cache, tmp_path: Path) -> None:
    packed = pack_cache(cache, tmp_path / "faces.npz", megabytes=10)
    assert packed.quality == QUALITIES[0]
    assert packed.size == (tmp_path / "faces.npz").stat().st_size
    assert unpack_cache(tmp_path / "faces.npz", tmp_path / "again") == packed.faces == len(cache)
    again = open_cache(tmp_path / "again")
    assert again.rows.equals(cache.rows)
    assert again.dataset == cache.dataset
    assert np.abs(again.landmarks - cache.landmarks.astype(np.float32)).max() < 64 / 512
    assert np.abs(again.images.astype(float) - cache.images).mean() < 4


def test_quality_falls_until_it_fits(cache: Cache, tmp_path: Path) -> None:
    best = pack_cache(cache, tmp_path / "best.npz", megabytes=10)
    target = 0.95 * best.size / 1e6
    smaller = pack_cache(cache, tmp_path / "smaller.npz", megabytes=target)
    assert smaller.size <= target * 1e6
    assert smaller.quality < best.quality
    with pytest.raises(DataError, match="do not fit"):
        pack_cache(cache, tmp_path / "none.npz", megabytes=0.001)
    assert not (tmp_path / "none.npz").exists()


def test_blurred_faces_can_be_left_out(cache: Cache, tmp_path: Path) -> None:
    cache.rows.loc[:9, "sharpness"] = 3.0
    assert pack_cache(cache, tmp_path / "faces.npz", megabytes=10, min_sharpness=4).faces == len(cache) - 10
    unpack_cache(tmp_path / "faces.npz", tmp_path / "again")
    assert list(open_cache(tmp_path / "again").rows["path"]) == list(cache.rows["path"][10:])
    with pytest.raises(DataError, match="has a sharpness of"):
        pack_cache(cache, tmp_path / "none.npz", megabytes=10, min_sharpness=1e6)


def test_what_exists_stays_and_damage_is_told(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    pack_cache(cache, path, megabytes=10)
    with pytest.raises(ExistsError):
        pack_cache(cache, path, megabytes=10)
    with np.load(path) as stored:
        parts = dict(stored)
    np.savez(path, **{**parts, "faces": parts["faces"][:500]})
    with pytest.raises(DataError, match="is damaged"):
        unpack_cache(path, tmp_path / "again")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="not a packed cache"):
        unpack_cache(path, tmp_path / "again")
    assert not (tmp_path / "again").exists()
