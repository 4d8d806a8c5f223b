"""Open photos: found by their token only, and forgotten in time, with their files."""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from reage import Reager
from reage.errors import PhotoError
from reage.photo.files import Photo
from reage.reager import Sitting
from reage.web.store import GRACE, KEPT, OpenPhoto, Store

PHOTO = 2 * 100 * 100 * 3
"""Bytes of the photo of `sitting`, whole and reduced."""


class Clock:
    now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Store:
    return Store(tmp_path, max_bytes=4 * PHOTO, share=2 * PHOTO, seconds=60, clock=clock)


@pytest.fixture
def sitting(reager: Reager) -> Sitting:
    return Sitting(reager, Photo(np.zeros((100, 100, 3), np.uint8)), (), {})


def add(store: Store, sitting: Sitting, visitor: str = "me", page: str | None = None) -> OpenPhoto:
    photo = store.add("me.jpg", sitting, sitting, visitor=visitor, page=page)
    photo.place("a.txt").write_text("a")
    return photo


def test_a_token_opens_its_own_photo_and_nothing_else_does(store: Store, sitting: Sitting) -> None:
    one, other = add(store, sitting), add(store, sitting)
    assert store.get(one.token) is one
    assert store.get(other.token) is other
    assert len({one.token, other.token, one.folder.name, other.folder.name}) == 4
    assert len(one.token) >= 32
    for wrong in (None, "", one.folder.name, one.token[:-1]):
        with pytest.raises(PhotoError, match=r"is (not )?open"):
            store.get(wrong)


def test_a_visitor_with_too_many_photos_loses_the_least_recently_used_of_their_own(
    store: Store, sitting: Sitting
) -> None:
    others = add(store, sitting, "you")
    mine = [add(store, sitting) for _ in range(2)]
    store.get(mine[0].token)
    newest = add(store, sitting)
    assert not mine[1].folder.exists()
    for kept in (others, mine[0], newest):
        assert store.get(kept.token) is kept


def test_no_visitor_can_push_another_visitors_photo_out(store: Store, sitting: Sitting) -> None:
    photos = [add(store, sitting, visitor) for visitor in ("you", "you", "she", "he")]
    with pytest.raises(PhotoError, match="others have photos open; try again"):
        add(store, sitting, "me")
    assert [store.get(photo.token) for photo in photos] == photos
    again = add(store, sitting, "he")  # whoever has a photo open may open another instead
    assert not photos[3].folder.exists()
    assert len(list(store.folder.iterdir())) == len(store) == 4
    store.close(photos[0].token)
    assert store.get(add(store, sitting, "me").token)
    assert store.get(again.token) is again


def test_a_photo_larger_than_a_share_is_opened_if_there_is_room(store: Store, reager: Reager) -> None:
    def of(height: int) -> Sitting:
        return Sitting(reager, Photo(np.zeros((height, 100, 3), np.uint8)), (), {})

    first = add(store, of(50))
    large = add(store, of(300))
    assert not first.folder.exists()
    assert store.get(large.token) is large
    with pytest.raises(PhotoError, match="others have photos open"):
        add(store, of(150), "you")
    with pytest.raises(PhotoError, match="more memory than this page has"):
        add(store, of(500))
    assert store.get(large.token) is large


def test_what_is_not_used_is_forgotten_with_its_files(
    store: Store, sitting: Sitting, clock: Clock, tmp_path: Path
) -> None:
    old, used = add(store, sitting), add(store, sitting)
    upload = tmp_path / "upload" / "me.jpg"
    upload.parent.mkdir()
    upload.touch()
    os.utime(upload.parent, (clock.now, clock.now))
    clock.now += 50
    store.get(used.token)
    clock.now += 20
    with pytest.raises(PhotoError, match="forgotten after 1 minutes"):
        store.get(old.token)
    store.sweep()
    assert [entry.name for entry in tmp_path.iterdir()] == [used.folder.name]
    assert len(store) == 1


