"""EfficientNet-Lite0 as a judge of realism: blur and noise are far from the pictures they were made of."""

import cv2
import numpy as np

from faces import blended_faces
from reage.evaluation.features import lite0_features
from reage.evaluation.metrics import kernel_distance


def test_the_kid_of_pictures_grows_with_blur_and_noise() -> None:
    faces = np.stack(blended_faces(64))
    rng = np.random.default_rng(0)
    base = lite0_features(faces)
    assert base.shape == (len(faces), 1280)

    def distance(pictures: np.ndarray) -> float:
        return kernel_distance(base, lite0_features(pictures), subset_size=32)[0]

    blurred = [np.stack([cv2.GaussianBlur(face, (0, 0), sigma) for face in faces]) for sigma in (1.0, 3.0)]
    noisy = (faces + rng.normal(0, 40, faces.shape)).clip(0, 255).astype(np.uint8)
    same, little, much, noise = (distance(x) for x in (faces, *blurred, noisy))
    assert abs(same) < little < much
    assert noise > little
