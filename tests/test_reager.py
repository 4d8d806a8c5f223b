"""The object a user holds, on real portraits with the embedded model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reage import Reager
from reage.edit.masks import REGIONS
from reage.edit.surroundings import survey
from reage.errors import AgeError, ExistsError, NoFaceError, RegionError
from reage.photo.files import Photo, read_photo, read_provenance
from reage.reager import Sitting

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def sitting(reager: Reager, portrait: Path) -> Sitting:
    return reager.open(portrait)


def test_older_reads_older_and_younger_reads_younger(sitting: Sitting) -> None:
    young = sitting.age(to=22).changes[0]
    old = sitting.age(to=78).changes[0]
    assert old.apparent_after > young.apparent_after + 8
    assert young.source_age == pytest.approx(sitting.faces[0].apparent_age)


def test_the_same_age_in_and_out_changes_nothing(sitting: Sitting) -> None:
    result = sitting.age(to=40, source=40)
    assert np.array_equal(result.pixels, sitting.photo.pixels)


def test_only_the_face_changes_and_the_original_stays(sitting: Sitting) -> None:
    before = sitting.photo.pixels.copy()
    result = sitting.age(to=75)
    assert np.array_equal(sitting.photo.pixels, before)
    changed = (result.pixels != before).any(2)
    ys, xs = np.nonzero(changed)
    x0, y0, x1, y1 = sitting.faces[0].box
    reach = 0.35 * (x1 - x0)
    assert changed.any()
    assert x0 - reach < xs.min()
    assert xs.max() < x1 + reach
    assert y0 - 2 * reach < ys.min()
    assert ys.max() < y1 + reach


def test_a_reduced_sitting_shows_the_same_edit_in_fewer_pixels(reager: Reager, portrait: Path) -> None:
    pixels = cv2.resize(read_photo(portrait).pixels, (1301, 1100), interpolation=cv2.INTER_CUBIC)
    whole = reager.sit(Photo(pixels))
    small = whole.reduced(400)
    assert (small.photo.width, small.photo.height) == (400, 338)
    assert small.faces[0].apparent_age == whole.faces[0].apparent_age
    expected = cv2.resize(whole.age(to=75).pixels, (400, 338), interpolation=cv2.INTER_AREA).astype(int)
    shown = small.age(to=75).pixels
    change = np.abs(expected - small.photo.pixels)
    assert np.abs(shown - expected).mean() < 0.1 * change.mean()
    assert np.abs(shown - expected).max() < 0.4 * change.max()
    assert whole.reduced(5000).photo.pixels.shape == pixels.shape


def test_years_can_be_said_from_the_age_in_the_photo(sitting: Sitting) -> None:
    looks = sitting.faces[0].apparent_age
    change = sitting.age(by=20).changes[0]
    assert change.asked_age == pytest.approx(looks + 20)
    assert np.array_equal(sitting.age(by=20).pixels, sitting.age(to=looks + 20).pixels)
    assert sitting.age(by=-10, source=50).changes[0].asked_age == 40
    with pytest.raises(AgeError, match="give an age"):
        sitting.age()


def test_strength_scales_the_change(sitting: Sitting) -> None:
    def change(strength: float) -> float:
        return float(
            np.abs(sitting.age(to=75, strength=strength).pixels.astype(int) - sitting.photo.pixels).mean()
        )

    assert change(0) == 0
    assert 0 < change(0.5) < change(1.0) < change(1.5)


def test_saved_pictures_carry_the_mark(sitting: Sitting, tmp_path: Path) -> None:
    path = sitting.age(to=70, strength=0.8).save(tmp_path / "old.png")
    mark = read_provenance(path)
    assert mark is not None
    assert mark["digital_source_type"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert mark["faces"] == [
        {"source_age": pytest.approx(sitting.faces[0].apparent_age, abs=0.06), "target_age": 70}
    ]
    assert mark["edits"] == ["strength 0.8"]
    assert np.array_equal(read_photo(path).pixels, sitting.age(to=70, strength=0.8).pixels)
    with pytest.raises(ExistsError, match="exists already"):
        sitting.age(to=70).save(path)


def test_regions_of_one_are_the_plain_edit_to_the_bit(sitting: Sitting) -> None:
    plain = sitting.age(to=75)
    same = sitting.age(to=75, regions=dict.fromkeys(REGIONS, 1.0))
    assert np.array_equal(plain.pixels, same.pixels)
    assert same.mark == plain.mark


def test_a_region_of_zero_stays_as_it_was_and_the_others_change_as_before(sitting: Sitting) -> None:
    landmarks = sitting.faces[0].face.landmarks_photo
    original = sitting.photo.pixels.astype(int)

    def change(regions: dict[str, float], landmark: int) -> float:
        x, y = landmarks[landmark].astype(int)
        spot = (slice(y - 6, y + 7), slice(x - 6, x + 7))
        return float(np.abs(sitting.age(to=75, regions=regions).pixels[spot] - original[spot]).mean())

    chin, cheek = 199, 50
    assert change({}, chin) > 1
    assert change({"mouth": 0}, chin) < 0.15 * change({}, chin)
    assert change({"mouth": 0}, cheek) == pytest.approx(change({}, cheek), rel=0.1)
    assert change({"mouth": 1.5}, chin) > 1.2 * change({}, chin)
    nothing = sitting.age(to=75, regions=dict.fromkeys(REGIONS, 0))
    assert np.array_equal(nothing.pixels, sitting.photo.pixels)


def test_the_mark_tells_the_regions_and_wrong_ones_are_refused(sitting: Sitting) -> None:
    mark = sitting.age(to=75, regions={"forehead": 1, "eyes": 0.5, "neck": 0}).mark
    assert mark.edits == ("regions eyes 0.5, neck 0",)
    with pytest.raises(RegionError, match="did you mean 'cheeks'"):
        sitting.age(to=75, regions={"cheek": 1})


def two_people(tmp_path: Path) -> Path:
    """Two portraits side by side, the second at half size."""
    one = cv2.imread(str(EXAMPLES / "house_andre-carson.jpg"))
    other = cv2.imread(str(EXAMPLES / "house_grace-meng.jpg"))
    small = cv2.resize(other, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    canvas = np.full((one.shape[0], one.shape[1] + small.shape[1], 3), 127, np.uint8)
    canvas[:, : one.shape[1]] = one
    canvas[: small.shape[0], one.shape[1] :] = small
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), canvas)
    return path


def test_several_people_are_edited_apart(reager: Reager, tmp_path: Path) -> None:
    sitting = reager.open(two_people(tmp_path))
    assert len(sitting.faces) == 2
    large, small = sitting.faces
    assert large.box[2] - large.box[0] > small.box[2] - small.box[0]
    split = 1024
    for which, touched in (("largest", "left"), ("1", "right"), ([0], "left"), (0, "left"), (1, "right")):
        changed = (sitting.age(to=75, faces=which).pixels != sitting.photo.pixels).any(2)
        assert changed[:, :split].any() == (touched == "left")
        assert changed[:, split:].any() == (touched == "right")
    assert len(sitting.age(to=75, faces="0,1").changes) == 2
    for wrong in ("2", "nobody", [-1]):
        with pytest.raises(NoFaceError):
            sitting.age(to=75, faces=wrong)


@pytest.mark.parametrize("age", [-1, 117, float("nan")])
def test_impossible_ages_are_refused(sitting: Sitting, age: float) -> None:
    with pytest.raises(AgeError, match="outside 0 to 116"):
        sitting.age(to=age)
    with pytest.raises(AgeError, match="outside 0 to 116"):
        sitting.age(to=50, source=age)


def test_a_photo_without_a_face_is_refused(reager: Reager) -> None:
    ramp = np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], 300, 0).repeat(3, 2)
    with pytest.raises(NoFaceError, match="try a photo"):
        reager.sit(Photo(ramp))


def test_16_bits_give_what_8_bits_give(reager: Reager, portrait: Path) -> None:
    photo = read_photo(portrait)
    deep = Photo(photo.pixels.astype(np.uint16) * 257)
    result = reager.sit(deep).age(to=70)
    assert result.pixels.dtype == np.uint16
    shallow = reager.sit(photo).age(to=70)
    apart = np.abs(result.pixels / 257 - shallow.pixels)
    assert np.percentile(apart, 99.9) < 3
    assert apart.max() < 24  # where hair begins, by its colours, may differ by a little


def test_a_black_and_white_photo_stays_black_and_white(reager: Reager, portrait: Path) -> None:
    grey = cv2.cvtColor(read_photo(portrait).pixels, cv2.COLOR_RGB2GRAY)
    pixels = reager.sit(Photo(np.repeat(grey[..., None], 3, 2))).age(to=75).pixels
    assert (pixels[..., 0] != grey).any()
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_a_turned_photo_gets_the_same_edit(reager: Reager, portrait: Path) -> None:
    """EXIF or not: a face leaning by 30 degrees is found and aged where it is."""
    photo = read_photo(portrait)
    height, width = photo.pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30, 1.0)
    leaning = cv2.warpAffine(photo.pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    upright, turned = reager.sit(photo), reager.sit(Photo(leaning))
    assert turned.faces[0].apparent_age == pytest.approx(upright.faces[0].apparent_age, abs=6)
    change = upright.age(to=75, source=40).pixels.astype(float) - photo.pixels
    expected = cv2.warpAffine(change, turn, (width, height))
    found = turned.age(to=75, source=40).pixels.astype(float) - leaning
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.7


def test_hair_and_neck_are_kept_of_few_people_and_found_again_in_crowds(
    reager: Reager, portrait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches, aged = [], []
    monkeypatch.setattr("reage.reager.survey", lambda *given: searches.append(given) or survey(*given))
    for crowd in (64, 0):
        monkeypatch.setattr("reage.reager._CROWD", crowd)
        sitting = reager.open(portrait)
        sitting.age(to=30)
        aged.append(sitting.age(to=70).pixels)
    assert len(searches) == 1 + 2
    assert np.array_equal(*aged)
