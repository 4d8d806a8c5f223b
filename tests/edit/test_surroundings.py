"""Hair and neck: found where they are, and only there; followed without a seam, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from heads import GREY, greying_reager
from reage import Reager
from reage.edit.colour_transfer import Part
from reage.edit.compositing import AlignedFace, Edit, composite, upsample_edit
from reage.edit.masks import FACE_OVAL
from reage.edit.surroundings import Surroundings
from reage.face.alignment import compose, invert_transform, resizing, warp, zooming
from reage.face.person import PersonNetwork
from reage.photo.files import Photo, read_photo
from reage.reager import Sitting


@pytest.fixture(scope="module")
def sittings(greying: Reager, portraits: list[Path]) -> dict[str, Sitting]:
    """Each portrait at 512 px."""
    found = {}
    for path in portraits:
        pixels = cv2.resize(read_photo(path).pixels, (512, 512), interpolation=cv2.INTER_AREA)
        found[path.stem.partition("_")[2]] = greying.sit(Photo(pixels))
    return found


YOUNGER = {"source": 75.0, "to": 25.0}
"""Ages between which hair does not turn grey by the curve, but only as the stand-in for a network edits it."""


def around(sitting: Sitting, number: int = 0) -> Surroundings:
    found = sitting.faces[number].around
    assert found is not None
    return found


def seen(sitting: Sitting, part: Part | None, where: Surroundings) -> np.ndarray:
    """The mask of a part at the resolution of the photo."""
    mask = np.zeros(sitting.photo.pixels.shape[:2], np.float32)
    if part is not None:
        size = len(where.pixels)
        area = AlignedFace(where.pixels, np.ones((size, size), np.float32), where.matrix, part.matte)
        ones = Edit(np.zeros((size, size, 3), np.float32), np.ones((size, size), np.float32))
        for rows, columns, _, weight, _ in upsample_edit(sitting.photo.pixels, area, ones, 0.01):
            mask[rows, columns] = weight
    return mask


POINTS: dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]], list[tuple[int, int]]]] = {
    "eileen-collins": (
        [(220, 38), (170, 80), (285, 88), (250, 55)],
        [],
        [(228, 140), (230, 125), (120, 60), (340, 60), (225, 215), (150, 300), (410, 120)],
    ),
    "andre-carson": (
        [],
        [(256, 442)],
        [(250, 60), (180, 150), (330, 120), (255, 120), (250, 300), (167, 431), (60, 100), (430, 150)],
    ),
    "grace-meng": (
        [(191, 104), (112, 261), (413, 261), (282, 90), (400, 350)],
        [(249, 408)],
        [(262, 157), (190, 280), (47, 326), (478, 196), (230, 483), (30, 60)],
    ),
    "grace-napolitano": (
        [(266, 78), (149, 144), (358, 144), (330, 60)],
        [(280, 445)],
        [(175, 320), (320, 320), (462, 130), (436, 457), (70, 457), (60, 200)],
    ),
    "joaquin-castro": (
        [(235, 66), (195, 75), (372, 150), (300, 85)],
        [(227, 467)],
        [(235, 154), (318, 148), (52, 167), (444, 76), (431, 454), (348, 432), (150, 250), (470, 300)],
    ),
    "karen-bass": (
        [(246, 89), (154, 128), (350, 128), (300, 75)],
        [(285, 440)],
        [(272, 200), (455, 115), (141, 481), (76, 219), (60, 60), (230, 330)],
    ),
    "angus-king": (
        [(269, 43), (158, 128), (380, 128)],
        [(260, 400)],
        [(256, 125), (86, 63), (99, 402), (197, 402), (230, 250), (460, 200)],
    ),
}
"""Places of the portraits at 512 px, checked by eye: hair, bare neck, neither."""


@pytest.mark.parametrize("name", POINTS)
def test_hair_and_neck_are_found_where_they_are_and_only_there(
    sittings: dict[str, Sitting], name: str
) -> None:
    sitting = sittings[name]
    parts = around(sitting)
    masks = {"hair": seen(sitting, parts.hair, parts), "neck": seen(sitting, parts.neck, parts)}
    for kind, places in zip(("hair", "neck", "neither"), POINTS[name], strict=True):
        for x, y in places:
            for part, mask in masks.items():
                value = mask[y - 3 : y + 4, x - 3 : x + 4].mean()
                assert value > 0.7 if part == kind else value < 0.08, (kind, part, x, y, value)


def test_a_bald_head_has_no_hair(sittings: dict[str, Sitting]) -> None:
    assert around(sittings["andre-carson"]).hair is None


def landmarks(sitting: Sitting) -> np.ndarray:
    return sitting.faces[0].face.landmarks_photo[:, :2]


def grain(shape: tuple[int, ...], colour: tuple[int, int, int]) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 25, shape[:2]).astype(np.float32)
    return np.clip(np.array(colour, np.float32) + cv2.GaussianBlur(noise, (0, 0), 1.5)[..., None], 0, 255)


def painted(pixels: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    part = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1)[..., None]
    return (pixels * (1 - part) + grain(pixels.shape, colour) * part).astype(np.uint8)


def with_hat(sitting: Sitting, colour: tuple[int, int, int]) -> np.ndarray:
    points, mask = landmarks(sitting), np.zeros(sitting.photo.pixels.shape[:2], np.uint8)
    width = float(np.linalg.norm(points[127] - points[356]))
    x, y = round(float(points[[127, 356], 0].mean())), round(float(points[10, 1] + 0.1 * width))
    cv2.ellipse(mask, (x, y), (round(0.72 * width), round(0.75 * width)), 0, 180, 360, 1, -1)
    cv2.ellipse(mask, (x, y), (round(0.85 * width), round(0.1 * width)), 0, 0, 360, 1, -1)
    return painted(sitting.photo.pixels, mask, colour)


def with_scarf(sitting: Sitting, colour: tuple[int, int, int]) -> np.ndarray:
    oval = landmarks(sitting)[list(FACE_OVAL)]
    mask, middle = np.zeros(sitting.photo.pixels.shape[:2], np.uint8), oval.mean(0)
    cv2.fillPoly(mask, [(middle + (oval - middle) * (1.45, 1.55)).astype(np.int32)], 1)
    width, height = float(np.ptp(oval[:, 0])), float(len(mask))
    shoulders = middle + np.array([(-0.6, 0), (0.6, 0), (1.2, 9), (-1.2, 9)]) * width
    cv2.fillPoly(mask, [np.minimum(shoulders, (9999, height)).astype(np.int32)], 1)
    cv2.fillPoly(mask, [(middle + (oval - middle) * 0.97).astype(np.int32)], 0)
    return painted(sitting.photo.pixels, mask, colour)


@pytest.mark.parametrize("name", ["grace-meng", "joaquin-castro", "angus-king"])
@pytest.mark.parametrize(
    ("wear", "colour"),
    [
        (with_hat, (40, 60, 140)),
        (with_hat, (150, 30, 35)),
        (with_hat, (225, 222, 215)),
        (with_scarf, (22, 22, 24)),
        (with_scarf, (200, 180, 155)),
        (with_scarf, (150, 40, 50)),
    ],
)
def test_hats_and_scarves_are_no_hair(
    greying: Reager,
    sittings: dict[str, Sitting],
    name: str,
    wear: Callable[[Sitting, tuple[int, int, int]], np.ndarray],
    colour: tuple[int, int, int],
) -> None:
    face = greying.sit(Photo(wear(sittings[name], colour))).faces[0]
    assert face.around is None or face.around.hair is None


def test_a_background_of_the_colour_of_the_hair_is_left_alone(
    greying: Reager, sittings: dict[str, Sitting]
) -> None:
    network = PersonNetwork()
    for name, colour in (("grace-meng", (18, 16, 17)), ("angus-king", (125, 110, 90))):
        sitting = sittings[name]
        person = network.read(sitting.photo.pixels) > 0.3
        same = greying.sit(Photo(painted(sitting.photo.pixels, ~person, colour)))
        assert around(same).hair is not None
        far = (cv2.dilate(person.astype(np.uint8), np.ones((17, 17))) == 0) & beyond(same)
        assert np.array_equal(same.age(to=75).pixels[far], same.photo.pixels[far])


def test_two_people_do_not_share_their_hair(greying: Reager, sittings: dict[str, Sitting]) -> None:
    one, other = (sittings[name].photo.pixels for name in ("joaquin-castro", "grace-meng"))
    both = greying.sit(Photo(np.hstack([one[:, 100:400], other[:, 100:440]])))
    left, right = sorted(range(2), key=lambda number: both.faces[number].box[0])
    for number, outside in ((left, slice(310, None)), (right, slice(0, 290))):
        changed = (both.age(to=75, faces=number).pixels != both.photo.pixels).any(2)
        assert changed.sum() > 10_000
        assert not changed[:, outside].any()


def test_heads_at_the_border_and_small_ones(greying: Reager, sittings: dict[str, Sitting]) -> None:
    pixels = sittings["grace-meng"].photo.pixels
    for cut in (pixels[110:], pixels[:, 220:], pixels[:, :330]):
        result = greying.sit(Photo(np.ascontiguousarray(cut))).age(to=75)
        assert (result.pixels != cut).any()
    tiny = greying.sit(Photo(cv2.resize(pixels, (56, 56), interpolation=cv2.INTER_AREA)))
    assert tiny.faces[0].around is None


def beyond(sitting: Sitting) -> np.ndarray:
    """Where the face's own edit does not reach at all."""
    face, shape = sitting.faces[0].aligned, sitting.photo.pixels.shape
    own = np.zeros(shape, np.uint8)
    full = Edit(
        np.full((face.size, face.size, 3), 2, np.float32), np.zeros((face.size, face.size), np.float32)
    )
    composite(np.zeros(shape, np.uint8), own, face, full)
    return own.max(2) == 0


