"""Files are written whole or not at all, and never over something by accident."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest

from reage.errors import ExistsError, ReageError, WriteError
from reage.files import refuse_existing, writing, writing_folder

IMPOSSIBLE = ("nul\0.txt", "n" * 300, "lone \ud800 surrogate")


def test_what_exists_is_refused_unless_it_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    refuse_existing(tmp_path / "free")
    refuse_existing(tmp_path / "new" / "folder" / "free")
    refuse_existing(file, overwrite=True)
    refuse_existing(tmp_path, overwrite=True, folder=True)
    for path, folder in ((file, False), (tmp_path, True)):
        with pytest.raises(ExistsError) as caught:
            refuse_existing(path, folder=folder)
        assert str(caught.value) == f"{path} exists already"
        assert caught.value.path == path
        assert str(copy.copy(caught.value)) == str(caught.value)  # as a process pool hands it on


def test_a_link_to_nothing_is_something(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "absent")
    with pytest.raises(ExistsError):
        refuse_existing(link)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_and_a_folder_do_not_replace_each_other(overwrite: bool, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(WriteError, match="is a folder; give the name of a file in it"):
        refuse_existing(tmp_path, overwrite)
    with pytest.raises(WriteError, match="is a file, where a folder"):
        refuse_existing(file, overwrite, folder=True)
    with pytest.raises(WriteError, match="Not a directory"):
        refuse_existing(file / "inside", overwrite)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_names_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    for write in (writing, writing_folder):
        with pytest.raises(WriteError, match="cannot be written: ") as caught, write(tmp_path / name) as part:
            part.touch() if write is writing else (part / "file").touch()
        assert caught.value.path == tmp_path / name
    with pytest.raises(WriteError, match="cannot be written: "):
        refuse_existing(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with writing(path) as part:
        part.write_text("half")
        assert not path.exists()
        assert part.parent == path.parent
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_appears_when_it_is_complete_and_keeps_what_else_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for number in "12":
        with writing_folder(path) as part:
            (part / "same.txt").write_text(number)
            (part / f"{number}.txt").write_text(number)
    assert {file.name: file.read_text() for file in path.iterdir()} == {
        "same.txt": "2",
        "1.txt": "1",
        "2.txt": "2",
    }
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("a bug"), ReageError("no face"), KeyboardInterrupt()])
def test_other_errors_pass_unchanged_and_leave_the_old_file(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(part: Path) -> None:
        part.write_text("new")
        raise error

    with pytest.raises(type(error)) as caught, writing(path) as part:
        fail(part)
    assert caught.value is error
    with pytest.raises(type(error)) as caught, writing_folder(tmp_path / "folder") as part:
        fail(part / "file.txt")
    assert caught.value is error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_in_a_folder_names_the_folder_and_not_its_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    path = tmp_path / "folder"
    with (
        pytest.raises(WriteError) as caught,
        writing_folder(path) as part,
        writing(part / "file.txt") as file,
    ):
        file.touch()
    assert str(caught.value) == f"'{path}' cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []
