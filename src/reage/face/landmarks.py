"""The 468 landmarks of a face (MediaPipe Face Mesh), read from a square crop around it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, UInt8
from reage.devices import Device
from reage.face.alignment import apply_transform, fit_similarity, invert_transform, warp
from reage.onnx_session import shipped_session

CROP = 192
"""Side in pixels of the crops that the network takes."""


class LandmarkNetwork:
    """Finds the landmarks of a face in a square crop around it."""

    def __init__(self, *, threads: int | None = None, device: Device | None = None) -> None:
        self._session = shipped_session("face_landmarks.onnx", threads, device)

    def load(self) -> None:
        """Open the network now, not on first use."""
        self._session.load()

    def read(
        self, pixels: UInt8, centre: tuple[float, float], side: float, roll: float
    ) -> tuple[Float32, float]:
        """The landmarks of the face in a crop, and the probability that there is one.

        Pixels outside the photo are black, as they were in the network's training.

        Args:
            pixels: the photo (H, W, 3).
            centre: the middle of the crop, ``(x, y)`` in pixels of the photo.
            side: the side of the crop, in pixels of the photo.
            roll: the angle in radians of the line from the right eye to the left eye of the person; 0 is upright.

        Returns:
            The landmarks (468, 3) in pixels of the photo, and the probability.
        """
        matrix = crop_transform(centre, side, roll)
        crop = warp(pixels, matrix, (CROP, CROP), border=cv2.BORDER_CONSTANT)
        batch = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32)
        landmarks, presence = self._session.run(None, {"image": batch})
        points = landmarks[0].astype(np.float32)
        found = np.concatenate([apply_transform(invert_transform(matrix), points[:, :2]), points[:, 2:]], 1)
        found[:, 2] *= side / CROP
        return found, float(presence[0])

    def refine(self, pixels: UInt8, landmarks: Float32) -> tuple[Float32, float]:
        """The landmarks again, from the crop that earlier ``landmarks`` (468, 2 or 3) suggest; returns as `read`.

        Such a crop is steadier than the detector's box.
        """
        centre, side, roll = crop_around(landmarks)
        return self.read(pixels, centre, side, roll)


def crop_transform(centre: tuple[float, float], side: float, roll: float) -> Float32:
    """The similarity (2, 3) from the photo to the `CROP` x `CROP` pixels of a crop; arguments as in `read`."""
    along = np.array([np.cos(roll), np.sin(roll)])
    down = np.array([-along[1], along[0]])
    half = side / 2
    middle = np.asarray(centre)
    source = np.stack([middle, middle + half * along, middle + half * down]).astype(np.float32)
    mid = CROP / 2 - 0.5
    target = np.array([[mid, mid], [mid + CROP / 2, mid], [mid, mid + CROP / 2]], np.float32)
    return fit_similarity(source, target)


def crop_around(landmarks: Float32) -> tuple[tuple[float, float], float, float]:
    """Centre, side and roll of the crop that suits a face with these landmarks (468, 2 or 3)."""
    right, left = landmarks[[33, 133], :2].mean(0), landmarks[[362, 263], :2].mean(0)
    roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    level: npt.NDArray[Any] = landmarks[:, :2] @ turn.T
    low, high = level.min(0), level.max(0)
    centre = turn.T @ ((low + high) / 2)
    return (float(centre[0]), float(centre[1])), 1.5 * float((high - low).max()), roll
