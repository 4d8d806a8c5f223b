"""Paints masks and sunglasses onto faces, and fits the regressions that tell covered eyes and mouths.

``python benchmarks/coverings.py CACHE`` (a folder of ``reage data cache --size 128``) writes
src/reage/assets/face_coverings.npy, the only weights that `reage.face.sureness` has; it needs the extra `eval`. Faces
of the split ``train`` alone are used, so that ``benchmarks/sureness.py`` can judge with the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression

from reage.arrays import Float32, UInt8
from reage.assets import asset
from reage.data.cache import open_cache
from reage.face.sureness import SIDE, covering_features

Random = np.random.Generator

JAW = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
"""Landmarks from ear to ear below the face."""
EDGES = ((347, 280, 195, 50, 118), (346, 348, 168, 119, 117), (425, 4, 205))
"""Landmarks along the upper edge of a mask, from the left cheek of the person to the right."""
CLOTHS = (
    *((170, 200, 225), (240, 240, 240), (20, 20, 25), (60, 60, 65), (180, 60, 60), (60, 110, 80)),
    *((225, 190, 200), (40, 60, 130), (200, 180, 150)),
)
GLASSES = ((10, 10, 12), (25, 20, 15), (40, 35, 30), (50, 40, 60), (15, 30, 25), (90, 80, 70))


def blend(pixels: UInt8, colour: Any, where: Float32) -> UInt8:
    """``pixels`` (H, W, 3) with a colour, or one a pixel, where ``where`` (H, W) is 1."""
    weight = where[..., None]
    return np.clip(pixels * (1 - weight) + np.clip(colour, 0, 255) * weight, 0, 255).astype(np.uint8)


def paint_mask(pixels: UInt8, landmarks: Float32, random: Random) -> UInt8:
    """A face with a mask of cloth over nose, mouth and chin: plain, folded, shaded or patterned."""
    size = float(np.ptp(landmarks, axis=0).max())
    outline = landmarks[[*JAW, *EDGES[random.choice([0, 0, 1, 2])]]]
    centre = outline.mean(0)
    outline = centre + (outline - centre) * random.uniform(1.0, 1.08)
    where = np.zeros(pixels.shape[:2], np.float32)
    cv2.fillPoly(where, [np.round(outline).astype(np.int32)], 1.0)
    where = cv2.GaussianBlur(where, (0, 0), max(0.5, size / 200))
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    rough = cv2.GaussianBlur(
        random.standard_normal(where.shape).astype(np.float32), (0, 0), max(0.6, size / 80)
    )
    looks = (
        np.ones_like(where),
        1 + 0.08 * np.sign(np.sin(rows / size * 40)),
        1 - 0.5 * np.abs(columns - landmarks[1, 0]) / size,
        1 + 0.4 * rough,
    )
    cloth = np.array(CLOTHS[random.integers(len(CLOTHS))]) * looks[random.integers(4)][..., None]
    return blend(pixels, cloth, where)


def paint_sunglasses(pixels: UInt8, landmarks: Float32, random: Random) -> UInt8:
    """A face with dark glasses: round or square, lighter below or not, with a bridge and temples."""
    size = float(np.ptp(landmarks, axis=0).max())
    right, left = landmarks[[33, 133]].mean(0), landmarks[[362, 263]].mean(0)
    apart = float(np.linalg.norm(left - right))
    roll = float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
    width, height = (2 * apart * random.uniform(low, high) for low, high in ((0.36, 0.48), (0.26, 0.42)))
    where = np.zeros(pixels.shape[:2], np.float32)
    is_round, lower = random.random() < 0.5, random.uniform(0, 0.08) * apart
    thick = max(1, int(size / 50))
    for eye, temple in ((right, 234), (left, 454)):
        x, y = float(eye[0]), float(eye[1] + lower)
        if is_round:
            cv2.ellipse(where, ((x, y), (width, height), roll), 1.0, -1)
        else:
            cv2.fillPoly(where, [np.int32(cv2.boxPoints(((x, y), (width, height), roll)))], 1.0)
        cv2.line(where, (int(x), int(y)), [int(v) for v in landmarks[temple]], 1.0, thick)
    cv2.line(where, [int(v) for v in right], [int(v) for v in left], 1.0, thick)
    where = cv2.GaussianBlur(where, (0, 0), max(0.4, size / 250)) * random.uniform(0.85, 1)
    below = 1 + random.uniform(0, 1) * (np.arange(pixels.shape[0]) - right[1])[:, None, None] / apart
    return blend(pixels, np.array(GLASSES[random.integers(len(GLASSES))]) * below, where)


def hold_before_mouth(pixels: UInt8, landmarks: Float32, random: Random) -> UInt8:
    """A face with a hand, a cup or a scarf before its mouth, as a patch of skin or of any colour."""
    centre = landmarks[[13, 14, 17, 1][random.integers(4)]]
    size = float(np.linalg.norm(landmarks[33] - landmarks[263]))
    where = np.zeros(pixels.shape[:2], np.float32)
    if random.random() < 0.5:
        place = (float(centre[0] + random.normal(0, 5)), float(centre[1] + random.uniform(0, 12)))
        shape = (size * random.uniform(0.9, 1.6), size * random.uniform(0.6, 1.2))
        cv2.ellipse(where, (place, shape, random.uniform(-40, 40)), 1.0, -1)
    else:
        where[max(0, int(landmarks[[2, 0, 4][random.integers(3)], 1])) :] = 1
    x, y = np.clip(landmarks[50], 0, SIDE - 1).astype(int)
    skin = pixels[y, x] * random.uniform(0.7, 1.1)
    colour = skin if random.random() < 0.5 else random.uniform(0, 255, 3)
    rough = cv2.GaussianBlur(
        random.standard_normal(where.shape).astype(np.float32), (0, 0), random.uniform(1, 6)
    )
    pattern = 1 + 0.12 * random.random() * rough / rough.std()
    return blend(
        pixels, colour * pattern[..., None], cv2.GaussianBlur(where, (0, 0), random.uniform(0.4, 1.5))
    )


def vary(pixels: UInt8, random: Random) -> UInt8:
    """An aligned face as another photo, and landmarks that covers have misled, would show it."""
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), random.normal(0, 3), random.normal(1, 0.04))
    matrix[1, 1] *= random.normal(1, 0.05)
    matrix[:, 2] += random.normal(0, 2.5, 2)
    face = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
    face *= random.choice([1, 1, random.uniform(0.3, 1.2)])
    if random.random() < 0.2:
        face = np.repeat(face.mean(2, keepdims=True), 3, 2)
    face *= random.normal(1, 0.06, 3)
    if random.random() < 0.25:
        face = cv2.GaussianBlur(face, (0, 0), random.uniform(0.3, 1.6))
    return np.clip(face, 0, 255).astype(np.uint8)


@click.command()
@click.argument("cache", type=click.Path(exists=True, path_type=Path))
@click.option("--faces", default=3000, show_default=True, help="How many faces are painted.")
def main(cache: Path, faces: int) -> None:
    """Fit and store the weights."""
    opened, random = open_cache(cache), np.random.default_rng(0)
    train = np.flatnonzero((opened.rows["split"] == "train").to_numpy())
    features, eyes, mouth = [], [], []
    for i in random.permutation(train)[:faces]:
        face, landmarks = np.array(opened.images[i]), np.array(opened.landmarks[i], np.float32)
        masked = paint_mask(face, landmarks, random)
        both = random.random() < 0.1
        shown = [
            (face, False, False),
            (paint_sunglasses(masked, landmarks, random) if both else masked, both, True),
            (paint_sunglasses(face, landmarks, random), True, False),
        ]
        if random.random() < 0.35:
            shown += [(face, False, False), (hold_before_mouth(face, landmarks, random), False, True)]
        for picture, has_glasses, has_mask in shown:
            features.append(covering_features(vary(picture, random)))
            eyes.append(has_glasses)
            mouth.append(has_mask)
    seen = np.array(features)
    middle = seen.mean(0)
    weights = []
    for covered in (eyes, mouth):
        fitted = LogisticRegression(C=0.03, max_iter=500).fit(seen - middle, covered)
        weights.append(np.append(fitted.coef_[0], fitted.intercept_[0] - fitted.coef_[0] @ middle))
    np.save(asset("face_coverings.npy"), np.array(weights, np.float32))
    click.echo(f"{asset('face_coverings.npy')}: fitted on {len(seen)} pictures of {faces} faces")


if __name__ == "__main__":
    main()
