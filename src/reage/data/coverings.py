"""Draws glasses, hands, hair and objects over training faces, so that a network learns to leave them alone."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from reage.arrays import Float32, Float64, UInt8

Rng = np.random.Generator

_FINE = 2
"""They are drawn this many times as large and then reduced, so that their edges are smooth."""
_RIMS = (
    *((12, 12, 14), (25, 20, 18), (60, 40, 25), (95, 60, 30), (120, 110, 100), (190, 165, 110)),
    *((200, 200, 205), (110, 25, 30), (30, 45, 90)),
)
"""Colours of the rims of glasses: black, brown, metal, gold, red, blue."""
_HAIR = ((20, 16, 14), (50, 35, 25), (95, 65, 40), (150, 110, 70), (190, 160, 120), (150, 150, 150))
"""Colours of hair."""
_BITS = 8
"""Binary digits after the point in the coordinates that OpenCV is given."""


class _Layer:
    """What is being drawn before one face: colours times opacity, and opacity, at `_FINE` times its size."""

    def __init__(self, size: int) -> None:
        self.colour = np.zeros((size * _FINE, size * _FINE, 3), np.float32)
        self.opacity = np.zeros((size * _FINE, size * _FINE), np.float32)

    def add(self, where: UInt8, colour: npt.ArrayLike, opacity: float) -> None:
        """Draw ``where`` (H, W), 255 inside and 0 outside, in one colour, or one a pixel, of 0 to 255."""
        weight = opacity * (where[..., None] / np.float32(255))
        self.colour += weight * (np.clip(np.asarray(colour, np.float32), 0, 255) - self.colour)
        self.opacity += weight[..., 0] * (1 - self.opacity)

    def blank(self) -> UInt8:
        """A drawing with nothing in it."""
        return np.zeros(self.opacity.shape, np.uint8)

    def finish(self) -> Float32:
        """Colour in [-1, 1] and opacity, at the size of the face: (4, S, S)."""
        covering = np.dstack([self.colour, self.opacity])
        small = cv2.resize(covering, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA)
        small[..., :3] = np.clip(small[..., :3] * (2 / 255) / np.maximum(small[..., 3:], 1e-3) - 1, -1, 1)
        return np.ascontiguousarray(small.transpose(2, 0, 1), np.float32)


def draw_coverings(images: UInt8, landmarks: Float32, seeds: npt.NDArray[np.integer]) -> Float32:
    """Draw something before each face: (B, 4, S, S), three channels of colour in [-1, 1] and one of opacity in [0, 1].

    Args:
        images: the faces (B, S, S, 3), RGB; hands are of the colour of their cheeks.
        landmarks: their landmarks (B, 468, 2), in pixels of the images.
        seeds: a seed for each (B,).
    """
    size = images.shape[1]
    drawn = np.empty((len(images), 4, size, size), np.float32)
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng(int(seed))
        layer, points = _Layer(size), (landmarks[i] + 0.5) * _FINE
        x, y = np.clip(landmarks[i][50 if rng.random() < 0.5 else 280], 0, size - 1).astype(int)
        kind = _KINDS[rng.choice(len(_KINDS), p=_SHARES)]
        kind(layer, points, images[i, y, x].astype(np.float32), rng)
        drawn[i] = layer.finish()
    return drawn


def _glasses(layer: _Layer, points: Float32, skin: Float32, rng: Rng) -> None:
    """Spectacles or, one time in six, sunglasses: rims round, square or between, some only above, some very thin."""
    right, left = points[[33, 133]].mean(0), points[[362, 263]].mean(0)
    apart = float(np.linalg.norm(left - right))
    down = np.array([right[1] - left[1], left[0] - right[0]]) / apart
    roll = float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
    half = apart * np.array([rng.uniform(0.34, 0.47), rng.uniform(0.2, 0.4)])
    power, lower = rng.uniform(2, 3.5), down * apart * rng.uniform(0, 0.1)
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    lens = np.stack([np.cos(turn), np.sin(turn)], 1)
    lens = np.sign(lens) * np.abs(lens) ** (2 / power) * half  # a superellipse
    lens = lens @ cv2.getRotationMatrix2D((0, 0), -roll, 1)[:, :2].T
    thick = max(1, round(apart * float(rng.choice([0.02, 0.03, 0.05, 0.09]) * rng.uniform(0.7, 1.3))))
    above_only = rng.random() < 0.15
    rims, lenses = layer.blank(), layer.blank()
    for eye, temple, out in ((right, points[234], -1), (left, points[454], 1)):
        outline = eye + lower + lens
        _fill(lenses, outline)
        _line(rims, outline[30:] if above_only else outline, thick, closed=not above_only)
        hinge = eye + lower + (left - right) / apart * half[0] * out - down * half[1] * 0.3
        _line(rims, np.stack([hinge, temple - down * apart * rng.uniform(0, 0.3)]), thick)
        nose = eye + lower - (left - right) / apart * half[0] * out - down * half[1] * 0.2
        _line(rims, np.stack([nose, (left + right) / 2 + lower - down * half[1] * 0.3]), thick)
    tint = rng.uniform(0.75, 0.97) if rng.random() < 1 / 6 else max(0.0, rng.uniform(-0.2, 0.2))
    if tint:
        layer.add(lenses, rng.uniform(0, 90) + rng.uniform(-15, 15, 3), tint)
    if rng.random() < 0.3:
        _reflection(layer, lenses, right, apart, rng)
    layer.add(rims, np.array(_RIMS[rng.integers(len(_RIMS))]) * rng.uniform(0.7, 1.3), rng.uniform(0.7, 1))


def _reflection(layer: _Layer, lenses: UInt8, start: Float32, apart: float, rng: Rng) -> None:
    """A light band across both lenses."""
    band = layer.blank()
    slope = np.array([rng.uniform(-0.6, 0.6), 1]) * apart
    for place in (rng.uniform(-0.3, 0.3), 1 + rng.uniform(-0.3, 0.3)):
        middle = start + np.array([place * apart, 0])
        _line(band, np.stack([middle - slope, middle + slope]), max(1, int(apart * rng.uniform(0.05, 0.3))))
    layer.add(np.minimum(band, lenses), rng.uniform(170, 255, 3), rng.uniform(0.2, 0.7))


def _hand(layer: _Layer, points: Float32, skin: Float32, rng: Rng) -> None:
    """Fingers from beyond the face: side by side, round, of the colour of its skin."""
    apart = float(np.linalg.norm(points[263] - points[33]))
    tips = points[[61, 291, 152, 50, 280, 17, 70, 300]][rng.integers(8)] + rng.normal(0, 0.15, 2) * apart
    angle = rng.uniform(-0.2, np.pi + 0.2)  # from the sides or from below
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    thick, count = apart * rng.uniform(0.17, 0.26), int(rng.integers(1, 5))
    tone = skin * rng.uniform(0.75, 1.15) * rng.normal(1, 0.03, 3)
    for finger in range(count):
        where = layer.blank()
        place = finger - (count - 1) / 2
        tip = tips + across * place * thick * 0.95 + along * abs(place) * thick * rng.uniform(0, 0.5)
        root = tip + along * apart * 2 + across * place * thick * rng.uniform(0, 0.4)
        _line(where, np.stack([tip, root]), max(1, int(thick)))
        inside = cv2.distanceTransform(where, cv2.DIST_L2, 3) / (thick / 2)
        layer.add(where, tone * (0.6 + 0.45 * np.sqrt(np.minimum(inside, 1)))[..., None], 1.0)


def _strands(layer: _Layer, points: Float32, skin: Float32, rng: Rng) -> None:
    """Strands of hair that fall from above the forehead over the face."""
    apart = float(np.linalg.norm(points[263] - points[33]))
    top = points[10] + np.array([rng.uniform(-0.8, 0.8), -0.3]) * apart
    end = points[[234, 454, 50, 280, 152]][rng.integers(5)]
    colour = np.array(_HAIR[rng.integers(len(_HAIR))]) * rng.uniform(0.7, 1.2)
    for _ in range(int(rng.integers(2, 12))):
        where = layer.blank()
        start, bend, stop = (
            np.asarray(each) + rng.normal(0, 0.1, 2) * apart for each in (top, (top + end) / 2, end)
        )
        bend = bend + rng.normal(0, 0.15, 2) * apart
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * stop
        _line(where, curve, max(1, round(apart * rng.uniform(0.005, 0.05))))
        layer.add(where, colour * rng.uniform(0.8, 1.25), rng.uniform(0.5, 1))


def _object(layer: _Layer, points: Float32, skin: Float32, rng: Rng) -> None:
    """A microphone, a cup, a phone or a cloth: a round or square patch of any colour, patterned, perhaps on a stick."""
    apart = float(np.linalg.norm(points[263] - points[33]))
    centre = points[[13, 17, 152, 61, 291, 93, 323]][rng.integers(7)] + rng.normal(0, 0.2, 2) * apart
    colour = rng.uniform(0, 255) + rng.normal(0, 30, 3) if rng.random() < 0.7 else rng.uniform(0, 255, 3)
    size = apart * rng.uniform(0.3, 1.1, 2)
    box = (tuple(centre.tolist()), tuple(size.tolist()), float(rng.uniform(-45, 45)))
    where = layer.blank()
    if rng.random() < 0.5:
        _line(where, np.stack([centre, centre + np.array([rng.normal(0, 1), 2]) * apart]), int(apart * 0.2))
    if rng.random() < 0.6:
        cv2.ellipse(where, box, 255.0, -1)
    else:
        _fill(where, cv2.boxPoints(box))
    grain = rng.standard_normal(where.shape).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), apart * rng.uniform(0.02, 0.15))
    look = 1 + rng.uniform(0, 0.3) * grain / grain.std()
    layer.add(where, colour * look[..., None], 1.0)


def _line(where: UInt8, points: Float32 | Float64, thick: int, *, closed: bool = False) -> None:
    """Draw a line through ``points`` (N, 2), with round ends, onto ``where``."""
    fixed = np.round(points * 2**_BITS).astype(np.int32)
    cv2.polylines(where, [fixed], closed, 255.0, thick, cv2.LINE_AA, _BITS)


def _fill(where: UInt8, points: Float32) -> None:
    """Fill the polygon of ``points`` (N, 2) in ``where``."""
    cv2.fillPoly(where, [np.round(points * 2**_BITS).astype(np.int32)], 255.0, cv2.LINE_AA, _BITS)


_KINDS: tuple[Callable[[_Layer, Float32, Float32, Rng], None], ...] = (_glasses, _hand, _strands, _object)
_SHARES = (0.5, 0.15, 0.2, 0.15)
"""How often each is drawn; glasses most, as people wear them most."""
