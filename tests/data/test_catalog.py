"""The index: what it measures, what it keeps, how it splits, and how it is stored."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from conftest import Draw
from reage.data import catalog
from reage.data.catalog import COLUMNS, build_index, index_dataset, read_index, split_of, summary, write_index
from reage.data.readers import Problem, Record
from reage.errors import DataError, WriteError

PINNED = [
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "val",
    "val",
    "val",
    "train",
]


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def index(root: Path, labels: Sequence[tuple[str, float, str | None]]) -> pd.DataFrame:
    records = [Record(path, age, gender) for path, age, gender in labels]  # type: ignore[arg-type]
    return build_index(records, root).set_index("path", drop=False)


@pytest.fixture
def folder(tmp_path: Path, draw_face: Draw) -> Path:
    """Twelve strangers, named as in UTKFace."""
    for seed in range(12):
        save(tmp_path / "faces" / f"{20 + seed}_{seed % 2}_0_2017{seed:013}.jpg", draw_face(seed))
    return tmp_path / "faces"


def test_an_index_of_strangers_keeps_them_all(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    df, problems = index_dataset("utkface", folder, progress=lambda done, total: seen.append((done, total)))
    assert tuple(df.columns) == COLUMNS
    assert seen == [(done, 12) for done in range(1, 13)]
    assert problems == []
    assert df["keep"].all()
    assert not df["corrupt"].any()
    assert (df["group_size"] == 1).all()
    assert df["path"].is_monotonic_increasing
    assert set(df["width"]) == set(df["height"]) == {200}
    assert df["phash"].str.fullmatch(r"[0-9a-f]{16}").all()
    assert df.attrs == {"dataset": "utkface", "root": str(folder.resolve()), "version": 1}


def test_quality_measures(tmp_path: Path, draw_face: Draw) -> None:
    face = draw_face(1, size=120)
    save(tmp_path / "sharp.png", face)
    save(tmp_path / "blurred.png", cv2.GaussianBlur(face, (0, 0), 2))
    save(tmp_path / "grey.jpg", draw_face(2, colour=False))
    df = index(tmp_path, [("sharp.png", 30, "M"), ("blurred.png", 30, "M"), ("grey.jpg", 30, "F")])
    assert df["sharpness"]["sharp.png"] > 2 * df["sharpness"]["blurred.png"] > 0
    laplacian = cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), cv2.CV_64F)
    assert df["sharpness"]["sharp.png"] == pytest.approx(laplacian.var())
    assert df["gray"].to_dict() == {"blurred.png": False, "grey.jpg": True, "sharp.png": False}
    assert df["width"]["sharp.png"] == 120


def test_of_copies_the_sharpest_is_kept(tmp_path: Path, draw_face: Draw) -> None:
    face = draw_face(1)
    save(tmp_path / "a.png", cv2.GaussianBlur(face, (0, 0), 2))
    save(tmp_path / "b.png", face)
    save(tmp_path / "c.png", face[:, ::-1])
    save(tmp_path / "d.png", draw_face(2))
    df = index(tmp_path, [("a.png", 30, "M"), ("b.png", 31, "M"), ("c.png", 33, None), ("d.png", 60, "F")])
    assert df["group_size"].tolist() == [3, 3, 3, 1]
    assert df["keep"].tolist() == [False, True, False, True]
    assert not df["contradictory"].any()


@pytest.mark.parametrize(("age", "gender"), [(33.5, "M"), (30, "F")])
def test_copies_with_labels_that_disagree_are_all_left_out(
    tmp_path: Path, draw_face: Draw, age: float, gender: str
) -> None:
    save(tmp_path / "a.jpg", draw_face(1))
    shutil.copy(tmp_path / "a.jpg", tmp_path / "b.jpg")
    save(tmp_path / "c.jpg", draw_face(2))
    df = index(tmp_path, [("a.jpg", 30, "M"), ("b.jpg", age, gender), ("c.jpg", 70, "F")])
    assert df["contradictory"].tolist() == [True, True, False]
    assert df["keep"].tolist() == [False, False, True]


def test_damaged_files_are_marked_and_never_fatal(tmp_path: Path, draw_face: Draw) -> None:
    whole = save(tmp_path / "whole.jpg", draw_face(1)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    png = save(tmp_path / "cut.png", draw_face(2)).read_bytes()
    (tmp_path / "cut.png").write_bytes(png[: len(png) // 2])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "empty2.jpg").touch()
    (tmp_path / "padded.jpg").write_bytes(save(tmp_path / "p.jpg", draw_face(3)).read_bytes() + b"\0trailer")
    names = [
        "cut.jpg",
        "cut.png",
        "empty.jpg",
        "empty2.jpg",
        "gone.jpg",
        "padded.jpg",
        "text.jpg",
        "whole.jpg",
    ]
    df = index(tmp_path, [(name, age, "M") for age, name in enumerate(names)])
    assert df.index[~df["corrupt"]].tolist() == ["padded.jpg", "whole.jpg"]
    assert df["keep"].equals(~df["corrupt"])
    assert (df["group_size"] == 1).all()
    assert set(df["split"]) <= {"train", "val", "test"}


def test_a_file_listed_twice_counts_once(tmp_path: Path, draw_face: Draw) -> None:
    save(tmp_path / "a.jpg", draw_face(1))
    df = build_index([Record("a.jpg", 30, "M"), Record("a.jpg", 31, "M")], tmp_path)
    assert df["keep"].sum() == 1


def test_splits_depend_on_content_and_not_on_names_or_order(folder: Path, tmp_path: Path) -> None:
    first, _ = index_dataset("utkface", folder)
    renamed = tmp_path / "elsewhere"
    renamed.mkdir()
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copy(path, renamed / f"{path.name.split('_')[0]}_0_0_2018{number:02}.jpg")
    second, _ = index_dataset("utkface", renamed, workers=1)
    assert dict(zip(first["md5"], first["split"], strict=True)) == dict(
        zip(second["md5"], second["split"], strict=True)
    )


def test_split_is_pinned_and_has_its_shares() -> None:
    # A change here moves test faces into training, and makes every published number void.
    assert [split_of(f"{number:032x}") for number in range(12)] == PINNED
    share = pd.Series([split_of(f"{number:032x}") for number in range(5000)]).value_counts(normalize=True)
    assert share["train"] == pytest.approx(0.8, abs=0.02)
    assert share["val"] == pytest.approx(0.1, abs=0.02)
    assert share["test"] == pytest.approx(0.1, abs=0.02)


def test_copies_are_never_in_two_splits(tmp_path: Path, draw_face: Draw) -> None:
    labels = []
    for seed in range(30):
        for quality in (95, 60):
            name = f"{seed}-{quality}.jpg"
            cv2.imwrite(str(tmp_path / name), draw_face(seed), [cv2.IMWRITE_JPEG_QUALITY, quality])
            labels.append((name, 30.0, "M"))
    df = index(tmp_path, labels)
    assert (df["group_size"] == 2).all()
    assert (df.groupby("group")["split"].nunique() == 1).all()
    assert df["split"].nunique() > 1


def test_a_subject_is_never_in_two_splits(tmp_path: Path, draw_face: Draw) -> None:
    for subject in range(8):
        for age in range(5):
            save(tmp_path / f"{subject:03}A{age:02}.jpg", draw_face(10 * subject + age))
    df, _ = index_dataset("fgnet", tmp_path)
    assert df["keep"].all()
    assert (df.groupby("subject")["split"].nunique() == 1).all()
    assert df["split"].nunique() > 1


def test_write_and_read_give_the_same_index(folder: Path, tmp_path: Path) -> None:
    df, _ = index_dataset("utkface", folder)
    path = tmp_path / "new" / "index.parquet"
    write_index(df, path)
    again = read_index(path)
    pd.testing.assert_frame_equal(again, df)
    assert again.attrs == df.attrs
    assert [p.name for p in path.parent.iterdir()] == ["index.parquet"]
    assert all((Path(again.attrs["root"]) / name).is_file() for name in again["path"])


def test_a_failed_write_leaves_the_old_index(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    df, _ = index_dataset("utkface", folder)
    path = tmp_path / "out" / "index.parquet"
    write_index(df, path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WriteError, match="No space left"):
        write_index(df.head(3), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["index.parquet"]


def test_reading_what_is_not_an_index(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="there is no index"):
        read_index(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_index(tmp_path / "text.parquet")
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="not an index"):
        read_index(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="not an index"):
        write_index(pd.DataFrame({"x": [1]}), tmp_path / "x.parquet")
    monkeypatch.setattr(catalog, "INDEX_VERSION", 2)
    write_index(index_dataset("utkface", folder)[0], tmp_path / "later.parquet")
    monkeypatch.undo()
    with pytest.raises(DataError, match="version 2, not 1") as caught:
        read_index(tmp_path / "later.parquet")
    assert "\n" not in str(caught.value)


def test_a_damaged_index_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    path, rng = tmp_path / "index.parquet", np.random.default_rng(0)
    write_index(index_dataset("utkface", folder)[0], path)
    whole = path.read_bytes()
    refusals = []
    for number in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 4):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole))] if number % 5 == 0 else damaged)
        try:
            read_index(path)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert "\n" not in "".join(refusals)


def test_index_dataset_from_csv_and_its_errors(folder: Path, tmp_path: Path) -> None:
    names = sorted(p.name for p in folder.iterdir())
    table = tmp_path / "labels.csv"
    table.write_text("file,age\n" + "".join(f"{name},40\n" for name in names) + "gone.jpg,40\n")
    df, problems = index_dataset("csv", table, folder=folder)
    assert len(df) == 12
    assert len(problems) == 1
    assert df["gender"].isna().all()
    assert df["race"].isna().all()
    write_index(df, tmp_path / "i.parquet")
    assert len(read_index(tmp_path / "i.parquet")) == 12
    with pytest.raises(DataError, match="give the table"):
        index_dataset("csv")
    with pytest.raises(DataError, match="choose one of"):
        index_dataset("celeba", folder)
    with pytest.raises(DataError, match="no records"):
        build_index([], folder)


def test_summary_tells_people_what_happened(folder: Path) -> None:
    shutil.copy(folder / "20_0_0_20170000000000000.jpg", folder / "70_0_0_20170000000000099.jpg")
    (folder / "25_0_0_20170000000000098.jpg").write_text("broken")
    df, problems = index_dataset("utkface", folder)
    text = summary(df, [*problems, *(Problem(f"{n}.jpg", "odd") for n in range(12))])
    for pattern in (
        "images +14 +kept 11",
        "corrupt +1\n",
        "duplicates +2 +images in 1 groups of up to 2",
        "contradictions +1 +groups, 2 images",
        "problems +12 +12 skipped",
        "20-29 +11 +9",
        "70-79 +1 +0",
        "and 2 more",
    ):
        assert re.search(pattern, text), (pattern, text)
    assert "problems" in summary(df)