def close_up(sitting: Sitting, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of a photo that shows little but the face, at 200 px, and the transform (2, 3) from the photo to it."""
    aligned = sitting.faces[0].aligned
    near = compose(zooming(aligned.size, zoom), aligned.matrix)
    matrix = compose(resizing((aligned.size, aligned.size), (200, 200)), near)
    return np.asarray(warp(sitting.photo.pixels, matrix, (200, 200)), np.uint8), matrix


@pytest.mark.parametrize("name", ["karen-bass", "joaquin-castro", "angus-king"])
def test_the_person_is_found_in_a_photo_that_shows_little_but_the_face(
    sittings: dict[str, Sitting], greying: Reager, name: str
) -> None:
    crop, _ = close_up(sittings[name], 1.3)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    found = around(greying.sit(Photo(np.dstack([grey] * 3))))
    skin = warp(found.skin.at(found.pixels), invert_transform(found.matrix), (200, 200))
    assert skin.mean() > 0.87, "where the person is not found, the edit ends"


@pytest.mark.parametrize("zoom", [1.0, 0.8])
@pytest.mark.parametrize("name", ["eileen-collins", "grace-meng", "joaquin-castro", "karen-bass"])
def test_hair_is_found_in_a_photo_that_shows_little_but_the_face(
    sittings: dict[str, Sitting], greying: Reager, name: str, zoom: float
) -> None:
    whole = sittings[name]
    crop, matrix = close_up(whole, zoom)
    cropped = greying.sit(Photo(crop))
    parts = around(cropped)
    found = seen(cropped, parts.hair, parts)
    expected = warp(seen(whole, around(whole).hair, around(whole)), matrix, (200, 200))
    assert np.minimum(found, expected).sum() > 0.7 * np.maximum(found, expected).sum()


def test_no_hair_is_found_on_a_bald_head_in_such_a_photo(
    sittings: dict[str, Sitting], greying: Reager
) -> None:
    crop, _ = close_up(sittings["andre-carson"], 1.0)
    assert around(greying.sit(Photo(crop))).hair is None


def test_hair_that_the_photo_cuts_off_is_followed_up_to_the_border(
    sittings: dict[str, Sitting], greying: Reager
) -> None:
    crop, _ = close_up(sittings["grace-meng"], 1.0)
    sitting = greying.sit(Photo(crop))
    found = seen(sitting, around(sitting).hair, around(sitting))
    assert found[0, 10:50].min() > 0.95
    assert found[30:100, 0].min() > 0.95


@pytest.mark.parametrize("name", ["eileen-collins", "grace-meng", "joaquin-castro"])
def test_hair_beyond_the_frame_goes_grey_and_keeps_its_strands(
    sittings: dict[str, Sitting], name: str
) -> None:
    sitting = sittings[name]
    parts = around(sitting)
    result = sitting.age(**YOUNGER)
    hair = cv2.erode((seen(sitting, parts.hair, parts) > 0.95).astype(np.uint8), np.ones((5, 5))) > 0
    hair &= beyond(sitting)
    before, after = (p.astype(np.float32) / 127.5 - 1 for p in (sitting.photo.pixels, result.pixels))
    assert hair.sum() > 300
    expected = before + 0.5 * (GREY - before)
    broad = [cv2.blur(p, (9, 9)) for p in (before, after, expected)]
    missed, asked = (np.abs(p - broad[2])[hair].mean() for p in (broad[1], broad[0]))
    assert missed < 0.35 * asked
    chroma = [np.ptp(picture, axis=2)[hair].mean() for picture in (before, after)]
    assert chroma[1] < 0.75 * chroma[0]
    strands = [p.mean(2) - cv2.GaussianBlur(p.mean(2), (0, 0), 2) for p in (before, after)]
    assert np.corrcoef(*(each[hair] for each in strands))[0, 1] > 0.97


@pytest.mark.parametrize("name", ["eileen-collins", "grace-meng", "grace-napolitano"])
def test_no_seam_shows_where_the_frame_of_the_face_ends(sittings: dict[str, Sitting], name: str) -> None:
    """An edit that is the same everywhere must come out the same all over the hair, whatever the mask of the face."""
    sitting = sittings[name]
    face, parts = sitting.faces[0].aligned, around(sitting)
    size = face.size
    edit = Edit(np.full((size, size, 3), 0.1, np.float32), np.zeros((size, size), np.float32))
    grey = np.full(sitting.photo.pixels.shape, 100, np.uint8)  # so that nothing is cut off at white
    change = np.zeros(grey.shape, np.float32)
    for area, part in [parts.on_skin(face, edit), *parts.follow(face, edit, hair=1, neck=1)]:
        for rows, columns, delta, _, _ in upsample_edit(sitting.photo.pixels, area, part, 0.01):
            change[rows, columns] += delta
    hair = seen(sitting, parts.hair, parts) > 0.99
    assert hair.sum() > 3000
    assert np.abs(change - 0.1)[hair].max() < 0.012


@pytest.mark.parametrize("name", ["joaquin-castro", "karen-bass"])
def test_the_edit_of_a_face_ends_where_the_person_ends(portraits: list[Path], name: str) -> None:
    sitting = Reager.default().open(next(p for p in portraits if name in p.name))
    parts, face = around(sitting), sitting.faces[0].aligned
    full = Edit(np.ones((face.size, face.size, 3), np.float32), np.zeros((face.size, face.size), np.float32))
    changed = []
    for area, edit in ((face, full), parts.on_skin(face, full)):
        changed.append(np.zeros(sitting.photo.pixels.shape[:2], np.float32))
        for rows, columns, delta, _, _ in upsample_edit(sitting.photo.pixels, area, edit, 0.01):
            changed[-1][rows, columns] = delta[..., 0]
    person = cv2.warpAffine(
        sitting.reager._person_network.read(np.uint8(127.5 * parts.pixels + 127.5)),
        invert_transform(parts.matrix), sitting.photo.pixels.shape[1::-1],
    )  # fmt: skip
    background, whole = person < 0.02, changed[0] > 0.9
    assert changed[0][background].max() > 0.3
    assert changed[1][background].max() < 0.05
    inside = cv2.erode(np.uint8(whole & (person > 0.98)), np.ones((9, 9))) > 0
    hair = seen(sitting, parts.hair, parts) > 0
    assert changed[1][inside & ~hair].min() > 0.8


def test_the_outline_of_dark_hair_turns_as_light_as_what_lies_inside(sittings: dict[str, Sitting]) -> None:
    sitting = sittings["karen-bass"]
    before = cv2.cvtColor(sitting.photo.pixels, cv2.COLOR_RGB2GRAY).astype(int)
    lighter = cv2.cvtColor(sitting.age(**YOUNGER).pixels, cv2.COLOR_RGB2GRAY) - before
    shares = []
    for row in range(90, 180, 3):
        start = 100 + np.flatnonzero(before[row, 100:] < 50)[0]  # of her hair, beside a flag
        rim, inside = lighter[row, start : start + 3], lighter[row, start + 8 : start + 16]
        shares.append(rim.mean() / inside.mean())
    assert np.median(shares) > 0.7


def test_nothing_but_the_face_hair_and_neck_changes(sittings: dict[str, Sitting]) -> None:
    for sitting in sittings.values():
        parts = around(sitting)
        free = beyond(sitting)
        for part in (parts.hair, parts.neck):
            free &= seen(sitting, part, parts) == 0
        assert np.array_equal(sitting.age(to=75).pixels[free], sitting.photo.pixels[free])


def test_regions_switch_hair_and_neck_off(sittings: dict[str, Sitting]) -> None:
    sitting = sittings["grace-meng"]
    parts, outside = around(sitting), beyond(sitting)
    hair, neck = (seen(sitting, part, parts) > 0.9 for part in (parts.hair, parts.neck))

    def change(part: np.ndarray, **regions: float) -> float:
        pixels = sitting.age(**YOUNGER, regions=regions).pixels
        return float(np.abs(pixels[part].astype(int) - sitting.photo.pixels[part]).mean())

    assert change(hair & outside, hair=0) < 0.001
    assert change(hair, hair=0) < 0.1 * change(hair)
    assert change(hair & outside, hair=0.5) == pytest.approx(0.5 * change(hair & outside), rel=0.1)
    assert change(neck & outside) > 3
    assert change(neck & outside, neck=0) < 0.1 * change(neck & outside)
    assert change(hair & outside, neck=0, forehead=0) == pytest.approx(change(hair & outside), rel=0.02)


def test_a_model_of_the_face_alone_leaves_hair_and_neck(portrait: Path, tmp_path: Path) -> None:
    sitting = greying_reager(tmp_path / "face", reach="face").open(portrait)
    assert sitting.faces[0].around is None
    assert len(sitting.age(to=75).changes[0].edits) == 1


def test_a_reduced_photo_shows_the_same(greying: Reager, portraits: list[Path]) -> None:
    whole = greying.open(portraits[2])
    small = whole.reduced(400)
    expected = cv2.resize(whole.age(to=75).pixels, (400, 400), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small.age(to=75).pixels - expected).mean() < 0.6
    assert np.abs(expected - small.photo.pixels).mean() > 6


def test_layers_of_a_head_give_the_output(sittings: dict[str, Sitting], tmp_path: Path) -> None:
    result = sittings["grace-meng"].age(to=75)
    folder = result.save_layers(tmp_path / "layers")
    photo = result.original.pixels / 255

    def layer(name: str) -> np.ndarray:
        return cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED).astype(float)

    change, mask = layer("change")[..., [2, 1, 0, 3]] / 65535, layer("mask")
    shown = photo * (1 - change[..., 3:]) + change[..., :3] * change[..., 3:]
    assert np.abs(np.rint(shown * 255) - result.pixels).max() <= 1
    gain, low = (layer("gain") - 32768) / 8192, layer("low")[..., ::-1] / 65535
    summed = photo + (layer("delta")[..., ::-1] - 32768) / 32768 + gain[..., None] * (photo - low)
    assert np.abs(np.rint(summed * 255) - result.pixels).max() <= 1
    assert mask[261, 413] > 200  # hair, beyond the mask of the face
    assert not (result.pixels != result.original.pixels)[mask == 0].any()


def test_dark_hair_turns_grey_with_age_and_white_hair_dark_without_it(portraits: list[Path]) -> None:
    def hair(name: str, to: float, **wishes: Any) -> tuple[float, float]:
        """The mean luma of certain hair, in levels of 255, and its chroma."""
        sitting = Reager.default().open(next(p for p in portraits if name in p.name))
        parts = around(sitting)
        sure = seen(sitting, parts.hair, parts) > 0.95
        pixels = sitting.age(to=to, faces="largest", **wishes).pixels[sure].astype(float)
        return pixels.mean(), np.ptp(pixels, axis=1).mean()

    dark, grey, white = (hair("grace-meng", age)[0] for age in (35, 60, 85))
    assert dark + 15 < grey < white - 30
    assert hair("grace-meng", 85, regions={"hair": 0})[0] == pytest.approx(hair("grace-meng", 33)[0], abs=12)
    assert hair("eileen-collins", 85)[1] < 0.7 * hair("eileen-collins", 40)[1]
    assert hair("grace-napolitano", 85)[0] == pytest.approx(hair("grace-napolitano", 82)[0], abs=6)
    young, middle, old = (hair("grace-napolitano", age)[0] for age in (20, 55, 82))
    assert young + 10 < middle < old - 40
    assert hair("grace-napolitano", 20, regions={"hair": 0})[0] == pytest.approx(old, abs=12)


def test_skin_beside_white_hair_that_turns_dark_stays_light(portraits: list[Path]) -> None:
    sitting = Reager.default().open(next(p for p in portraits if "grace-napolitano" in p.name))
    changed = [sitting.age(to=20, regions={"hair": hair}).pixels.astype(int) for hair in (0.0, 1.0)]
    middle = sitting.faces[0].face.landmarks_photo[9, :2]  # between the brows
    x, y = (round(float(each)) for each in middle)
    skin = np.s_[y - 12 : y + 4, x - 12 : x + 12]
    assert np.abs(changed[1] - changed[0])[skin].mean() < 2
