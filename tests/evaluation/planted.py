"""Real faces and edits whose scores are known, for tests of the scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reage.evaluation.faces import EditedFaces, RealFaces, do_nothing

TARGETS = (20.0, 40.0, 60.0, 80.0)
COUNT = 240


def real_faces(seed: int = 0, *, bias: float = 2.0) -> RealFaces:
    """Real faces whose age is estimated ``bias`` years too old by the first judge and too young by the second."""
    rng = np.random.default_rng(seed)
    age = np.tile(TARGETS, COUNT // 4) + rng.integers(-9, 10, COUNT)
    gender = np.array(["F", "M"] * (COUNT // 2), object)
    return RealFaces(
        age=age, gender=gender, race=np.array([0, 1, 2, None] * (COUNT // 4), object),
        subject=np.arange(COUNT).astype(object), estimated_ages=np.stack([age + bias, age - bias], 1),
        male_probability=(gender == "M") * 0.8 + 0.1, descriptors=rng.normal(0, 1, (COUNT, 128)),
        features=rng.normal(0, 1, (COUNT, 32)) + age[:, None] / 50,
    )  # fmt: skip


def edits(faces: RealFaces, error: float = 5.0, *, distance: float = 1.0, shift: float = 0.0) -> EditedFaces:
    """Outputs that look ``error`` years too old, lie ``distance`` from their inputs, and have features of the target's
    age, moved by ``shift``."""
    rng = np.random.default_rng(2)
    targets = np.asarray(TARGETS)
    shape = (len(faces), len(TARGETS))
    return replace(
        do_nothing(faces, TARGETS),
        estimated_ages=np.broadcast_to((targets + error)[None, :, None], (*shape, 2)),
        distances=np.full(shape, distance),
        features=rng.normal(0, 1, (*shape, 32)) + targets[None, :, None] / 50 + shift,
    )
