"""The judges on people whose answers are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reage import Reager
from reage.evaluation.judges import Judges

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_a_person_is_nearer_to_themselves_than_to_anybody_else(reager: Reager) -> None:
    judges, found = Judges(), []
    for path in sorted(EXAMPLES.glob("*.jpg")):
        sitting = reager.open(path)
        pixels = sitting.photo.pixels
        darker = (pixels * 0.8).astype(np.uint8)
        blurred = cv2.GaussianBlur(pixels, (0, 0), 3)
        found.append(judges.look([pixels, darker, blurred], sitting.faces[0].face.landmarks_photo))
        assert abs(found[-1].ages[0, 0] - sitting.faces[0].apparent_age) < 1e-3  # the reader of `reage photo`
    own = [np.linalg.norm(v.descriptors[1:] - v.descriptors[0], axis=1).max() for v in found]
    others = [
        np.linalg.norm(a.descriptors[0] - b.descriptors[0])
        for i, a in enumerate(found)
        for b in found[i + 1 :]
    ]
    assert max(own) < 0.6 < min(others)


def test_both_judges_of_age_see_a_grown_up_and_agree_roughly(reager: Reager, portrait: Path) -> None:
    sitting = reager.open(portrait)
    verdict = Judges().look([sitting.photo.pixels], sitting.faces[0].face.landmarks_photo)
    assert verdict.ages.shape == (1, 2)
    assert (verdict.ages > 20).all()
    assert (verdict.ages < 60).all()
    assert verdict.male[0] < 0.5
