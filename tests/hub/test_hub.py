"""Models published to, and fetched from, a small Hub on the loopback, by the commands that a user would type."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml
from hub_stand_in import TOKEN, Hub, Repository, running_hub

from reage.assets import asset
from reage.bundle import DEFAULT, open_bundle, write_bundle
from reage.errors import HubError
from reage.hub.card import front_matter
from reage.hub.models import HubModel
from reage.photo.files import read_provenance

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


def python(hub: Hub, home: Path, *arguments: object, **environment: str) -> Done:
    """Runs Python in a process of its own, as huggingface_hub reads its environment when it is imported."""
    usual = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": TOKEN}
    # Large files by LFS: the stand-in does not speak Xet.
    env = {**os.environ, **usual, "HF_HUB_DISABLE_XET": "1", **environment}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Run:
    return partial(python, hub, tmp_path / "home")


@pytest.fixture
def reage(run: Run) -> Run:
    return partial(run, "-m", "reage")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Hub, str]:
    """A hub where the embedded bundle was published as jane/ages, and the commit of it."""
    with running_hub() as hub:
        home = tmp_path_factory.mktemp("home")
        done = python(hub, home, "-m", "reage", "models", "push", "jane/ages", asset(DEFAULT))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return hub, done.stdout.split()[0].removeprefix("hf://jane/ages@").removesuffix(":")


@pytest.fixture
def published(hub: Hub, pushed: tuple[Hub, str]) -> str:
    """The commit of the embedded bundle, published as jane/ages."""
    before, commit = pushed
    hub.repositories, hub.large = deepcopy(before.repositories), dict(before.large)
    return commit


def refused(done: Done, words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_round_trip(reage: Run, hub: Hub, published: str, tmp_path: Path) -> None:
    done = reage("models", "pull", "jane/ages", "-o", tmp_path / "mine")
    assert done.returncode == 0, done.stderr
    assert published in done.stdout
    assert done.stderr == ""
    mine, embedded = open_bundle(tmp_path / "mine"), open_bundle()
    assert mine.files() == embedded.files()
    refused(reage("models", "pull", "jane/ages", "-o", tmp_path / "mine"), "exists already")


def test_a_photo_aged_with_it_tells_the_commit(
    reage: Run, published: str, portrait: Path, tmp_path: Path
) -> None:
    plain, place = tmp_path / "plain.png", tmp_path / "out.png"
    done = reage("photo", portrait, "--to", 70, "-o", place, "--model", "hf://jane/ages")
    assert done.returncode == 0, done.stderr
    mark = read_provenance(place)
    assert mark is not None
    assert f"(hf://jane/ages@{published})" in mark["model"]
    assert reage("photo", portrait, "--to", 70, "-o", plain).returncode == 0
    both = [path.read_bytes().rpartition(b"IDAT")[0][-1000:] for path in (plain, place)]
    assert both[0] == both[1]


def test_from_python(run: Run, hub: Hub, published: str) -> None:
    hub.repositories["jane/ages"].tags["v1"] = published
    code = (
        "from reage import Reager\n"
        "for revision in (None, 'v1', 'main'):\n"
        "    print(Reager.from_pretrained('jane/ages', revision=revision).bundle.origin)\n"
    )
    done = run("-c", code)
    assert done.stdout.split() == [f"hf://jane/ages@{published}"] * 3, done.stderr


def test_only_what_the_manifest_names_is_fetched(
    reage: Run, hub: Hub, published: str, tmp_path: Path
) -> None:
    hub.repositories["jane/ages"].commit({"weights.pkl": b"never", "extra.onnx": b"nor this"})
    hub.requests.clear()
    assert reage("models", "verify", "hf://jane/ages").returncode == 0
    fetched = {request.rpartition("/")[2] for request in hub.requests if "/resolve/" in request}
    assert fetched == {"manifest.json", "MODEL_CARD.md", "generator.onnx"}
    assert not list((tmp_path / "home").rglob("*.pkl"))


def test_a_pinned_model_stays_what_it_was(reage: Run, hub: Hub, published: str) -> None:
    manifest = json.loads(hub.repositories["jane/ages"].commits[-1].files["manifest.json"])
    changed = json.dumps({**manifest, "version": "9"}).encode()
    hub.repositories["jane/ages"].commit({"manifest.json": changed})
    assert '"version": "9"' in reage("models", "show", "hf://jane/ages").stdout
    assert '"version": "9"' not in reage("models", "show", f"hf://jane/ages@{published}").stdout


def test_what_is_altered_on_the_hub_is_refused(reage: Run, hub: Hub, published: str) -> None:
    repository = hub.repositories["jane/ages"]
    network = bytearray(repository.commits[-1].files["generator.onnx"])
    network[1000] ^= 1
    repository.commit({"generator.onnx": bytes(network)})
    refused(reage("models", "pull", "jane/ages"), "generator.onnx was altered")
    repository.commit({"manifest.json": b"{}"})
    refused(reage("models", "pull", "jane/ages"), "bundle format None is not supported")
    hub.repositories["jane/text"] = Repository()
    hub.repositories["jane/text"].commit({"README.md": b"# A model of words"})
    refused(
        reage("models", "pull", "jane/text"),
        "hf://jane/text is not a model bundle: it has no file manifest.json",
    )


def test_what_is_altered_in_the_cache_is_refused(reage: Run, published: str, tmp_path: Path) -> None:
    assert reage("models", "pull", "jane/ages").returncode == 0
    (network,) = (tmp_path / "home").rglob("snapshots/*/generator.onnx")
    data = bytearray(network.read_bytes())
    data[1000] ^= 1
    network.resolve().write_bytes(data)
    refused(reage("models", "verify", "hf://jane/ages", HF_HUB_OFFLINE="1"), "generator.onnx was altered")


def test_offline_the_cache_serves(reage: Run, hub: Hub, published: str, tmp_path: Path) -> None:
    assert reage("models", "pull", "jane/ages").returncode == 0
    hub.requests.clear()
    assert published in reage("models", "pull", "jane/ages", HF_HUB_OFFLINE="1").stdout
    assert hub.requests == []
    elsewhere = {"HF_HOME": str(tmp_path / "another")}
    refused(reage("models", "pull", "jane/ages", HF_HUB_OFFLINE="1", **elsewhere), "HF_HUB_OFFLINE is set")
    unreachable = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    refused(reage("models", "pull", "jane/ages", **elsewhere, **unreachable), "the Hub cannot be reached")
    assert published in reage("models", "pull", "jane/ages", **unreachable).stdout
    for environment in (unreachable, {"HF_HUB_OFFLINE": "1"}):
        done = reage("models", "push", "jane/ages", asset(DEFAULT), **environment)
        refused(done, "the Hub cannot be reached")


def test_what_is_not_there_or_not_for_everybody(reage: Run, hub: Hub, published: str, tmp_path: Path) -> None:
    commits = hub.repositories["jane/ages"].commits
    hub.repositories["jane/gated"] = Repository(gated=True, commits=commits)
    done = reage("models", "push", "jane/secret", asset(DEFAULT), "--private")
    assert done.returncode == 0, done.stderr
    assert hub.repositories["jane/secret"].private
    assert reage("models", "pull", "jane/secret").returncode == 0
    stranger = {"HF_TOKEN": "hf_" + "b" * 34, "HF_HOME": str(tmp_path / "stranger")}
    refused(reage("models", "pull", "jane/secret", **stranger), "there is no such model, or it is private")
    refused(reage("models", "pull", "jane/none"), "there is no such model")
    refused(reage("models", "pull", "jane/ages@v9"), "hf://jane/ages@v9: there is no such revision")
    refused(reage("models", "pull", "jane/gated"), "is gated: accept its conditions")
    refused(reage("models", "push", "jane/ages", asset(DEFAULT), **stranger), "the Hub refuses access (401)")
    refused(reage("models", "pull", "ages"), "'ages' is not a model name on the Hub; give owner/name")


def test_an_altered_bundle_is_not_published(reage: Run, hub: Hub, tmp_path: Path) -> None:
    folder = shutil.copytree(asset(DEFAULT), tmp_path / "bundle")
    (folder / "generator.onnx").write_bytes(b"nothing")
    refused(reage("models", "push", "jane/ages", folder), "generator.onnx was altered")
    assert hub.repositories == {}


def test_the_card_has_what_the_hub_reads(hub: Hub, published: str) -> None:
    readme = hub.repositories["jane/ages"].commits[-1].files["README.md"].decode()
    bundle = open_bundle()
    _, head, text = readme.split("---\n", 2)
    assert text.strip() == bundle.card.strip()
    said = yaml.safe_load(head)
    assert said["license"] == "other"
    assert said["license_name"] == "weights-trained-on-utkface-non-commercial-research-use"
    assert said["datasets"] in ("UTKFace", ["UTKFace"])
    (model,) = said["model-index"]
    figures = {metric["type"]: metric["value"] for result in model["results"] for metric in result["metrics"]}
    scorecard = bundle.manifest.figures["scorecard"]
    assert figures["age_error"] == scorecard["age_error"]
    assert model["name"] == bundle.manifest.title


def test_a_bundle_without_figures_or_words_has_a_card_too(reage: Run, hub: Hub, tmp_path: Path) -> None:
    embedded = open_bundle()
    bare = replace(embedded.manifest, figures={}, licence="", data="")
    assert "model-index" not in front_matter(bare)
    write_bundle(tmp_path / "bare", bare, {"generator.onnx": embedded.network("any")})
    assert reage("models", "push", "jane/bare", tmp_path / "bare").returncode == 0
    readme = hub.repositories["jane/bare"].commits[-1].files["README.md"].decode()
    assert readme.endswith(f"# {bare.title}")


def test_names() -> None:
    assert (
        HubModel.parse("hf://jane/ages@v1") == HubModel("jane/ages", "v1") == HubModel.parse("jane/ages@v1")
    )
    assert str(HubModel("jane/ages")) == "hf://jane/ages"
    for name in ("", "ages", "a/b/c", "../up", "jane/", "jane/a b"):
        with pytest.raises(HubError, match="give owner/name"):
            HubModel.parse(name)


def test_without_the_extra(run: Run) -> None:
    code = "import sys; sys.modules['huggingface_hub'] = None\nfrom reage.cli.main import main; main()"
    refused(run("-c", code, "models", "pull", "jane/ages"), "pip install 'reage[hub]'")
