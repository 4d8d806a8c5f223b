"""Separates persons from the background (MediaPipe Selfie Segmentation)."""

from __future__ import annotations

import cv2
import numpy as np

from reage.arrays import Float32, UInt8
from reage.devices import Device
from reage.onnx_session import shipped_session

_SIDE = 256
"""Side of the network's input in pixels."""


class PersonNetwork:
    """Tells people from the background; made for pictures of head and shoulders, upright."""

    def __init__(self, *, threads: int | None = None, device: Device | None = None) -> None:
        self._session = shipped_session("selfie_mask.onnx", threads, device)

    def load(self) -> None:
        """Open the network now, not on first use."""
        self._session.load()

    def read(self, pixels: UInt8) -> Float32:
        """The probability (H, W) of each pixel of ``pixels`` (H, W, 3) to be a person's: skin, hair or clothes."""
        square = pixels
        if pixels.shape[:2] != (_SIDE, _SIDE):
            square = np.asarray(cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
        batch = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32)
        (mask,) = self._session.run(None, {"image": batch})
        size = pixels.shape[1], pixels.shape[0]
        return np.asarray(cv2.resize(mask[0, 0], size, interpolation=cv2.INTER_AREA), np.float32)
