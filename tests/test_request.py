"""What a user asks of a face: refused where impossible, scaled and worded the same wherever it is used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reage.bundle import open_bundle
from reage.edit.compositing import AlignedFace, Edit
from reage.errors import AgeError, RegionError
from reage.face.alignment import rescale_points, utkface_template
from reage.request import Request


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"to": -1}, "outside 0 to 116"),
        ({"to": 117}, "outside 0 to 116"),
        ({"to": math.nan}, "outside 0 to 116"),
        ({"to": "oldest"}, "neither an age nor"),
        ({"to": 50, "source": 130}, "outside 0 to 116"),
        ({"to": 50, "by": 10}, "not both"),
        ({"by": 200}, "outside -116 to"),
        ({"by": math.nan}, "outside -116 to"),
        ({"to": 50, "strength": 1.6}, "strength 1.6 is outside 0 to 1.5"),
        ({"to": 50, "strength": math.nan}, "strength nan is outside"),
    ],
)
def test_what_is_impossible_is_refused_when_it_is_asked(given: dict[str, Any], message: str) -> None:
    with pytest.raises(AgeError, match=message):
        Request(**given)


def test_regions_are_checked_and_those_that_change_nothing_forgotten() -> None:
    assert Request(50, regions={"eyes": 1.0, "mouth": 0.5}).regions == {"mouth": 0.5}
    with pytest.raises(RegionError, match="did you mean 'eyes'"):
        Request(50, regions={"eye": 1.0})
    with pytest.raises(RegionError, match="eyes=2 is outside"):
        Request(50, regions={"eyes": 2.0})


def test_the_age_asked_for() -> None:
    manifest = open_bundle().manifest
    assert Request(70).goal(30, manifest) == 70
    assert Request(by=20).goal(31.5, manifest) == 51.5
    assert Request(by=-10).goal(31.5, manifest) == 21.5
    assert Request(by=-40).goal(31.5, manifest) == 0
    assert Request("older").goal(30, manifest) == 70
    assert Request("younger").goal(30, manifest) <= 15 + manifest.target_ages[0]
    with pytest.raises(AgeError, match="give an age"):
        Request().goal(30, manifest)
    assert Request().at(45).goal(30, manifest) == 45
    assert Request(by=5).at(45).by is None


def test_names_of_files_say_what_was_asked() -> None:
    labels = [
        each.label
        for each in (Request(70), Request(32.5), Request("older"), Request(by=20), Request(by=-7.5))
    ]
    assert labels == ["70", "32.5", "older", "plus20", "minus7.5"]


def test_what_a_face_looks_is_told_unless_the_user_says_otherwise() -> None:
    assert Request(70).source_age(41.2) == 41.2
    assert Request(70, source=30).source_age(41.2) == 30
    assert [Request(70).gender(p) for p in (0.2, 0.8)] == [0, 1]
    assert Request(70, male=0).gender(0.8) == 0
    assert Request(70).faces_or("largest") == "largest"
    assert Request(70, faces=0).faces_or("all") == 0


def test_an_edit_is_scaled_everywhere_and_by_region() -> None:
    size = 64
    landmarks = rescale_points(utkface_template().mesh, 200, size)
    edit = Edit(np.ones((size, size, 3), np.float32), np.ones((size, size), np.float32))
    face = AlignedFace(np.zeros((size, size, 3), np.float32), np.ones((size, size), np.float32), np.eye(2, 3))

    def applied(request: Request, weight: float = 1) -> Edit:
        ((area, scaled),) = request.applied(face, edit, landmarks, weight=weight)
        assert area is face
        return scaled

    half = applied(Request(70, strength=0.5))
    assert np.allclose(half.delta, 0.5)
    assert np.allclose(half.gain, 0.5)
    assert np.allclose(applied(Request(70, strength=0.5), weight=0.5).delta, 0.25)
    parted = applied(Request(70, strength=0.5, regions={"mouth": 0.0}))
    chin, cheek = (tuple(landmarks[point].astype(int)[::-1]) for point in (199, 50))
    assert parted.delta[chin].max() < 0.05
    assert parted.delta[cheek].min() > 0.45


def test_the_mark_says_what_was_done() -> None:
    mark = Request(70, strength=0.8, regions={"eyes": 0.5}).mark("a model 1", [(31.24, 70)])
    assert mark.tool.startswith("reage ")
    assert mark.faces == ((31.2, 70.0),)
    assert mark.edits == ("strength 0.8", "regions eyes 0.5")
    assert Request(70).mark("a model 1", []).edits == ()
