"""The index of a data set: one row per image with its labels, quality, duplicate group and split."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from reage.arrays import Int64
from reage.data.duplicates import (
    THUMBNAIL,
    connected_groups,
    duplicate_pairs,
    perceptual_hash,
    thumbnail,
)
from reage.data.readers import Problem, Record, find_utkface, get_reader, read_csv
from reage.errors import DataError
from reage.files import writing

INDEX_VERSION = 1
SPLIT_SEED = "reage-1"
SPLITS = (("train", 0.8), ("val", 0.1), ("test", 0.1))
MAX_AGE_SPREAD = 3.0  # years between the labels of copies of one photograph; more is a contradiction
GRAY_SPREAD = 5.0  # levels between the channels, on average: JPEG noise and faint toning stay below

COLUMNS = (
    "path", "age", "gender", "race", "subject", "width", "height", "corrupt", "gray", "sharpness",
    "md5", "phash", "group", "group_size", "contradictory", "keep", "split",
)  # fmt: skip

Progress = Callable[[int, int], None]


def _blank() -> NDArray[np.uint8]:
    return np.zeros((THUMBNAIL, THUMBNAIL), np.uint8)


@dataclass(frozen=True)
class Measurement:
    """What the pixels of one image say; of a corrupt one only `md5` means anything.

    `sharpness` is the variance of the Laplacian of the grey image, in squared grey levels: comparable
    only between images of one size. `gray` tells an image without colour.
    """

    width: int = 0
    height: int = 0
    corrupt: bool = True
    gray: bool = False
    sharpness: float = 0.0
    md5: str = ""
    thumb: NDArray[np.uint8] = field(default_factory=_blank)  # (32, 32)


def index_dataset(
    name: str,
    source: Path | str | None = None,
    *,
    folder: Path | str | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, list[Problem]]:
    """Read the data set `name` (a key of `READERS`) and index it; returns the index and the problems.

    `source` is its folder, or for "csv" the table, whose images are in `folder` (by default beside it).
    For "utkface" it may be left out and is then looked for in the usual places.

    Raises:
        DataError: the data set is unknown, missing or empty.
    """
    reader = get_reader(name)
    if source is None:
        if name != "utkface":
            raise DataError(f"give the {'table' if name == 'csv' else 'folder'} of the data set {name}")
        source = find_utkface()
    root = source = Path(source)
    if name == "csv":
        root = Path(folder) if folder is not None else source.parent
        records, problems = read_csv(source, root)
    else:
        records, problems = reader(source)
    return build_index(records, root, name=name, workers=workers, progress=progress), problems


def build_index(
    records: Sequence[Record],
    root: Path | str,
    *,
    name: str = "custom",
    workers: int = 2,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Decode every image of `records` below `root` and return the index, one row per record by path.

    `progress(done, total)` is called after each image. Columns, beside those of `Record`:
        width, height (pixels); corrupt (undecodable or truncated); gray; sharpness (see `Measurement`);
        md5 (of the file); phash (64 bits as 16 hexadecimal digits);
        group, group_size: copies of one photograph share a group;
        contradictory: the ages in the group differ by more than 3 years, or its genders differ;
        keep: neither corrupt nor contradictory, and the sharpest of its group;
        split: train, val or test, the same for a whole group, and for all images of a subject.

    `df.attrs` holds dataset, root and version. Two idle cores take 25 s for the 23,708 of UTKFace.

    Raises:
        DataError: there are no records.
    """
    if not records:
        raise DataError(f"the data set {name} has no records to index")
    root = Path(root).resolve()
    records = sorted(records, key=lambda record: record.path)
    measured = list(_measure_all([root / record.path for record in records], workers, progress))
    df = _tabulate(records, measured)
    thumbs = np.stack([m.thumb for m in measured])
    hashes = np.stack([perceptual_hash(thumb) for thumb in thumbs])
    df["phash"] = [np.packbits(bits).tobytes().hex() for bits in hashes[:, 0]]
    pairs = np.concatenate([_equal_pairs(df["md5"]), duplicate_pairs(thumbs, hashes)])
    df["group"] = connected_groups(len(df), pairs)
    df["group_size"] = df.groupby("group")["group"].transform("size")
    df["contradictory"] = _contradictory(df)
    df["keep"] = _keep(df)
    df["split"] = _split(df, pairs)
    index: pd.DataFrame = df[list(COLUMNS)]
    index.attrs = {"dataset": name, "root": str(root), "version": INDEX_VERSION}
    return index


def measure(path: Path) -> Measurement:
    """Decode one image file and measure it; never raises for a bad file."""
    try:
        data = path.read_bytes()
    except OSError:
        return Measurement()
    if not data:  # empty files are no copies of one another
        return Measurement()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    image = None if _is_damaged(data) else _decode(data)
    if image is None:
        return Measurement(md5=md5)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return Measurement(
        width=image.shape[1],
        height=image.shape[0],
        corrupt=False,
        gray=bool(np.ptp(image, axis=2).mean() < GRAY_SPREAD),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
        md5=md5,
        thumb=thumbnail(grey),
    )


