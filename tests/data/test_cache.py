"""The packed faces that training reads: complete, in order, and whole or not at all."""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from reage.data import cache as caching
from reage.data.cache import Cache, build_cache, open_cache
from reage.errors import DataError, ExistsError
from reage.face.alignment import align_landmarks, rescale_points, utkface_template, warp
from reage.face.detection import FaceDetector

SIZE = 64
PORTRAITS = sorted((Path(__file__).parents[2] / "examples").glob("*.jpg"))


class StillNetwork:
    """Sees every face where the template has it, and none in a picture without contrast."""

    def __init__(self, *, threads: int | None = None) -> None:
        pass

    def read(self, pixels: np.ndarray, *frame: object) -> tuple[np.ndarray, float]:
        mesh = rescale_points(utkface_template().mesh, 200, pixels.shape[0])
        return np.concatenate([mesh, np.zeros((468, 1), np.float32)], 1), float(pixels.std() > 5)

    def refine(self, pixels: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, float]:
        return self.read(pixels)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "LandmarkNetwork", StillNetwork)


def smooth(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(0, 255, (4, 4, 3)).astype(np.float32)
    return cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def write(path: Path, pixels: np.ndarray) -> None:
    assert cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six pictures, of which number 2 has no contrast."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(6):
        write(folder / f"{i}.png", np.full((SIZE, SIZE, 3), 128, np.uint8) if i == 2 else smooth(i))
    return folder


def index(*names: str, keep: list[bool] | None = None) -> pd.DataFrame:
    table = pd.DataFrame(
        {"path": names, "age": np.arange(20.0, 20 + len(names)), "keep": keep or [True] * len(names)}
    )
    table.attrs = {"dataset": "drawn"}
    return table


@pytest.mark.usefixtures("still")
def test_kept_faces_are_packed_in_order_with_their_rows(root: Path, tmp_path: Path) -> None:
    (root / "broken.png").write_bytes(b"no picture")
    table = index(
        "4.png", "1.png", "2.png", "broken.png", "missing.png", "0.png", keep=[True, False, *[True] * 4]
    )
    seen: list[tuple[int, int]] = []
    counts = build_cache(
        table, root, tmp_path / "c", size=SIZE, progress=lambda done, total: seen.append((done, total))
    )
    assert counts == (2, 1, 2)
    assert seen == [(done, 5) for done in range(1, 6)]
    cache = open_cache(tmp_path / "c")
    assert (len(cache), cache.size) == (2, SIZE)
    assert cache.rows["path"].tolist() == ["4.png", "0.png"]
    assert cache.rows["age"].tolist() == [20, 25]
    assert cache.rows.index.tolist() == [0, 1]
    assert cache.dataset == "drawn"
    for image, seed in zip(
        cache.images, (4, 0), strict=True
    ):  # a face that lies as the template has it stays
        assert np.abs(image.astype(int) - smooth(seed)).max() <= 2
    expected = rescale_points(utkface_template().mesh, 200, SIZE)
    assert cache.landmarks.shape == (2, 468, 2)
    assert np.abs(cache.landmarks - expected).max() < 0.1


@pytest.mark.usefixtures("still")
def test_faces_are_packed_at_the_size_asked_for(root: Path, tmp_path: Path) -> None:
    build_cache(index("0.png"), root, tmp_path / "c", size=32, workers=1)
    cache = open_cache(tmp_path / "c")
    assert cache.images.shape == (1, 32, 32, 3)
    half = cv2.resize(smooth(0), (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(cache.images[0].astype(int) - half).max() <= 3
    assert np.abs(cache.landmarks[0] - rescale_points(utkface_template().mesh, 200, 32)).max() < 0.1


@pytest.mark.usefixtures("still")
def test_a_cache_reads_the_same_mapped_and_in_memory(root: Path, tmp_path: Path) -> None:
    build_cache(index("0.png", "1.png"), root, tmp_path / "c", size=32)
    mapped, held = open_cache(tmp_path / "c"), open_cache(str(tmp_path / "c"), in_memory=True)
    assert isinstance(mapped.images, np.memmap)
    assert not isinstance(held.images, np.memmap)
    assert np.array_equal(mapped.images, held.images)
    with pytest.raises(ValueError, match="read-only"):
        mapped.images[0] = 0


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("umask", "folder", "files"), [(0o022, 0o755, 0o644), (0o007, 0o770, 0o660)])
def test_a_cache_may_be_read_by_whom_the_umask_allows(
    umask: int, folder: int, files: int, root: Path, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        build_cache(index("0.png"), root, tmp_path / "c", size=32)
    finally:
        os.umask(before)
    assert (tmp_path / "c").stat().st_mode & 0o777 == folder
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "c").iterdir()} == {files}


@pytest.mark.usefixtures("still")
def test_a_folder_that_exists_is_left_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(ExistsError, match="exists already"):
        build_cache(index("0.png"), root, tmp_path / "c", size=32)
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("table", [index("2.png"), index("missing.png"), index("0.png", keep=[False])])
def test_an_index_without_any_face_makes_no_cache(table: pd.DataFrame, root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no face was found"):
        build_cache(table, root, tmp_path / "c", size=32)
    assert [entry.name for entry in tmp_path.iterdir()] == ["faces"]


@pytest.mark.usefixtures("still")
def test_an_interrupted_build_leaves_nothing(root: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(index("0.png", "1.png", "3.png"), root, tmp_path / "c", size=32, progress=interrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["faces"]


def test_a_folder_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError, match=r"is not a cache.*reage data cache"):
            open_cache(folder)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("content", [b"", b"garbage", None], ids=["empty", "garbage", "cut"])
@pytest.mark.parametrize("name", ["images.npy", "landmarks.npy", "rows.parquet"])
def test_a_damaged_file_is_refused(
    name: str, content: bytes | None, in_memory: bool, root: Path, tmp_path: Path
) -> None:
    build_cache(index("0.png", "1.png"), root, tmp_path / "c", size=32)
    file = tmp_path / "c" / name
    file.write_bytes(file.read_bytes()[:-100] if content is None else content)
    with pytest.raises(DataError, match="is not a cache"):
        open_cache(tmp_path / "c", in_memory=in_memory)


@pytest.mark.usefixtures("still")
def test_arrays_of_different_lengths_are_refused(root: Path, tmp_path: Path) -> None:
    build_cache(index("0.png", "1.png"), root, tmp_path / "c", size=32)
    np.save(tmp_path / "c" / "landmarks.npy", np.zeros((1, 468, 2), np.float16))
    with pytest.raises(DataError, match="damaged"):
        open_cache(tmp_path / "c")


def test_the_real_network_sees_no_face_in_noise(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no face was found"):
        build_cache(index("0.png", "2.png"), root, tmp_path / "c", size=32)


def test_real_faces_are_aligned_to_the_template(root: Path, tmp_path: Path) -> None:
    detector, names = FaceDetector(), []
    for path in PORTRAITS[:2]:
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        matrix = align_landmarks(detector.detect(pixels)[0].landmarks_photo, 200)
        turned = np.array(
            [[0.995, -0.0998, 14], [0.0998, 0.995, -6]], np.float32
        )  # about 6 degrees, off the middle
        together = (np.vstack([turned, [0, 0, 1]]) @ np.vstack([matrix, [0, 0, 1]]))[:2].astype(np.float32)
        write(root / f"{path.stem}.png", warp(pixels, together, (200, 200)))
        names.append(f"{path.stem}.png")
    counts = build_cache(index(*names, "2.png"), root, tmp_path / "c", size=SIZE)
    assert counts == (len(names), 1, 0)
    assert_aligned(open_cache(tmp_path / "c"))


def test_a_face_anywhere_in_a_photo_is_found_too(root: Path, tmp_path: Path) -> None:
    portrait = cv2.resize(cv2.cvtColor(cv2.imread(str(PORTRAITS[0])), cv2.COLOR_BGR2RGB), (300, 300))
    photo = np.full((500, 1200, 3), 120, np.uint8)
    photo[150:450, 850:1150] = portrait
    write(root / "wide.png", photo)
    assert build_cache(index("wide.png"), root, tmp_path / "c", size=SIZE) == (1, 0, 0)
    assert_aligned(open_cache(tmp_path / "c"))


def assert_aligned(cache: Cache) -> None:
    template = utkface_template()
    target = rescale_points(template.points, template.canvas, SIZE)
    for landmarks in cache.landmarks:
        assert np.abs(template.points_of(landmarks.astype(np.float32)) - target).max() < 0.07 * SIZE
