"""The filter that takes spots out of an edit and leaves its lines, on pictures of which the answer is known."""

import math
from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor

from reage.networks.coherence import LineFilter
from reage.training.editing import gaussian_blur

SIZE = 128


def places() -> tuple[Tensor, Tensor]:
    """Columns and rows, counted from the middle."""
    rows, columns = torch.meshgrid(
        torch.arange(SIZE) - SIZE / 2, torch.arange(SIZE) - SIZE / 2, indexing="ij"
    )
    return columns, rows


def bump(distance: Tensor, sigma: float) -> Tensor:
    """A map (1, 1, S, S) that falls off like a Gaussian with the ``distance`` (S, S) from something."""
    return 0.2 * torch.exp(-0.5 * (distance / sigma) ** 2)[None, None]


def energy(maps: Tensor) -> float:
    return float(maps.square().sum())


@pytest.mark.parametrize("degrees", [0, 30, 45, 90])
@pytest.mark.parametrize("sigma", [1, 2, 4, 8])
def test_lines_stay(degrees: int, sigma: float) -> None:
    columns, rows = places()
    turn = math.radians(degrees)
    line = bump(columns * math.cos(turn) + rows * math.sin(turn), sigma)
    middle = (..., slice(48, 80), slice(48, 80))
    torch.testing.assert_close(LineFilter()(line)[middle], line[middle], atol=0.01, rtol=0)


@pytest.mark.parametrize("sigma", [1.5, 3])
def test_bent_lines_stay(sigma: float) -> None:
    columns, rows = places()
    arc = bump((columns**2 + rows**2).sqrt() - 30, sigma)
    assert energy(LineFilter()(arc)) > 0.75 * energy(arc)


@pytest.mark.parametrize("sigma", [2, 3, 4, 6])
def test_spots_go_dark_ones_as_light_ones(sigma: float) -> None:
    columns, rows = places()
    spot = bump((columns**2 + rows**2).sqrt(), sigma)
    left = LineFilter()(spot)
    assert energy(left) < 0.2 * energy(spot)
    assert left.max() < 0.4 * spot.max()
    torch.testing.assert_close(LineFilter()(-spot), -left)


@pytest.mark.parametrize("sigma", [1.5, 3])
def test_blotches_go(sigma: float) -> None:
    blotches = gaussian_blur(torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)), sigma)
    assert energy(LineFilter()(blotches)) < 0.3 * energy(blotches)


def test_tone_stays() -> None:
    flat = torch.full((1, 1, SIZE, SIZE), 0.3)
    torch.testing.assert_close(LineFilter()(flat), flat)
    slope = (places()[0] / SIZE)[None, None]
    inner = (..., slice(16, -16), slice(16, -16))
    torch.testing.assert_close(LineFilter()(slope)[inner], slope[inner], atol=0.01, rtol=0)


def test_a_turned_map_gives_the_turned_answer() -> None:
    maps = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    turned = LineFilter()(maps.rot90(1, (2, 3)))
    torch.testing.assert_close(turned, LineFilter()(maps).rot90(1, (2, 3)))


def test_nothing_gives_nothing_with_gradients() -> None:
    nothing = torch.zeros(1, 1, 32, 32, requires_grad=True)
    out = LineFilter()(nothing)
    out.sum().backward()
    assert not out.any()
    assert nothing.grad is not None
    assert nothing.grad.isfinite().all()


@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecations
def test_exported_it_gives_the_same_answer_about_faint_lines(tmp_path: Path) -> None:
    columns, _ = places()
    noise = torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    maps = 0.01 * (torch.sin(columns / 3)[None, None] + noise)
    path, filtering = tmp_path / "lines.onnx", LineFilter().eval()
    torch.onnx.export(
        filtering, (maps,), str(path), input_names=["maps"], opset_version=18, dynamo=True, verbose=False
    )
    (found,) = onnxruntime.InferenceSession(path).run(None, {"maps": maps.numpy()})
    assert found == pytest.approx(filtering(maps).numpy(), abs=1e-5)
