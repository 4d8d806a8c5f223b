"""A cache and runs in miniature, made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from reage.training.checkpoint import save_weights
from reage.training.config import TrainSettings, read_settings
from reage.training.export import export_run
from reage.training.trained import open_trained
from reage.training.trainer import Trainer

from .tiny import (
    CAAE,
    ORIGINAL,
    SIZE,
    age_settings,
    cycle_settings,
    delta_settings,
    latent_settings,
    write_cache,
)

Train = Callable[[str, TrainSettings], Path]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny networks are quicker on one thread, and sums are then always taken in one order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 44 drawn faces."""
    return write_cache(tmp_path_factory.mktemp("data") / "cache")


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains a run of this name, and returns its folder."""

    def run(name: str, settings: TrainSettings) -> Path:
        folder = tmp_path_factory.mktemp("runs") / name
        Trainer(settings, folder).run()
        return folder

    return run


@pytest.fixture(scope="session")
def age_run(cache: Path, train: Train) -> Path:
    """The folder of a finished run of the age family."""
    return train("age", age_settings(cache))


@pytest.fixture(scope="session")
def robust_run(cache: Path, train: Train) -> Path:
    """The same, trained against adversarial perturbations, with sample sheets."""
    return train("robust", age_settings(cache, options={"robust": "free", "replays": 3}, sample_faces=6))


@pytest.fixture(scope="session")
def delta_run(cache: Path, age_run: Path, train: Train) -> Path:
    """Of the delta family."""
    return train("delta", delta_settings(cache, age_run))


@pytest.fixture(scope="session")
def latent_run(cache: Path, train: Train) -> Path:
    """Of the latent-cgan family."""
    return train("latent", latent_settings(cache))


@pytest.fixture(scope="session")
def classic_run(cache: Path, train: Train) -> Path:
    """Of a classic GAN, which knows nothing of ages."""
    return train("classic", latent_settings(cache, options={"conditional": False}, steps=1))


@pytest.fixture(scope="session")
def original_run(cache: Path, train: Train) -> Path:
    """Of the founding project's networks."""
    return train("original", latent_settings(cache, options=ORIGINAL, steps=1, log_every=1, clip=None))


@pytest.fixture(scope="session")
def caae_run(cache: Path, train: Train) -> Path:
    """Of latent-cgan with a prior on the latent."""
    return train("caae", latent_settings(cache, options=CAAE, steps=2))


@pytest.fixture(scope="session")
def cycle_run(cache: Path, train: Train) -> Path:
    """Of the cyclegan family."""
    return train("cycle", cycle_settings(cache))


@pytest.fixture(scope="session")
def strong_run(delta_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the delta family whose edits are as strong as those of a long training."""
    folder = tmp_path_factory.mktemp("runs") / "strong"
    shutil.copytree(delta_run, folder)
    (generator,) = open_trained(folder).exported.networks.values()
    torch.manual_seed(0)
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.15)
    about = {"step": 6, "size": SIZE, "dataset": "utkface"}
    save_weights(folder / "best.safetensors", {"generator": generator}, about)
    return folder


# Exports take longer than such runs do: each network is exported once.


@pytest.fixture(scope="session")
def strong_bundle(strong_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of ``strong_run``."""
    folder = tmp_path_factory.mktemp("bundles") / "strong"
    export_run(strong_run, folder, name="strong", version="3")
    return folder


@pytest.fixture(scope="session")
def cycle_bundle(cycle_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of ``cycle_run``."""
    folder = tmp_path_factory.mktemp("bundles") / "cycle"
    export_run(cycle_run, folder, name="cycle")
    return folder


@pytest.fixture(params=["age", "robust", "delta", "latent", "cycle"])
def finished(request: pytest.FixtureRequest) -> Path:
    """A finished run of each family in turn, and a robust one."""
    folder: Path = request.getfixturevalue(f"{request.param}_run")
    return folder


@pytest.fixture
def settings(finished: Path) -> TrainSettings:
    """The settings of ``finished``."""
    return read_settings(finished)
