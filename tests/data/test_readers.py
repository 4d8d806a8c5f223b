"""Names and tables become records; what cannot be read is reported, never fatal and never silent."""

from pathlib import Path

import pytest

from reage.data.readers import READERS, Record, find_utkface, get_reader, read_csv, read_fgnet, read_utkface
from reage.errors import DataError


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "age", "gender", "race"),
    [
        ("26_0_4_20170116220224657.jpg", 26, "M", 4),
        ("100_1_0_20170112213500903.jpg.chip.jpg", 100, "F", 0),
        ("24_0_1_20170116220224657 .jpg.chip.jpg", 24, "M", 1),
        ("55_0_0_20170116232725357jpg.chip.jpg", 55, "M", 0),
        ("14_0_0_2017011022340900.jpg.chip.jpg", 14, "M", 0),
        ("1_1_2_20161219140623097.JPG", 1, "F", 2),
    ],
)
def test_utkface_names_that_say_everything(
    tmp_path: Path, name: str, age: int, gender: str, race: int
) -> None:
    records, problems = read_utkface(touch(tmp_path / "f", name))
    assert [(r.path, r.age, r.gender, r.race) for r in records] == [(name, age, gender, race)]
    assert problems == []


@pytest.mark.parametrize(
    "name", ["61_1_20170109142408075.jpg.chip.jpg", "39_2_1_20170116174525125.jpg", "5_.jpg"]
)
def test_utkface_name_with_a_gap_keeps_only_its_age(tmp_path: Path, name: str) -> None:
    records, problems = read_utkface(touch(tmp_path / "f", name))
    assert records == [Record(name, float(name.split("_")[0]))]
    assert len(problems) == 1
    assert not problems[0].skipped
    assert name in str(problems[0])


@pytest.mark.parametrize(
    "name", ["face.jpg", "_1_2_20170109142408075.jpg", "117_0_0_20170109142408075.jpg", "2017.png"]
)
def test_utkface_name_without_a_usable_age_is_skipped(tmp_path: Path, name: str) -> None:
    records, problems = read_utkface(touch(tmp_path / "f", name))
    assert records == []
    assert [(p.path, p.skipped) for p in problems] == [(name, True)]


def test_other_files_are_ignored_and_the_order_is_fixed(tmp_path: Path) -> None:
    folder = touch(tmp_path / "f", "9_0_0_2017.jpg", "10_0_0_2017.jpg", "readme.txt", "._9_0_0_2017.jpg")
    records, problems = read_utkface(folder)
    assert [r.path for r in records] == ["10_0_0_2017.jpg", "9_0_0_2017.jpg"]
    assert problems == []


def test_folder_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        read_utkface(tmp_path / "none")
    (tmp_path / "outer" / "UTKFace").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no images.*UTKFace"):
        read_utkface(tmp_path / "outer")


def test_fgnet_names_give_subject_and_age(tmp_path: Path) -> None:
    records, problems = read_fgnet(touch(tmp_path / "f", "001A02.JPG", "045A18b.jpg", "notes.jpg"))
    assert [(r.age, r.subject, r.gender) for r in records] == [(2, "001", None), (18, "045", None)]
    assert [p.path for p in problems] == ["notes.jpg"]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_reads_labels_in_their_usual_spellings(tmp_path: Path) -> None:
    touch(tmp_path / "sub", "a.jpg", "b.jpg", "c.jpg")
    table = write(
        tmp_path / "t.csv",
        "\ufefffile,age,gender,race,subject\nsub/a.jpg,30.5,female,2,ann\nsub\\b.jpg,4,0,-1,\nsub/c.jpg,7,?,,\n",
    )
    records, problems = read_csv(table)
    assert records == [
        Record("sub/a.jpg", 30.5, "F", 2, "ann"),
        Record("sub/b.jpg", 4.0, "M"),
        Record("sub/c.jpg", 7.0),
    ]
    assert problems == []


def test_csv_needs_only_file_and_age_and_takes_a_folder(tmp_path: Path) -> None:
    folder = touch(tmp_path / "images", "a.jpg")
    table = write(tmp_path / "t.csv", "age,file\n30,a.jpg\n")
    assert read_csv(table, folder)[0] == [Record("a.jpg", 30.0)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg,old,M,0", "not a number"),
        ("a.jpg,nan,M,0", "not between"),
        ("a.jpg,150,M,0", "not between"),
        ("a.jpg,30,x,0", "neither M nor F"),
        ("a.jpg,30,M,x", "whole number"),
        ("gone.jpg,30,M,0", "no such file"),
        ("x" * 5000 + ".jpg,30,M,0", "no such file"),
        ("../t.csv,30,M,0", "below"),
        (",30,M,0", "below"),
        ("a.jpg", "not a number"),
    ],
)
def test_csv_reports_bad_rows_with_their_line_and_reads_on(tmp_path: Path, row: str, reason: str) -> None:
    folder = touch(tmp_path / "images", "a.jpg", "good.jpg")
    table = write(tmp_path / "t.csv", f"file,age,gender,race\n{row}\ngood.jpg,30,M,0\n")
    records, problems = read_csv(table, folder)
    assert [r.path for r in records] == ["good.jpg"]
    assert len(problems) == 1
    assert "line 2" in str(problems[0])
    assert reason in problems[0].reason


def test_csv_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="lacks the column age"):
        read_csv(write(tmp_path / "a.csv", "file,years\nx,1\n"))
    with pytest.raises(DataError, match=r"no usable row.*no such file"):
        read_csv(write(tmp_path / "b.csv", "file,age\ngone.jpg,1\n"))
    (tmp_path / "c.csv").write_bytes(b"file,age\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_csv(tmp_path / "c.csv")


def test_find_utkface_takes_the_first_place_with_more_than_50_pictures_or_lists_all(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(DataError) as caught:
        find_utkface(places)
    assert all(str(place) in str(caught.value) for place in places)
    for place, count in zip(places, (50, 51), strict=True):
        place.mkdir()
        (place / "readme.txt").touch()
        for number in range(count):
            (place / f"{number}_0_0_2017.jpg").touch()
    assert find_utkface(places) == places[1]
    (places[1] / "0_0_0_2017.jpg").unlink()
    with pytest.raises(DataError, match="more than 50 pictures"):
        find_utkface(places)


def test_registry() -> None:
    assert set(READERS) == {"utkface", "fgnet", "csv"}
    assert get_reader("fgnet") is read_fgnet
    with pytest.raises(DataError, match=r"imdb.*utkface"):
        get_reader("imdb")
