"""Embeddings of faces that an age network gives, without the age."""

from pathlib import Path

import torch

from reage.data.cache import open_cache
from reage.data.sampling import FacePool
from reage.training.editing import to_tensor
from reage.training.likeness import Likeness
from reage.training.losses import cosine_distance
from reage.training.teachers import read_age_net

WEIGHTS = Path(__file__).parents[2] / "weights" / "age"


def test_a_face_is_nearer_to_itself_mirrored_and_darker_than_to_others(cache: Path) -> None:
    pool = FacePool(open_cache(cache))
    likeness = Likeness(WEIGHTS, pool, torch.device("cpu"))
    faces = to_tensor(torch.from_numpy(pool.take(pool.evenly_spaced(12), masks=False).images))
    with torch.no_grad():
        ours = likeness.embed(faces)
        theirs = likeness.embed((0.9 * faces.flip(3) - 0.05).clamp(-1, 1))
    distances = torch.stack([
        torch.stack([cosine_distance(one[None], other[None]) for other in theirs]) for one in ours
    ])  # fmt: skip
    assert (distances.argmin(1) == torch.arange(12)).float().mean() > 0.7


def test_what_the_age_head_reads_most_is_not_in_an_embedding(cache: Path) -> None:
    """Embeddings are an affine function of the network's features; along these directions the function is flat."""
    likeness = Likeness(WEIGHTS, FacePool(open_cache(cache)), torch.device("cpu"))
    net = read_age_net(WEIGHTS)
    torch.manual_seed(0)
    coarse = torch.randn(260, 3, 8, 8)
    faces = torch.nn.functional.interpolate(coarse, size=128, mode="bicubic").clamp(-1, 1)
    with torch.no_grad():
        features = torch.cat([net.trunk(part)[-1].mean((2, 3)) for part in faces.split(52)])
        embeddings = torch.cat([likeness.embed(part) for part in faces.split(52)])
    inputs = torch.cat([features, torch.ones(len(faces), 1)], 1).double()
    function = torch.linalg.lstsq(inputs, embeddings.double()).solution[:-1]
    _, _, directions = torch.linalg.svd(net.age.weight.double())
    slopes = (directions @ function).norm(dim=1)
    assert slopes[:16].max() < 1e-3 * slopes[16:].min()


def test_faces_of_another_size_are_taken(cache: Path, age_run: Path) -> None:
    likeness = Likeness(age_run, FacePool(open_cache(cache)), torch.device("cpu"))
    assert likeness.embed(torch.rand(2, 3, 64, 64) * 2 - 1).shape == (2, 24)
