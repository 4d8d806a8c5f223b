"""`reage photo`, `strip` and `film` between other programs, and where their output goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reage.cli.main import main
from reage.errors import WriteError
from reage.photo.files import read_provenance
from reage.result import Result as Edited


def reage(*arguments: object, given: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["photo", *map(str, arguments), "--to", "70"], input=given)


def test_a_photo_goes_in_and_out_through_pipes(photo: Path) -> None:
    through = reage("-", "-o", "-", given=photo.read_bytes())
    assert through.exit_code == 0, through.stderr
    assert "apparent age" in through.stderr
    reage(photo)
    assert through.stdout_bytes == photo.with_name("me-70.jpg").read_bytes()
    assert read_provenance(through.stdout_bytes) is not None
    assert reage("-", "-o", photo.with_name("it.png"), given=photo.read_bytes()).exit_code == 0
    assert read_provenance(photo.with_name("it.png")) is not None


def test_what_a_pipe_cannot_do_is_told(photo: Path, tmp_path: Path) -> None:
    ends = {
        "standard input has no name": ["-"],
        "give -o FILE": ["-", photo, "-o", tmp_path],
        "takes one photo": [photo, photo, "-o", "-"],
        "layers are written beside the output file": [photo, "-o", "-", "--layers"],
        "--json": [photo, "-o", "-", "--json"],
        "is not an image": ["-", "-o", "-"],
    }
    for message, arguments in ends.items():
        result = reage(*arguments, given=b"no photo")
        assert result.exit_code == 2, message
        assert message in result.stderr
        assert result.stdout == ""


@pytest.mark.parametrize(
    "command", [["strip", "--tile", 64, "--ages", "30,60"], ["film", "--seconds", 0.5, "--fps", 4]]
)
def test_a_strip_and_a_film_go_through_pipes(command: list[object], photo: Path) -> None:
    name, *options = map(str, command)

    def run(*arguments: str, given: bytes = photo.read_bytes()) -> Result:
        return CliRunner().invoke(main, [name, *arguments, *options], input=given)

    through = run("-", "-o", "-")
    assert through.exit_code == 0, through.stderr
    assert read_provenance(through.stdout_bytes) is not None
    assert run("-").stderr == "reage: standard input has no name; give -o FILE, or -o - for standard output\n"
    assert run("-", "-o", "-", given=b"no photo").stdout == ""
    place = photo.with_name("it.jpg" if name == "strip" else "it.gif")
    assert run("-", "-o", str(place)).stdout == f"{place}\n"


def test_a_name_that_ends_in_a_slash_is_that_of_a_folder(photo: Path, tmp_path: Path) -> None:
    assert reage(photo, "-o", f"{tmp_path}/new.d/", "--quiet").exit_code == 0
    assert (tmp_path / "new.d" / "me-70.jpg").is_file()


def test_a_photo_whose_layers_fail_is_told_to_stand(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Edited, folder: Path, *, overwrite: bool) -> Path:
        raise WriteError(folder, "No space left on device")

    monkeypatch.setattr(Edited, "save_layers", full)
    result = reage(photo, "--layers", "--json")
    assert result.exit_code == 2
    (entry,) = json.loads(result.stdout)
    assert (entry["output"], entry["layers"]) == (str(photo.with_name("me-70.jpg")), None)
    assert "No space left on device" in entry["error"]
    assert read_provenance(entry["output"]) is not None