def test_a_page_has_one_photo_open_and_it_goes_soon_after_the_page_is_left(
    sitting: Sitting, clock: Clock, tmp_path: Path
) -> None:
    store = Store(tmp_path, max_bytes=1 << 30, share=1 << 30, seconds=900, clock=clock)
    first, others = add(store, sitting, page="mine"), add(store, sitting, page="other")
    second = add(store, sitting, page="mine")
    assert not first.folder.exists()
    store.leave("mine")
    store.leave(None)
    clock.now += 50
    store.sweep()
    assert store.get(second.token) is second  # who was asked whether to leave, and stayed
    clock.now += 50
    store.sweep()
    assert store.get(second.token) is second
    store.leave("mine")
    clock.now += GRACE + 1
    store.sweep()
    assert not second.folder.exists()
    assert store.get(others.token) is others
    store.close(others.token)
    store.close(others.token)
    assert len(store) == 0


def test_a_photo_whose_page_was_left_makes_room_for_anybody_s(tmp_path: Path, sitting: Sitting) -> None:
    store = Store(tmp_path, max_bytes=2 * PHOTO, share=2 * PHOTO, seconds=900)
    left, open_ = (add(store, sitting, page=page, visitor=page) for page in ("left", "open"))
    with pytest.raises(PhotoError, match="no memory left"):
        add(store, sitting, visitor="third")
    store.leave("left")
    new = add(store, sitting, visitor="third")
    assert not left.folder.exists()
    assert store.get(open_.token) is open_
    assert store.get(new.token) is new


def test_few_files_of_each_kind_are_kept(store: Store, sitting: Sitting) -> None:
    photo = add(store, sitting)
    before = photo.folder / "before.jpg"
    before.touch()
    shown = [photo.place("after.jpg", "preview") for _ in range(KEPT + 3)]
    assert len({path.parent for path in shown}) == len(shown)
    assert [path.parent.exists() for path in shown] == [False] * 3 + [True] * KEPT
    assert before.exists()
    assert store.stray_bytes() == 0


def test_places_are_different_when_many_ask_at_once(
    store: Store, sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = add(store, sitting)
    askers, deleted = threading.Barrier(4), shutil.rmtree

    def slow(path: Path, **named: bool) -> None:
        askers.wait(60)  # until all of them have come to deleting the oldest
        deleted(path, **named)

    for _ in range(KEPT):
        photo.place("after.jpg", "preview")
    monkeypatch.setattr(shutil, "rmtree", slow)
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: photo.place("after.jpg", "preview"), range(4)))
    assert len(set(paths)) == 4
    assert all(path.parent.is_dir() for path in paths)
    assert len(list(photo.folder.iterdir())) == KEPT + 1  # `add` made a file of another kind


def test_an_upload_is_discarded_and_nothing_else(store: Store, sitting: Sitting, tmp_path: Path) -> None:
    photo = add(store, sitting)
    result = photo.place("me-70.jpg")
    upload, elsewhere = tmp_path / "hash" / "me.jpg", tmp_path.parent / f"{tmp_path.name}.jpg"
    upload.parent.mkdir()
    for file in (result, upload, elsewhere):
        file.write_text("photo")
        assert store.stray_bytes() == (5 if upload.exists() else 0)
    outside = tmp_path / "hash" / ".." / ".." / elsewhere.name
    for file in (result, elsewhere, outside, upload, upload, tmp_path):
        store.discard(file)
    assert (result.exists(), upload.exists(), elsewhere.exists()) == (True, False, True)
    assert store.stray_bytes() == 0


def test_strays_are_counted_while_they_are_deleted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "me.jpg").write_text("photo")
    walk = os.walk

    def swept_meanwhile(top: Path) -> object:
        found = list(walk(top))
        if top.name == "a":
            shutil.rmtree(top)
        return found

    monkeypatch.setattr(os, "walk", swept_meanwhile)
    assert store.stray_bytes() == 5


def test_what_cannot_be_deleted_keeps_nothing_else(
    store: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (clock.now, clock.now))
    clock.now += 100
    deleted = shutil.rmtree

    def stuck(path: Path) -> None:
        if path.name == "b":
            raise PermissionError(13, "not now", str(path))
        deleted(path)

    monkeypatch.setattr(shutil, "rmtree", stuck)
    store.sweep()
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]
    monkeypatch.undo()
    store.sweep()
    assert list(tmp_path.iterdir()) == []
