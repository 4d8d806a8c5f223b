"""EfficientNet-Lite0 as a judge of realism: blur and noise are far from the pictures they were made of."""

import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from faces import blended_faces
from reage.errors import ReageError
from reage.evaluation.features import INCEPTION_WEIGHTS, lite0_features, open_extractor, perceptual_distances
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


def test_the_perceptual_distance_grows_with_what_is_done_to_a_picture() -> None:
    faces = np.stack(blended_faces(64))[:18:3]

    def mean(pictures: np.ndarray) -> float:
        distances = perceptual_distances(np.asarray(pictures, np.uint8), faces)
        assert distances.shape == (6,)
        return float(distances.mean())

    assert mean(faces) == pytest.approx(0, abs=1e-6)
    blurred = [mean(np.stack([cv2.GaussianBlur(face, (0, 0), s) for face in faces])) for s in (1.0, 3.0)]
    shifted, others = mean(np.roll(faces, 2, axis=2)), mean(np.roll(faces, 1, axis=0))
    assert 0.001 < blurred[0] < blurred[1] < others < 4
    assert 0.001 < shifted < others
    one = perceptual_distances(faces[:1], faces[1:2])
    assert one == pytest.approx(perceptual_distances(faces, np.roll(faces, -1, axis=0))[:1], rel=1e-3)
    assert perceptual_distances(faces[1:2], faces[:1]) == pytest.approx(one, rel=1e-3)  # symmetric


# -- Inception-v3: torch-fidelity and its weights are not on every machine, so something stands in for them --


class _StandIn:
    """Called as torch-fidelity's Inception-v3 is: the features are the means of the channels, weighted."""

    def __init__(self, name: str, features: list[str], feature_extractor_weights_path: str) -> None:
        assert features == ["2048"]
        self.weights = torch.load(feature_extractor_weights_path, weights_only=True)["weights"]

    def eval(self) -> None:
        pass

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        assert x.dtype == torch.uint8
        return (x.float().mean((2, 3)) * self.weights,)


@pytest.fixture
def inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for torch-fidelity; returns the path at which its weights are looked for."""
    module = ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.FeatureExtractorInceptionV3 = _StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints" / INCEPTION_WEIGHTS


def test_inception_gets_the_bytes_of_the_pictures_as_torch_fidelity_does(inception: Path) -> None:
    torch.save({"weights": torch.tensor([1.0, 2.0, 3.0])}, inception)
    faces = np.stack(blended_faces(64))[:20]
    expected = faces.reshape(len(faces), -1, 3).mean(1) * [1, 2, 3]
    np.testing.assert_allclose(open_extractor("inception")(faces), expected, rtol=1e-5)


def test_weights_of_inception_that_are_missing_or_unsafe_are_told_in_one_line(inception: Path) -> None:
    with pytest.raises(ReageError, match=f"releases/download/v0.2.0/{INCEPTION_WEIGHTS} as {inception}"):
        open_extractor("inception")
    torch.save({"weights": inception}, inception)  # a path is a Python object
    with pytest.raises(ReageError, match="not weights that can be read safely") as caught:
        open_extractor("inception")
    assert "\n" not in str(caught.value)


def test_a_torchvision_of_another_build_is_told_in_one_line(
    inception: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch_fidelity").mkdir()
    (tmp_path / "torch_fidelity" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    for name in [name for name in sys.modules if name.startswith("torch_fidelity")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ReageError, match=r"builds of the same kind.*torchvision::nms") as caught:
        open_extractor("inception")
    assert "\n" not in str(caught.value)
