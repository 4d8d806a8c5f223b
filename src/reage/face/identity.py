"""Face descriptors by an ONNX network: vectors that are close to each other for one person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reage.arrays import Float32, UInt8
from reage.devices import Device
from reage.face.apparent_age import dlib_chip
from reage.onnx_session import shipped_session

NETWORK = "face_identity.onnx"
_CHIP, _PADDING = 150, 0.25
"""Side in pixels and margin of the pictures that the network was made for."""


class IdentityReader:
    """Describes faces, so that those of one person can be told from others."""

    def __init__(self, *, threads: int | None = None, device: Device | None = None) -> None:
        self._session = shipped_session(NETWORK, threads, device)

    def read(self, pictures: Sequence[UInt8], landmarks_photo: Float32) -> Float32:
        """The descriptors (N, 128) of a face; the smaller their Euclidean distance, the more alike two faces are.

        Args:
            pictures: N pictures (H, W, 3) in sRGB with the face at the same place.
            landmarks_photo: its landmarks (468, 2 or 3), in pixels of the pictures.
        """
        chips = np.stack([dlib_chip(picture, landmarks_photo, _CHIP, _PADDING) for picture in pictures])
        batch = np.ascontiguousarray(chips.transpose(0, 3, 1, 2), np.float32)
        (descriptors,) = self._session.run(["descriptor"], {"image": batch})
        return np.asarray(descriptors, np.float32)
