"""A stand-in for a model that edits the whole head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from reage import Reager
from reage.assets import asset
from reage.bundle import DEFAULT, open_bundle, write_bundle
from reage.edit.compositing import AlignedFace, Edit
from reage.edit.masks import Reach

GREY = 0.5
"""Light grey, in units of [-1, 1]."""


class Greying(Reager):
    """Whatever is asked: everything in the frame of a face goes half-way to light grey, strands and pores staying."""

    def edit(self, face: AlignedFace, *, to: float, source: float, male: float) -> Edit:
        size = face.size
        low = cv2.GaussianBlur(face.pixels, (0, 0), 0.012 * size)
        return Edit((0.5 * (GREY - low)).astype(np.float32), np.zeros((size, size), np.float32))


def greying_reager(folder: Path, reach: Reach = "head") -> Reager:
    """One with a bundle in ``folder``, whose manifest says that the model edits the whole head, or the face alone."""
    embedded = open_bundle()
    contents = {name: (asset(DEFAULT) / name).read_bytes() for name in embedded.manifest.files}
    write_bundle(folder, replace(embedded.manifest, reach=reach), contents)
    return Greying(open_bundle(folder))
