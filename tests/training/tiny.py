"""Training in miniature: a cache of drawn faces whose age shows, and settings for runs of a few steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reage.data.sampling import Shard
from reage.face.alignment import rescale_points, utkface_template
from reage.training.config import TrainSettings
from reage.training.trainer import Trainer

SIZE = 32
WIDTHS = [8, 16, 24]
ORIGINAL = {
    "original": True, "gated_blocks": "none", "skips": False, "attention": False, "film": False,
    "age_distribution": False, "identity": 0, "r1": 0,
}  # fmt: skip
CAAE = {
    "gated_blocks": "none", "skips": False, "attention": False, "film": False, "age_distribution": False,
    "identity": 0, "reconstruct": "same", "prior": 1, "total_variation": 0.1, "r1": 0,
}  # fmt: skip


def draw_face(age: float, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A smooth face (size, size, 3) RGB that greys and gets horizontal wrinkles with ``age``."""
    image = cv2.resize(
        rng.uniform(60, 200, (3, 3, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    part = age / 100
    skin = (1 - part) * np.array([230.0, 160, 130]) + part * np.array([130.0, 125, 120])
    y, x = np.mgrid[:size, :size] / size - 0.5
    inside = np.clip(4 - 20 * (x**2 + (0.8 * y) ** 2) / 0.2, 0, 1)[..., None]
    wrinkles = 25 * part * np.sin(np.arange(size) * np.pi / 2)[:, None, None]
    face = skin + wrinkles + rng.normal(0, 3, (size, size, 1))
    return np.asarray((image + inside * (face - image)).clip(0, 255), np.uint8)


def write_cache(folder: Path, *, train: int = 24, val: int = 12, size: int = SIZE, seed: int = 0) -> Path:
    """A cache as `reage data cache` writes it, with a test split that no step may draw."""
    rng = np.random.default_rng(seed)
    splits = ["train"] * train + ["val"] * val + ["test"] * 8
    count = len(splits)
    ages = np.round(np.linspace(18, 84, count))[rng.permutation(count)]
    mesh = rescale_points(utkface_template().mesh, 200, size)
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.stack([draw_face(age, size, rng) for age in ages]))
    np.save(folder / "landmarks.npy", (mesh + rng.normal(0, size / 200, (count, 1, 2))).astype(np.float16))
    rows = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(count)],
            "age": ages.astype(float),
            "gender": [("M", "F")[i % 2] for i in range(count)],
            "race": 0,
            "gray": False,
            "sharpness": 200.0,
            "keep": True,
            "split": splits,
        }
    )
    rows.attrs = {"dataset": "utkface"}
    rows.to_parquet(folder / "rows.parquet")
    return folder


def age_settings(cache: Path, *, options: dict[str, Any] | None = None, **changes: Any) -> TrainSettings:
    """Settings of a small run of the age family, without sample sheets: they take ten times as long as the rest."""
    return _settings("age", cache, {"widths": WIDTHS, **(options or {})}, {"sample_faces": 0, **changes})


def delta_settings(
    cache: Path, teacher: Path, *, options: dict[str, Any] | None = None, **changes: Any
) -> TrainSettings:
    """Settings of a small run of the delta family, in which every loss takes part from the first step."""
    plain = {
        "teachers": [str(teacher)],
        "widths": WIDTHS,
        "head_start": 0,
        "r1_every": 2,
        "covered": 0.5,
        "own_looks": 15,
    }
    return _settings("delta", cache, {**plain, **(options or {})}, changes)


def latent_settings(cache: Path, *, options: dict[str, Any] | None = None, **changes: Any) -> TrainSettings:
    """Settings of a small run of the latent-cgan family, with everything in it."""
    plain = {"width": 8, "latent": 16, "age_embedding": 8, "gated_blocks": "all", "r1": 0.1}
    return _settings("latent-cgan", cache, {**plain, **(options or {})}, {"epoch_files": True, **changes})


def cycle_settings(cache: Path, *, options: dict[str, Any] | None = None, **changes: Any) -> TrainSettings:
    """Settings of a small run of the cyclegan family, with everything in it."""
    plain = {"width": 4, "blocks": 1, "critic_width": 4, "replay": 6, "spectral": True, "r1": 0.1}
    return _settings(
        "cyclegan", cache, {**plain, "young": [16, 40], "old": [45, 90], **(options or {})}, changes
    )


def _settings(family: str, cache: Path, options: dict[str, Any], changes: dict[str, Any]) -> TrainSettings:
    changes = dict(changes)
    steps = changes.pop("steps", 6)
    epoch = changes.pop("sample_every", 3 if steps % 3 == 0 else steps)
    plain = {
        "epochs": steps // epoch, "steps_per_epoch": epoch, "batch": 4, "precision": "fp32", "warmup": 2,
        "log_every": 2, "kid_faces": 0,
    }  # fmt: skip
    data = {"cache": str(cache), "min_sharpness": 0}
    return TrainSettings.model_validate(
        {"family": family, "data": data, "options": options, **plain, **changes}
    )


def at_step(trainer: Trainer, step: int, action: Callable[[], object]) -> Trainer:
    """Let ``trainer`` do ``action`` when it draws the faces of ``step``."""
    draw = trainer.family.draw

    def draw_and_act(number: int, shard: Shard) -> Any:
        if number == step:
            action()
        return draw(number, shard)

    trainer.family.draw = draw_and_act  # type: ignore[method-assign]
    return trainer
