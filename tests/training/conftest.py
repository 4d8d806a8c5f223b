"""A cache and runs in miniature, made once."""

from pathlib import Path

import pytest
import torch

from reage.training.config import TrainSettings
from reage.training.trainer import Trainer

from .tiny import age_settings, cycle_settings, delta_settings, latent_settings, write_cache


@pytest.fixture(scope="session", autouse=True)
def one_thread(brief_sheets: None) -> None:
    """Tiny networks are quicker on one thread, and sums are then always taken in one order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 44 drawn faces."""
    return write_cache(tmp_path_factory.mktemp("data") / "cache")


@pytest.fixture(scope="session")
def age_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the age family."""
    folder = tmp_path_factory.mktemp("runs") / "age"
    Trainer(age_settings(cache), folder).run()
    return folder


@pytest.fixture(scope="session")
def robust_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the age family, trained against adversarial perturbations."""
    folder = tmp_path_factory.mktemp("runs") / "robust"
    Trainer(age_settings(cache, options={"robust": "free", "replays": 3}), folder).run()
    return folder


@pytest.fixture(scope="session")
def delta_run(cache: Path, age_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the delta family."""
    folder = tmp_path_factory.mktemp("runs") / "delta"
    Trainer(delta_settings(cache, age_run), folder).run()
    return folder


@pytest.fixture(scope="session")
def latent_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the latent-cgan family."""
    folder = tmp_path_factory.mktemp("runs") / "latent"
    Trainer(latent_settings(cache), folder).run()
    return folder


@pytest.fixture(scope="session")
def cycle_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the cyclegan family."""
    folder = tmp_path_factory.mktemp("runs") / "cycle"
    Trainer(cycle_settings(cache), folder).run()
    return folder


@pytest.fixture(params=["age", "robust", "delta", "latent", "cycle"])
def finished(request: pytest.FixtureRequest) -> Path:
    """A finished run of each family in turn, and a robust one."""
    folder: Path = request.getfixturevalue(f"{request.param}_run")
    return folder


@pytest.fixture
def settings(finished: Path) -> TrainSettings:
    """The settings of ``finished``."""
    return TrainSettings.model_validate_json((finished / "settings.json").read_text())
