"""What the page does, without a page: on real portraits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reage import Reager
from reage.errors import AgeError, BundleError, NoFaceError, PhotoError, VideoError
from reage.photo.files import read_photo, read_provenance
from reage.request import Request
from reage.web.service import Limits, Service

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    folder = tmp_path / "served"
    folder.mkdir()
    return Service(folder, limits=Limits(max_pixels=4_000_000, max_upload=1 << 20))


def test_a_preview_shows_what_the_download_holds(service: Service, portrait: Path, tmp_path: Path) -> None:
    path = tmp_path / "me.png"
    pixels = cv2.resize(read_photo(portrait).pixels, (1500, 1500), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(pixels).quantize(64).save(path)  # small enough for the limit
    photo = service.open(path)
    (face,) = service.faces(photo)
    assert face["index"] == 0
    assert 20 < face["apparent_age"] < 70
    (thumbnail,) = service.thumbnails(photo)
    assert read_photo(thumbnail).width == 160
    preview = service.preview(photo.token, Request(75))
    before, after = (read_photo(p).pixels.astype(int) for p in (preview.before, preview.after))
    assert before.shape == after.shape == (1280, 1280, 3)
    assert preview.changes[0].apparent_after > face["apparent_age"] + 5
    assert read_provenance(preview.after) is not None
    assert read_provenance(preview.before) is None
    saved = service.download(photo.token, Request(75))
    assert saved.name == "me-75.png"
    assert saved.read_bytes() == _as_the_command_line_writes(path, tmp_path)
    whole = cv2.resize(read_photo(saved).pixels, (1280, 1280), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(after - whole).mean() < 2  # of 255: the preview is a JPEG
    assert np.abs(after - before).max() > 20


def _as_the_command_line_writes(path: Path, folder: Path) -> bytes:
    result = Reager.default().open(path).age(to=75)
    return result.save(folder / "expected.png").read_bytes()


def test_what_is_transparent_shows_white(service: Service, portrait: Path, tmp_path: Path) -> None:
    image = Image.open(portrait).convert("RGBA").resize((300, 300))
    image.paste((0, 0, 0, 0), (0, 0, 20, 20))
    image.save(tmp_path / "cut.png")
    photo = service.open(tmp_path / "cut.png")
    shown = read_photo(service.preview(photo.token, Request(75)).after).pixels
    assert shown[4:14, 4:14].min() > 240


def test_several_faces_are_each_aged_as_asked(service: Service, tmp_path: Path) -> None:
    names = ("house_grace-meng", "senate_angus-king")
    people = [read_photo(EXAMPLES / f"{name}.jpg").pixels for name in names]
    tiles = [np.asarray(Image.fromarray(pixels).resize((500, 500))) for pixels in people]
    Image.fromarray(np.concatenate(tiles, axis=1)).save(tmp_path / "two.jpg", quality=92)
    photo = service.open(tmp_path / "two.jpg")
    left, right = sorted(service.faces(photo), key=lambda face: face["box"][0])
    requests = Request(75, faces=left["index"]), Request(25, faces=right["index"], strength=1.2)
    changes = {change.face.index: change for change in service.preview(photo.token, *requests).changes}
    assert changes[left["index"]].apparent_after > left["apparent_age"] + 5
    assert changes[right["index"]].apparent_after < right["apparent_age"] - 5
    saved = service.download(photo.token, *requests)
    assert saved.name == "two-aged.jpg"
    mark = read_provenance(saved)
    assert mark is not None
    assert [face["target_age"] for face in mark["faces"]] == [75, 25]
    assert mark["edits"] == ["strength 1.2"]


def test_without_a_request_the_photo_is_shown_as_it_is(service: Service, portrait: Path) -> None:
    photo = service.open(portrait)
    preview = service.preview(photo.token)
    assert preview.after == preview.before
    with pytest.raises(AgeError, match="nothing is asked"):
        service.download(photo.token)


@pytest.mark.parametrize("suffix", [".heic", ".bmp"])
def test_formats_that_are_read_only_come_back_as_png(
    service: Service, portrait: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"me{suffix}"
    if suffix == ".heic":
        pytest.importorskip("pillow_heif").from_pillow(Image.open(portrait)).save(path)
    else:
        Image.open(portrait).save(path)
    saved = service.download(service.open(path).token, Request(70))
    assert saved.name == "me-70.png"
    with Image.open(saved) as image:
        assert image.format == "PNG"


def test_strip_and_film(service: Service, portrait: Path) -> None:
    photo = service.open(portrait)
    strip = service.strip(photo.token, [30, 60], Request(regions={"neck": 0.0}))
    mark = read_provenance(strip)
    assert mark is not None
    assert [face["target_age"] for face in mark["faces"]] == [30, 60]
    film = service.film(photo.token, (30, 60), Request(), kind="gif", seconds=1)
    with Image.open(film) as moving:
        assert getattr(moving, "n_frames", 1) > 5
    with pytest.raises(AgeError, match="1 to 12 ages"):
        service.strip(photo.token, [30] * 13, Request())
    with pytest.raises(AgeError, match="outside"):
        service.strip(photo.token, [130], Request())
    for kind, seconds in (("avi", 2), ("gif", 3600)):
        with pytest.raises(VideoError):
            service.film(photo.token, (30, 60), Request(), kind=kind, seconds=seconds)


def test_refusals_name_the_file_and_not_its_place(service: Service, portrait: Path, tmp_path: Path) -> None:
    names = ("a.jpg", "b.png", "c.png", "d.png", "e.png")
    text, blank, large, heavy, crowd = (tmp_path / name for name in names)
    text.write_text("no picture")
    Image.new("RGB", (300, 300), (90, 120, 150)).save(blank)
    Image.new("RGB", (2100, 2100)).save(large)
    heavy.write_bytes(bytes((1 << 20) + 1))
    service.limits = replace(service.limits, max_faces=1)
    face = cv2.resize(read_photo(portrait).pixels, (200, 200))
    Image.fromarray(np.tile(face, (1, 3, 1))).save(crowd)
    refusals = {
        text: "a.jpg is not an image",
        crowd: "e.png: a photo of more than 1 faces is too much here; crop it",
        blank: "b.png: no face found",
        large: "make it smaller",
        heavy: "1 MB",
    }
    for path, message in refusals.items():
        with pytest.raises((PhotoError, NoFaceError), match=message) as caught:
            service.open(path)
        assert str(tmp_path) not in str(caught.value)
        assert "--" not in str(caught.value)
    assert len(service.store) == 0
    photo = service.open(portrait)
    with pytest.raises(AgeError, match="outside"):
        service.preview(photo.token, Request(130))
    service.close(photo.token)
    with pytest.raises(PhotoError, match="not open"):
        service.preview(photo.token, Request(70))


def test_an_upload_is_deleted_opened_or_refused(service: Service, portrait: Path) -> None:
    def uploaded(data: bytes) -> Path:
        upload = service.store.folder / "hash" / "me.jpg"
        upload.parent.mkdir(exist_ok=True)
        upload.write_bytes(data)
        return upload

    upload = uploaded(portrait.read_bytes())
    with pytest.raises(BundleError):
        service.open(upload, model="other")
    photo = service.open(upload)
    assert not upload.exists()
    assert service.store.stray_bytes() == 0
    again = service.open(upload)  # equal uploads have one path: another visitor's, who came a moment later
    assert again.token != photo.token
    assert service.faces(again) == service.faces(photo)
    saved = service.download(again.token, Request(70))
    service.open(saved)
    assert saved.exists()  # no upload, but what an open photo may still be asked for
    service.close(photo.token)
    service.close(again.token)
    with pytest.raises(PhotoError, match=r"me\.jpg is not here any more; upload it again"):
        service.open(upload)
    with pytest.raises(PhotoError, match="not an image"):
        service.open(uploaded(b"no picture"))
    assert not upload.exists()


def test_models(service: Service, portrait: Path, tmp_path: Path) -> None:
    assert [model["family"] for model in service.models()] == ["delta"]
    photo = service.open(portrait, model=service.default)
    assert service.use(photo.token, service.default) is photo
    with pytest.raises(BundleError, match="no model 'other'"):
        service.open(portrait, model="other")
    with pytest.raises(BundleError, match="not a folder"):
        Service(tmp_path, models=tmp_path / "absent")
