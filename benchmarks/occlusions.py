"""Fits and measures what tells hands, hair, glasses and other things in front of a face from the face.

``python benchmarks/occlusions.py fit CACHE`` (a folder of ``reage data cache --size 128``) draws things before faces of
the split ``train`` and writes src/reage/assets/face_occlusions.npz, the weights of `reage.edit.occlusion`; it needs the
extra `eval`. ``python benchmarks/occlusions.py judge CACHE`` measures them on faces of the split ``val``, with the same
kinds of things, and with masks, sunglasses and hands that another program draws (``benchmarks/coverings.py``). It
writes benchmarks/occlusions.json, and a sheet to look at into a file that ``--sheet`` names.
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from coverings import hold_before_mouth, paint_mask, paint_sunglasses
from sklearn.neural_network import MLPClassifier

from reage.arrays import Float32, UInt8
from reage.assets import asset
from reage.data.cache import Cache, open_cache
from reage.data.coverings import _KINDS, _Layer
from reage.edit.masks import face_mask, face_outline
from reage.edit.occlusion import SIDE, WEIGHTS, features, fit_face_model, in_units_of_skin, uncovered

HERE = Path(__file__).parent
COMPONENTS = 60
HIDDEN = (48, 24)
PIXELS = (0.15, 0.05)
"""Parts of the covered and of the bare places of a face that are learned from."""
OTHERS = {"a mask": paint_mask, "sunglasses": paint_sunglasses, "a hand, cup or scarf": hold_before_mouth}
Random = np.random.Generator


def faces_of(cache: Cache, split: str, count: int, seed: int) -> Iterator[tuple[int, UInt8, Float32]]:
    """Rows, faces (128, 128, 3) and landmarks (468, 2) of some faces of a split."""
    rows = np.flatnonzero((cache.rows["split"] == split).to_numpy())
    for row in np.random.default_rng(seed).permutation(rows)[:count]:
        yield int(row), np.array(cache.images[row]), np.array(cache.landmarks[row], np.float32)


def with_a_thing(face: UInt8, landmarks: Float32, kind: int, random: Random) -> tuple[UInt8, Float32]:
    """A face with one of the things of `reage.data.coverings` before it, and how much it covers each place."""
    layer = _Layer(len(face))
    x, y = np.clip(landmarks[50 if random.random() < 0.5 else 280], 0, len(face) - 1).astype(int)
    _KINDS[kind](layer, (landmarks + 0.5) * 2, face[y, x].astype(np.float32), random)
    drawn = layer.finish()
    colour, opacity = (drawn[:3].transpose(1, 2, 0) + 1) * 127.5, drawn[3]
    return np.clip(face * (1 - opacity[..., None]) + colour, 0, 255).astype(np.uint8), opacity


def small(face: UInt8, landmarks: Float32) -> tuple[UInt8, Float32]:
    """The same at the size at which faces are looked at."""
    size = len(face)
    reduced = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.uint8), (landmarks + 0.5) * np.float32(SIDE / size) - 0.5


@click.group()
def main() -> None:
    """Fit, or judge."""


@main.command()
@click.argument("cache", type=click.Path(exists=True, path_type=Path))
@click.option("--faces", default=1600, show_default=True)
@click.option("--rounds", default=14, show_default=True, help="How often all places are learned from.")
def fit(cache: Path, faces: int, rounds: int) -> None:
    """Fit and store the weights."""
    random, chosen = np.random.default_rng(0), list(faces_of(open_cache(cache), "train", faces, 0))
    model = fit_face_model(
        np.stack([in_units_of_skin(*small(face, at)) for _, face, at in chosen[:1500]]), COMPONENTS
    )
    seen, covered = [], []
    for number, (_, face, landmarks) in enumerate(chosen):
        thing = with_a_thing(face, landmarks, number % len(_KINDS), random)
        for picture, opacity in ((face, np.zeros(face.shape[:2], np.float32)), thing):
            pixels, at = small(picture, landmarks)
            inside = cv2.dilate(face_outline(at, SIDE), np.ones((5, 5))).ravel() > 0.5
            is_covered = cv2.resize(opacity, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() > 0.5
            taken = inside & (random.random(SIDE * SIDE) < np.where(is_covered, *PIXELS))
            seen.append(features(pixels, at, model).reshape(SIDE * SIDE, -1)[taken])
            covered.append(is_covered[taken])
    values, answers = np.concatenate(seen), np.concatenate(covered)
    middle, spread = values.mean(0), values.std(0) + 1e-6
    network = MLPClassifier(
        HIDDEN, alpha=1e-4, batch_size=512, learning_rate_init=2e-3, max_iter=rounds, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could go on
        network.fit((values - middle) / spread, answers)
    weights, biases = list(network.coefs_), list(network.intercepts_)
    biases[0], weights[0] = biases[0] - (middle / spread) @ weights[0], weights[0] / spread[:, None]
    stored = {name: np.asarray(part, np.float16) for name, part in vars(model).items()}
    for number, (each, bias) in enumerate(zip(weights, biases, strict=True)):
        stored |= {f"weights{number}": each.astype(np.float32), f"biases{number}": bias.astype(np.float32)}
    np.savez_compressed(asset(WEIGHTS), **stored)
    click.echo(f"{asset(WEIGHTS)}: fitted on {len(values)} places of {faces} faces, loss {network.loss_:.3f}")


def left_alone(face: UInt8, landmarks: Float32) -> Float32:
    """How much of an edit each place does not get: (128, 128)."""
    return 1 - uncovered(face.astype(np.float32) / np.float32(127.5) - 1, landmarks)


@main.command()
@click.argument("cache", type=click.Path(exists=True, path_type=Path))
@click.option("--faces", default=280, show_default=True)
@click.option("--sheet", type=click.Path(path_type=Path), help="A picture of some of the faces.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=HERE / "occlusions.json")
def judge(cache: Path, faces: int, sheet: Path | None, output: Path) -> None:
    """Measure on faces that nothing was fitted to, and store the figures."""
    opened, random = open_cache(cache), np.random.default_rng(1)
    things = [kind.__name__.strip("_") for kind in _KINDS]
    painted: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    plain, rows, shown = [], [], []
    for number, (row, face, landmarks) in enumerate(faces_of(opened, "val", faces, 1)):
        mask, bare = face_mask(landmarks, len(face)), left_alone(face, landmarks)
        plain.append(float((mask * bare).sum() / mask.sum()))
        rows.append(row)
        kind = number % (len(things) + len(OTHERS))
        if kind < len(things):
            name = things[kind]
            picture, opacity = with_a_thing(face, landmarks, kind, random)
        else:
            name, paint = list(OTHERS.items())[kind - len(things)]
            picture = paint(face, landmarks, random)
            opacity = (np.abs(picture.astype(int) - face).max(2) > 8).astype(np.float32)
        left = left_alone(picture, landmarks)
        over = mask * opacity
        if over.sum() > 20:
            beside = mask * (opacity < 0.02)
            share = float((beside * left).sum() / max(1.0, beside.sum()))
            painted[name].append((float(over.sum()), float((over * (1 - left)).sum()), share))
        if number < 21:
            masks = [np.repeat((each * 255).astype(np.uint8)[..., None], 3, 2) for each in (bare, left)]
            shown.append(np.vstack([face, masks[0], picture, masks[1]]))
    if sheet:
        cv2.imwrite(str(sheet), np.hstack(shown)[..., ::-1])
    table = opened.rows.iloc[rows]
    found: dict[str, Any] = {
        "faces": faces,
        "plain skin left out": summary(np.array(plain)),
        "by group": {
            f"{column} {name}": round(float(np.mean(np.array(plain)[(table[column] == name).to_numpy()])), 4)
            for column in ("gender", "race")
            for name in sorted(table[column].dropna().unique())
        },
        "things": {},
    }
    for name, values in painted.items():
        before, after, share = np.array(values).T
        found["things"][name] = {
            "faces": len(values),
            "still painted over": round(float(after.sum() / before.sum()), 3),
            "skin beside left out": round(float(share.mean()), 4),
        }
    click.echo(json.dumps(found, indent=2))
    output.write_text(json.dumps(found, indent=2) + "\n")


def summary(values: np.ndarray[Any, Any]) -> dict[str, float]:
    """Mean and high quantiles."""
    return {
        "mean": round(float(values.mean()), 4),
        "median": round(float(np.median(values)), 4),
        "ninth of ten": round(float(np.quantile(values, 0.9)), 4),
        "most": round(float(values.max()), 4),
    }


if __name__ == "__main__":
    main()