def split_of(md5: str, seed: str = SPLIT_SEED) -> str:
    """Return the split of a group whose smallest MD5 is `md5`: a hash decides, so no order or name does."""
    digest = hashlib.sha256(f"{seed}:{md5}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    for name, share in SPLITS:
        position -= share
        if position < 0:
            return name
    return SPLITS[-1][0]


def write_index(df: pd.DataFrame, path: Path | str) -> None:
    """Write an index made by `build_index` as Parquet, whole or not at all.

    Raises:
        DataError: `df` is not such an index.
        WriteError: the file cannot be written.
    """
    if "version" not in df.attrs:
        raise DataError("the table is not an index; make one with build_index")
    path = Path(path)
    with writing(path) as part:
        df.to_parquet(part, engine="pyarrow", index=False)  # pandas keeps df.attrs in the metadata


def read_index(path: Path | str) -> pd.DataFrame:
    """Read an index; `df.attrs` holds dataset, root (folder that the paths are relative to) and version.

    Raises:
        DataError: the file is missing, is not an index of reage, or is of another version.
    """
    path = Path(path)
    advice = "make one with `reage data index`"
    if not path.is_file():
        raise DataError(f"there is no index {path}; {advice}")
    try:
        df = pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise DataError(f"{path} is not a Parquet file; {advice}") from error
    version = df.attrs.get("version")
    if version is None or not set(COLUMNS) <= set(df.columns):
        raise DataError(f"{path} is not an index of reage; {advice}")
    if version != INDEX_VERSION:
        raise DataError(f"{path} is an index of version {version}, not {INDEX_VERSION}; {advice}")
    return df


def summary(df: pd.DataFrame, problems: Sequence[Problem] = ()) -> str:
    """Describe an index for people: counts, splits, ages, and what was left out and why."""
    copies = df["group_size"] > 1
    groups = df[copies].groupby("group")
    contradictory = int(groups["contradictory"].first().sum()) if copies.any() else 0
    largest = int(df["group_size"].max())
    lines = [
        f"{df.attrs.get('dataset', 'data set')} in {df.attrs.get('root', '?')}",
        f"images          {len(df):>7,}   kept {int(df['keep'].sum()):,}",
        f"corrupt         {int(df['corrupt'].sum()):>7,}",
        f"duplicates      {int(copies.sum()):>7,}   images in {groups.ngroups:,} groups of up to {largest}",
        f"contradictions  {contradictory:>7,}   groups, {int(df['contradictory'].sum()):,} images",
        f"problems        {len(problems):>7,}   {sum(p.skipped for p in problems):,} skipped",
        "",
        "split        all    kept",
    ]
    for name, _ in SPLITS:
        part = df[df["split"] == name]
        lines.append(f"{name:<8}{len(part):>8,}{int(part['keep'].sum()):>8,}")
    lines += ["", "ages         all    kept"]
    decades = df["age"] // 10 * 10
    for decade, part in df.groupby(decades):
        low = int(decade)
        lines.append(f"{f'{low}-{low + 9}':<8}{len(part):>8,}{int(part['keep'].sum()):>8,}")
    shown = [f"  {problem}" for problem in problems[:10]]
    if len(problems) > 10:
        shown.append(f"  and {len(problems) - 10:,} more")
    return "\n".join([*lines, *(["", "problems", *shown] if shown else [])])


def _measure_all(paths: Sequence[Path], workers: int, progress: Progress | None) -> Iterator[Measurement]:
    """Measure in threads (OpenCV releases the GIL), in order."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for done, result in enumerate(pool.map(measure, paths), start=1):
            if progress is not None:
                progress(done, len(paths))
            yield result


def _decode(data: bytes) -> NDArray[np.uint8] | None:
    try:
        image: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # raised for an empty buffer and for absurd sizes
        return None
    return image


def _is_damaged(data: bytes) -> bool:
    """Tell a truncated file: OpenCV fills what is missing with grey and says nothing, but Pillow raises."""
    if data.rstrip(b"\0").endswith((b"\xff\xd9", b"IEND\xaeB`\x82")):
        return False  # ends as JPEG and PNG must: spared the second decoding
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return True
    return False


def _tabulate(records: Sequence[Record], measured: Sequence[Measurement]) -> pd.DataFrame:
    df: pd.DataFrame = pd.DataFrame([asdict(record) for record in records])
    df["race"] = df["race"].astype("Int8")
    df["subject"] = df["subject"].astype("string")  # otherwise a column of None has no type on disk
    for column in ("width", "height", "corrupt", "gray", "sharpness", "md5"):
        df[column] = [getattr(m, column) for m in measured]
    return df


def _equal_pairs(values: pd.Series[str]) -> Int64:
    """Pairs (P, 2) of positions with equal values, each with the first of its kind; blanks are not equal."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(v, i), i) for i, v in enumerate(values) if isinstance(v, str) and v]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)


def _contradictory(df: pd.DataFrame) -> pd.Series[bool]:
    groups = df.groupby("group")
    spread = groups["age"].transform("max") - groups["age"].transform("min")
    wrong: pd.Series[bool] = (spread > MAX_AGE_SPREAD) | (groups["gender"].transform("nunique") > 1)
    return wrong


def _keep(df: pd.DataFrame) -> pd.Series[bool]:
    """Of copies the sharpest is kept: many UTKFace pairs are a photograph and its enlarged thumbnail."""
    order = df.sort_values(["corrupt", "sharpness", "path"], ascending=[True, False, True])
    first = ~order["group"].duplicated()
    keep: pd.Series[bool] = first.reindex(df.index) & ~df["corrupt"] & ~df["contradictory"]
    return keep


def _split(df: pd.DataFrame, pairs: Int64) -> list[str]:
    """Splits by duplicate group, widened to whole subjects, so that nobody is in two splits."""
    unit = connected_groups(len(df), np.concatenate([pairs, _equal_pairs(df["subject"])]))
    key = df["md5"].where(df["md5"] != "", df["path"])
    smallest = key.groupby(unit).transform("min")
    return [split_of(md5) for md5 in smallest]
