"""Measures training speed: images a second of each family's full step, and of loading faces.

Run `python benchmarks/training.py` on an idle machine; it writes benchmarks/training.json. Every family trains at one
size on faces made from the bundled portraits. For comparison, the same run measures a plain CycleGAN step, as it is
usually written (full precision, batch norm, no channels-last memory, one network after another), and faces decoded from
JPEG files one by one. Ratios are more reliable than rates.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from reage.data.cache import build_cache, open_cache
from reage.data.catalog import index_dataset
from reage.data.sampling import FacePool, step_rng
from reage.networks.cyclegan import PatchDiscriminator, ResNetGenerator
from reage.training.config import load_recipe
from reage.training.editing import to_tensor
from reage.training.trainer import Trainer

HERE = Path(__file__).parent
RECIPES = HERE.parent / "recipes"
sys.path.insert(0, str(HERE.parent / "tests"))
from faces import write_faces  # noqa: E402

SAME = ["options.original=false"]
"""The networks of the improved model, without its improvements; not the original ones, whose D is far more costly."""
FAMILIES = {
    "latent-cgan 1.0": ("latent-cgan-founding", [*SAME, "options.conditional=false"]),
    "latent-cgan 1.1": ("latent-cgan-founding", SAME),
    "latent-cgan 2.1": ("latent-cgan-founding", [*SAME, "options.gated_blocks=generator"]),
    "latent-cgan 2.2": ("latent-cgan-founding", [*SAME, "options.gated_blocks=all"]),
    "latent-cgan, better recipe": ("latent-cgan", []),
    "cyclegan": ("cyclegan", []),
    "delta": ("delta", []),
}


def rates(actions: dict[str, Callable[[], object]], images: dict[str, int], repeats: int) -> dict[str, float]:
    """Images a second of each action, given how many it processes: the median of ``repeats`` alternating rounds."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(repeats):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - start)
    return {name: round(images[name] / statistics.median(taken), 1) for name, taken in times.items()}


def plain_cyclegan_step(batch: int, size: int) -> Callable[[], None]:
    """A CycleGAN's step as it is usually written: four networks, four optimisers, six passes through generators."""
    nets: list[nn.Module] = [
        ResNetGenerator(norm="batch"), ResNetGenerator(norm="batch"),
        PatchDiscriminator(norm="batch"), PatchDiscriminator(norm="batch"),
    ]  # fmt: skip
    older, younger, young_critic, old_critic = nets
    adams = [torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999)) for net in nets]
    young, old = (torch.rand(batch, 3, size, size) * 2 - 1 for _ in range(2))

    def least_squares(logits: torch.Tensor, target: float) -> torch.Tensor:
        return (logits - target).square().mean()

    def step() -> None:
        old_fake, young_fake = older(young), younger(old)
        loss = least_squares(old_critic(old_fake), 1) + least_squares(young_critic(young_fake), 1)
        loss = loss + 10 * (F.l1_loss(younger(old_fake), young) + F.l1_loss(older(young_fake), old))
        loss = loss + 5 * (F.l1_loss(older(old), old) + F.l1_loss(younger(young), young))
        for adam in adams[:2]:
            adam.zero_grad()
        loss.backward()
        for adam in adams[:2]:
            adam.step()
        for critic, adam, real, fake in (
            (young_critic, adams[2], young, young_fake),
            (old_critic, adams[3], old, old_fake),
        ):
            adam.zero_grad()
            loss = least_squares(critic(real), 1) + least_squares(critic(fake.detach()), 0)
            (0.5 * loss).backward()
            adam.step()

    return step


def family_step(trainer: Trainer) -> Callable[[], None]:
    """The whole step of ``trainer``, with the drawing of its faces."""

    def step() -> None:
        trainer.updater.update(trainer.step)
        trainer.step += 1

    return step


def loaders(faces: Path, cache: Path, batch: int, size: int) -> dict[str, Callable[[], object]]:
    """Two ways to load a batch: from the packed array of a cache, and from files decoded and resized one by one."""
    pool, steps, files = (
        FacePool(open_cache(cache, in_memory=True)),
        itertools.count(),
        sorted(faces.iterdir()),
    )

    def cached() -> object:
        drawn = pool.draw(batch, step_rng(0, next(steps)), masks=False)
        return to_tensor(torch.from_numpy(drawn.images))

    def decoded() -> object:
        rng = step_rng(1, next(steps))
        pictures = [_picture(files[i], size) for i in rng.integers(0, len(files), batch)]
        return to_tensor(torch.from_numpy(np.stack(pictures)))

    return {"packed array": cached, "JPEG files one by one": decoded}


def _picture(path: Path, size: int) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


@click.command()
@click.option("--size", type=click.IntRange(32), default=64, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=7, show_default=True)
@click.option("--store/--no-store", default=True, help="Write benchmarks/training.json.")
def main(size: int, batch: int, repeats: int, store: bool) -> None:
    """Measure training speed, and print it."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        faces, cache = scratch / "faces", scratch / "cache"
        write_faces(faces)
        index, _ = index_dataset("utkface", faces)
        build_cache(index, faces, cache, size=size)
        common = [
            f"data.cache={cache}", "data.min_sharpness=0", f"batch={batch}", "epochs=1", "steps_per_epoch=1",
            "kid_faces=0", "precision=bf16",
        ]  # fmt: skip
        Trainer(load_recipe(RECIPES / "age.yaml", common), scratch / "age").run()
        actions: dict[str, Callable[[], object]] = {}
        for name, (recipe, changes) in FAMILIES.items():
            more = (
                [f"options.teachers=[{scratch / 'age'}]", "options.head_start=0"] if name == "delta" else []
            )
            settings = load_recipe(RECIPES / f"{recipe}.yaml", [*common, *changes, *more])
            actions[name] = family_step(Trainer(settings, scratch / name))
        actions["cyclegan, plain restatement"] = plain_cyclegan_step(batch, size)
        found = rates(actions, dict.fromkeys(actions, batch), repeats)
        loading = loaders(faces, cache, 32, size)
        found_loading = rates(loading, dict.fromkeys(loading, 32), 10 * repeats)
    plain = found["cyclegan, plain restatement"]
    for name, rate in found.items():
        click.echo(f"{name:32s}{rate:9.1f} images/s{rate / plain:8.2f} x the plain step")
    slow = found_loading["JPEG files one by one"]
    for name, rate in found_loading.items():
        click.echo(f"{name:32s}{rate:9.1f} images/s{rate / slow:8.1f} x")
    if store:
        stored = {
            "size": size, "batch": batch, "repeats": repeats, "torch": torch.__version__,
            "threads": torch.get_num_threads(), "steps": found, "loading": found_loading,
        }  # fmt: skip
        (HERE / "training.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
