"""A colour model of one area of a picture: a mixture of Gaussians, learned from some of its pixels."""

from __future__ import annotations

import cv2
import numpy as np

from reage.arrays import Bool, Float32

ANY_COLOUR = 1 / (100 * 50 * 50)
"""The density of a thing that may have any colour, in CIELAB."""

_FEWEST = 24
"""Pixels that make a Gaussian."""
_MOST = 1500
"""Pixels that are enough to learn from."""

_HALVED = np.full((1, 3), -0.5, np.float32)
"""Makes of squared distances along three axes the exponent of a Gaussian."""


class ColourModel:
    """The density of the colours of one thing, in CIELAB: at most ``parts`` Gaussians.

    ``spread`` is the variance (lightness, and each of the two chroma axes) that every Gaussian has at least: how far
    light and shade may take the thing from the colours that were seen.
    """

    def __init__(
        self, lab: Float32, where: Bool, parts: int, spread: tuple[float, float] = (20.0, 4.0)
    ) -> None:
        """Learns from the pixels of ``lab`` (H, W, 3) that ``where`` (H, W) selects; knows nothing if they are few."""
        colours = lab[where]
        colours = colours[:: max(1, len(colours) // _MOST)]
        floor = np.diag([spread[0], spread[1], spread[1]])
        self._parts: list[tuple[Float32, Float32, float]] = []
        for group in _clusters(colours, parts):
            middle = group.mean(0, dtype=np.float64)
            away = group - middle
            covariance = away.T @ away / (len(group) - 1) + floor
            whitening = np.linalg.cholesky(np.linalg.inv(covariance))
            height = np.log(len(group) / len(colours) / np.sqrt((2 * np.pi) ** 3 * np.linalg.det(covariance)))
            self._parts.append((middle.astype(np.float32), whitening.astype(np.float32), float(height)))

    @property
    def means(self) -> Float32:
        """The mean colour (n, 3) of each Gaussian."""
        return np.array([middle for middle, _, _ in self._parts], np.float32).reshape(-1, 3)

    def densities(self, lab: Float32) -> Float32:
        """How likely each of the n Gaussians gives each of the colours ``lab`` (..., 3): (n, ...)."""
        # OpenCV does this five times as fast as numpy.
        column = np.ascontiguousarray(lab, np.float32).reshape(-1, 1, 3)
        found = np.empty((len(self._parts), len(column), 1), np.float32)
        for exponent, (middle, whitening, height) in zip(found, self._parts, strict=True):
            away = cv2.transform(column, np.hstack([whitening.T, -(whitening.T @ middle)[:, None]]))
            cv2.multiply(away, away, dst=away)
            cv2.transform(away, _HALVED, dst=exponent)
            exponent += np.float32(height)
        np.exp(np.maximum(found, -60, out=found), out=found)
        return found.reshape(-1, *lab.shape[:-1])

    def density(self, lab: Float32) -> Float32:
        """How likely the thing has each of the colours ``lab`` (..., 3)."""
        return np.asarray(self.densities(lab).sum(0), np.float32)

    def __bool__(self) -> bool:
        """Whether anything was learned."""
        return bool(self._parts)


def hue(lab: Float32) -> Float32:
    """The chroma (..., 2) of colours ``lab`` (..., 3) in parts of their lightness, which shading hardly changes."""
    return np.asarray(lab[..., 1:] / np.maximum(lab[..., :1], 5), np.float32)


def _clusters(colours: Float32, parts: int) -> list[Float32]:
    """Groups of like colours, none of them too small: k-means, begun by lightness so that it is repeatable."""
    parts = min(parts, len(colours) // _FEWEST)
    if parts < 2:
        return [colours] * parts
    order = np.argsort(colours[:, 0], kind="stable")
    labels = np.empty(len(colours), np.int32)
    labels[order] = np.arange(len(colours)) * parts // len(colours)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 8, 0.5)
    cv2.kmeans(colours, parts, labels[:, None], criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    groups = [colours[labels == number] for number in range(parts)]
    return [group for group in groups if len(group) >= _FEWEST]
