"""Finds copies of one photograph in a data set, even if recompressed, resized, blurred or mirrored.

Aligned faces resemble each other so much that a perceptual hash alone merges strangers: in UTKFace most pairs at a
Hamming distance of 8 are different people. So the hash only proposes pairs, and pixels decide: the two grey thumbnails
must correlate after their coarse shading, which all aligned faces share, has been subtracted. The thresholds were set
by looking at UTKFace, where nearly all pairs just above them are copies.

A known limit: faces that were all cut out along the same oval share its edge and would be merged. A largest group of
more than ten images or so is a sign of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.arrays import Bool, Int64

THUMBNAIL = 32  # side of the grey thumbnail, pixels
MAX_HAMMING = 12  # of 64 bits: wide, because the thumbnails decide
MIN_CORRELATION = 0.87  # of the thumbnails' detail

_SHADING_SIGMA = 3.0  # pixels of the thumbnail; what is coarser is shading, not identity
_HASH_SIDE = 8
_BLOCK = 2048  # rows per block of the pairwise products, which bounds memory at _BLOCK x N floats


def thumbnail(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a grey image (H, W) uint8 to (32, 32) by area averaging."""
    small: NDArray[np.uint8] = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return small


def perceptual_hash(thumb: NDArray[np.uint8]) -> Bool:
    """The 64-bit DCT hash (pHash; Zauner, 2010) of a thumbnail (32, 32) uint8, and of its mirror image: bool (2, 64).

    Mirroring negates the DCT's odd horizontal frequencies, so the second costs no second transform.
    """
    low = cv2.dct(thumb.astype(np.float32))[:_HASH_SIDE, :_HASH_SIDE]
    mirrored = low * np.where(np.arange(_HASH_SIDE) % 2, -1, 1)
    both = np.stack([low.ravel(), mirrored.ravel()])
    # the median leaves out the mean brightness (DC), which is far above the rest
    bits: Bool = both > np.median(both[:, 1:], axis=1, keepdims=True)
    return bits


def duplicate_pairs(thumbs: NDArray[np.uint8], hashes: Bool) -> Int64:
    """Find the pairs of images that are copies of one photograph, mirrored or not.

    Args:
        thumbs: their thumbnails, uint8 (N, 32, 32).
        hashes: of each, what `perceptual_hash` returned: bool (N, 2, 64).

    Returns:
        Their positions, int64 (P, 2), with i < j in each row, sorted.

    Time grows with the square of N (about 10 s for 24,000 images on two cores), memory with N: 8 KB an image.
    """
    found = [np.empty((0, 2), np.int64)]
    plain = _detail(thumbs)
    for side, left in enumerate((plain, _detail(thumbs[:, :, ::-1]))):
        for pairs in _close_hashes(hashes[:, side], hashes[:, 0]):
            correlation = np.einsum("pk,pk->p", left[pairs[:, 0]], plain[pairs[:, 1]])
            found.append(pairs[correlation >= MIN_CORRELATION])
    return np.unique(np.concatenate(found), axis=0)


def connected_groups(count: int, pairs: Int64) -> NDArray[np.int64]:
    """Label each of ``count`` nodes with the lowest node it is connected to by ``pairs`` (P, 2): int64 (count,)."""
    # Union-find by hand: scipy's connected_components would add 140 MB to the extra `train` for these few lines.
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first, second in pairs.tolist():
        a, b = root(first), root(second)
        parent[max(a, b)] = min(a, b)
    return np.array([root(node) for node in range(count)], np.int64)


def _detail(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Thumbnails (N, 32, 32) without shading, as unit vectors (N, 1024); zero where a thumbnail is flat."""
    out = np.empty((len(thumbs), THUMBNAIL * THUMBNAIL), np.float32)
    for row, thumb in zip(out, thumbs, strict=True):
        image = thumb.astype(np.float32)
        row[:] = (image - cv2.GaussianBlur(image, (0, 0), _SHADING_SIGMA)).ravel()
    out -= out.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(out, axis=1, keepdims=True)
    # half a grey level of contrast is rounding noise, and must not make flat images alike
    unit: NDArray[np.float32] = np.where(norm > 0.5 * THUMBNAIL, out / np.maximum(norm, 1e-6), 0)
    return unit


def _close_hashes(left: Bool, right: Bool) -> Iterator[Int64]:
    """Yield blocks (P, 2) of pairs i < j whose hashes left[i], right[j] are at most MAX_HAMMING apart."""
    bits = left.shape[1]
    # as +-1 vectors the inner product is bits - 2 x distance: the search becomes a matrix product
    a, b = (np.where(side, 1, -1).astype(np.float32) for side in (left, right))
    for start in range(0, len(a), _BLOCK):
        close = a[start : start + _BLOCK] @ b[start:].T >= bits - 2 * MAX_HAMMING
        i, j = np.nonzero(np.triu(close, k=1))
        for part in range(0, len(i), 1 << 15):  # bounds the vectors gathered for the comparison
            piece = slice(part, part + (1 << 15))
            yield np.stack([i[piece], j[piece]], axis=1).astype(np.int64) + start
