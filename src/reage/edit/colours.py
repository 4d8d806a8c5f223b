"""What colours a thing has in one picture: a mixture of Gaussians, learned from some of its pixels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Bool, Float32

ANY_COLOUR = 1 / (100 * 50 * 50)
"""The density of a thing that may have any colour, in CIELAB."""

_FEWEST = 24
"""Pixels that make a Gaussian."""
_MOST = 1500
"""Pixels that are enough to learn from."""


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
            covariance = np.cov(group.T) + floor
            whitening = np.linalg.cholesky(np.linalg.inv(covariance))
            height = np.log(len(group) / len(colours) / np.sqrt((2 * np.pi) ** 3 * np.linalg.det(covariance)))
            self._parts.append((group.mean(0), whitening.astype(np.float32), float(height)))

    @property
    def means(self) -> Float32:
        """The mean colour (n, 3) of each Gaussian."""
        return np.array([middle for middle, _, _ in self._parts], np.float32).reshape(-1, 3)

    def densities(self, lab: Float32) -> Float32:
        """How likely each of the n Gaussians gives each of the colours ``lab`` (..., 3): (n, ...)."""
        found = np.zeros((len(self._parts), *lab.shape[:-1]), np.float32)
        for number, (middle, whitening, height) in enumerate(self._parts):
            away = (lab - middle) @ whitening
            found[number] = np.exp(np.maximum(height - 0.5 * np.einsum("...c,...c", away, away), -60))
        return found

    def density(self, lab: Float32) -> Float32:
        """How likely the thing has each of the colours ``lab`` (..., 3)."""
        return np.asarray(self.densities(lab).sum(0), np.float32)

    def __bool__(self) -> bool:
        """Whether anything was learned."""
        return bool(self._parts)


def to_lab(pixels: npt.NDArray[np.uint8]) -> Float32:
    """Pixels (H, W, 3) in CIELAB: lightness 0 to 100, chroma about -100 to 100."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


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
