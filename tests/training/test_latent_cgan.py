"""The latent-cgan family: its files, its four networks by epoch, and what they paint."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reage.data.sampling import Shard
from reage.errors import AgeError, ConfigError, ExistsError, NoFaceError
from reage.photo.provenance import read_provenance
from reage.training.config import load_recipe, validate
from reage.training.families.latent_options import LatentOptions
from reage.training.inference import infer_image, load_models
from reage.training.trained import open_trained
from reage.training.trainer import Trainer

from .tiny import CAAE, SIZE, latent_settings, write_cache

ROOT = Path(__file__).parents[2]
PORTRAIT = ROOT / "examples" / "astronaut_eileen-collins.jpg"


def test_each_epoch_leaves_a_file_of_each_network(latent_run: Path) -> None:
    found = {path.name for path in latent_run.glob("*_epoch*")}
    assert found == {f"{letter}_epoch{epoch}.safetensors" for letter in "EAGD" for epoch in (1, 2)}


def test_the_models_of_an_epoch_match_and_are_in_eval_mode(latent_run: Path) -> None:
    first, last, latest = (load_models(latent_run, epoch) for epoch in (1, "2", "latest"))
    for earlier, later, same in zip(first, last, latest, strict=True):
        assert earlier is not None
        assert later is not None
        assert same is not None
        assert not later.training
        ours, theirs = later.state_dict(), same.state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
        assert any(not torch.equal(ours[key], earlier.state_dict()[key]) for key in ours)


def test_the_latest_epoch_is_the_last_that_is_whole(latent_run: Path, tmp_path: Path) -> None:
    shutil.copytree(latent_run, tmp_path / "run")
    (tmp_path / "run" / "D_epoch2.safetensors").unlink()
    models, first = load_models(tmp_path / "run"), load_models(latent_run, 1)
    assert torch.equal(models.E.latent.weight, first.E.latent.weight)


@pytest.mark.parametrize("epoch", [0, 3, "last", "best"])
def test_an_epoch_that_there_is_not_is_named(latent_run: Path, epoch: int | str) -> None:
    with pytest.raises(ConfigError, match=rf"no epoch {epoch}; it has epochs 1 to 2"):
        load_models(latent_run, epoch)


def test_runs_of_other_families_and_without_such_files_are_refused(
    cycle_run: Path, latent_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="a run of cyclegan, not of latent-cgan"):
        load_models(cycle_run)
    shutil.copytree(latent_run, tmp_path / "run", ignore=shutil.ignore_patterns("*_epoch*"))
    with pytest.raises(ConfigError, match="epoch_files=true"):
        load_models(tmp_path / "run")


def test_a_classic_gan_trains_without_an_age_embedding(classic_run: Path) -> None:
    assert load_models(classic_run).A is None


def test_the_face_in_a_picture_is_painted_and_marked(latent_run: Path, tmp_path: Path) -> None:
    old = infer_image(PORTRAIT, 70, tmp_path / "old.png", run=latent_run, epoch=2)
    young = infer_image(PORTRAIT, 20, run=latent_run)
    assert old.shape == young.shape == (SIZE, SIZE, 3)
    assert (old != young).any()
    with Image.open(tmp_path / "old.png") as written:
        assert np.array_equal(np.asarray(written), old)
    assert {path.name for path in tmp_path.iterdir()} == {"old.png"}
    mark = read_provenance(tmp_path / "old.png")
    assert mark is not None
    assert mark["edits"] == ["face painted at 70 years"]


def test_without_a_name_the_newest_run_is_taken(
    latent_run: Path, classic_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no run with epoch files in .*runs: train"):
        load_models()
    shutil.copytree(latent_run, tmp_path / "runs" / "older")
    shutil.copytree(classic_run, tmp_path / "runs" / "newer")
    for path in (tmp_path / "runs" / "older").iterdir():
        os.utime(path, (1e9, 1e9))
    assert load_models().A is None
    assert load_models("runs/older").A is not None
    assert np.array_equal(infer_image(PORTRAIT, 50), infer_image(PORTRAIT, 50, run="runs/newer"))
    assert np.array_equal(infer_image(PORTRAIT, 50, models=load_models()), infer_image(PORTRAIT, 50))


def test_the_picture_can_be_enlarged(latent_run: Path, tmp_path: Path) -> None:
    large = infer_image(PORTRAIT, 70, tmp_path / "old.png", run=latent_run, upscale=256)
    assert large.shape == (256, 256, 3)
    small = infer_image(PORTRAIT, 70, run=latent_run)
    means = large.reshape(SIZE, 8, SIZE, 8, 3).mean((1, 3))
    assert np.corrcoef(means.ravel(), small.ravel())[0, 1] > 0.9
    with pytest.raises(ConfigError, match="upscale must be 32 to 4096 px for this picture, not 31"):
        infer_image(PORTRAIT, 70, run=latent_run, upscale=31)


def test_what_cannot_be_painted_is_said(latent_run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), (120, 130, 140)).save(tmp_path / "grey.png")
    with pytest.raises(NoFaceError, match=r"grey.png"):
        infer_image(tmp_path / "grey.png", 70, tmp_path / "x.png", run=latent_run)
    with pytest.raises(AgeError):
        infer_image(PORTRAIT, 117, tmp_path / "x.png", run=latent_run)
    (tmp_path / "x.png").write_text("mine")
    with pytest.raises(ExistsError, match="exists already"):
        infer_image(PORTRAIT, 70, tmp_path / "x.png", run=latent_run)


@pytest.mark.parametrize("size", [48, 16])
def test_faces_that_do_not_halve_down_to_four_pixels_are_refused(size: int, tmp_path: Path) -> None:
    odd = write_cache(tmp_path / "cache", train=4, val=2, size=size)
    with pytest.raises(ConfigError, match="32, 64, 128 or 256 px"):
        Trainer(latent_settings(odd), tmp_path / "run")


def test_the_founding_recipe_is_that_of_the_founding_project() -> None:
    settings = load_recipe(ROOT / "recipes" / "latent-cgan-founding.yaml")
    options = LatentOptions.model_validate(settings.options)
    assert (settings.epochs, settings.steps_per_epoch, settings.batch, settings.seed) == (50, 500, 2, 42)
    assert (options.latent, options.age_embedding, options.betas) == (256, 64, (0.5, 0.999))
    assert (options.adversarial, options.age, options.reconstruction) == (1, 10, 10)
    assert options.generator_rate == options.discriminator_rate == 2e-4
    assert options.original
    assert settings.clip is None
    assert (settings.ema, settings.warmup, settings.decay_from, settings.precision) == (0, 0, 1, "fp32")


def test_the_recipe_of_caae_has_a_prior_and_no_other_way_past_the_latent() -> None:
    options = LatentOptions.model_validate(load_recipe(ROOT / "recipes" / "caae.yaml").options)
    assert options.prior > 0
    assert options.reconstruct == "same"
    assert not any((options.skips, options.attention, options.film, options.identity))


def test_the_original_networks_refuse_what_the_founding_project_did_not_have() -> None:
    with pytest.raises(ConfigError, match="there are no skips, attention, film, age_distribution, identity"):
        validate(LatentOptions, {"original": True}, "options")


def test_a_run_of_the_original_networks_trains_and_paints(original_run: Path, tmp_path: Path) -> None:
    logged = [json.loads(line) for line in (original_run / "log.jsonl").read_text().splitlines()]
    assert 0 < logged[0]["G/reconstruction"] < 1
    assert 0 < logged[0]["D/age"] < 1  # (age / 116) squared
    infer_image(PORTRAIT, 70, tmp_path / "old.png", run=original_run)


def test_embeddings_of_a_trained_age_network_keep_the_person(
    cache: Path, age_run: Path, tmp_path: Path
) -> None:
    """With that loss alone, what is painted comes closer to the face in the embedding, and in a few steps."""
    alone = {"embedding": 1, "adversarial": 0, "age": 0, "reconstruction": 0, "identity": 0, "r1": 0}
    options = {**alone, "embedder": str(age_run), "gated_blocks": "none", "generator_rate": 1e-3}
    settings = latent_settings(cache, options=options, steps=40, batch=8, log_every=1, ema=0)
    Trainer(settings, tmp_path / "run").run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    distances = [line["G/embedding"] for line in lines if "G/embedding" in line]
    assert np.mean(distances[-5:]) < 0.7 * np.mean(distances[:3])
    teachers = open_trained(tmp_path / "run").exported.teachers
    assert teachers == ["reage age network (a run of the family age)"]


def test_an_embedder_that_is_no_age_network_is_named(cache: Path, tmp_path: Path) -> None:
    options = {"embedding": 1, "embedder": str(tmp_path / "nothing")}
    with pytest.raises(ConfigError, match=r"nothing is not a run folder of an age network; train one"):
        Trainer(latent_settings(cache, options=options), tmp_path / "run")


def test_the_prior_is_drawn_evenly_once_for_all_shards_of_a_step(cache: Path, tmp_path: Path) -> None:
    family = Trainer(latent_settings(cache, options=CAAE, batch=64), tmp_path / "run").family
    whole, *parts = (family.draw(3, shard).prior for shard in (Shard(0, 1), Shard(0, 2), Shard(1, 2)))
    assert torch.equal(family.draw(3, Shard(0, 1)).prior, whole)
    assert not torch.equal(family.draw(4, Shard(0, 1)).prior, whole)
    assert whole.shape == (64, 16)
    assert whole.abs().max() <= 1
    assert whole.std().item() == pytest.approx(3**-0.5, abs=0.04)
    assert not torch.equal(*parts)


def test_a_run_with_a_prior_paints_without_its_second_discriminator(caae_run: Path) -> None:
    assert (caae_run / "Z_epoch1.safetensors").exists()
    logged = [json.loads(line) for line in (caae_run / "log.jsonl").read_text().splitlines()]
    assert {"Z/loss", "G/prior", "G/total_variation"} <= logged[0].keys()
    young, old = (infer_image(PORTRAIT, age, run=caae_run) for age in (20, 80))
    assert (young != old).any()


def test_gradients_are_clipped_only_where_a_limit_is_set(cache: Path, tmp_path: Path) -> None:
    settings = latent_settings(cache, steps=1, clip=None)
    free = Trainer(settings, tmp_path / "free")
    held = Trainer(settings.model_copy(update={"clip": 1e-3}), tmp_path / "held")
    norms = []
    for trainer in (free, held):
        trainer.updater.update(0)
        gradients = [
            p.grad for p in trainer.family.networks["discriminator"].parameters() if p.grad is not None
        ]
        norms.append(torch.cat([gradient.flatten() for gradient in gradients]).norm().item())
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(1e-3, rel=1e-2)


def test_the_generator_learns_to_paint_what_the_discriminator_reads_as_the_age(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", train=40, val=8)
    options = {"gated_blocks": "none", "r1": 0, "age": 5, "generator_rate": 2e-3}
    settings = latent_settings(cache, options=options, steps=100, batch=8, ema=0.9, log_every=100)
    trainer = Trainer(settings, tmp_path / "run")
    trainer.run()
    family, nets = trainer.family, trainer.updater.averages
    pool = family.pool("val")  # type: ignore[attr-defined]
    batch = family.batch(pool, pool.evenly_spaced(8))  # type: ignore[attr-defined]
    read = []
    with torch.no_grad():
        for age in (20.0, 80.0):
            painted = family.repaint(nets, batch, torch.full_like(batch.age, age))  # type: ignore[attr-defined]
            read.append(family.networks["discriminator"](painted).age.mean().item())
    assert read[1] - read[0] > 20
