"""Every family, from a run to a photo: exported, verified, and used by `Reager` and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from reage import Reager
from reage.bundle import open_bundle
from reage.cli.main import main
from reage.training.checkpoint import load_weights, read_about
from reage.training.config import read_settings
from reage.training.export import export_run
from reage.training.families import family_type
from reage.training.trainer import Trainer

from .tiny import SIZE, cycle_settings


@pytest.fixture(scope="module", params=["strong", "cycle", "latent", "classic", "original", "caae"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run and bundle."""
    run = request.getfixturevalue(f"{request.param}_run")
    if request.param in ("strong", "cycle"):
        return run, request.getfixturevalue(f"{request.param}_bundle")
    folder = tmp_path_factory.mktemp("family") / "bundle"
    export_run(run, folder, name="made")
    return run, folder


def test_onnx_runtime_agrees_with_the_networks_of_the_run(exported: tuple[Path, Path]) -> None:
    run, folder = exported
    bundle, settings = open_bundle(folder), read_settings(run)
    bundle.check()
    made = family_type(settings.family).exported(settings, int(read_about(run / "best.safetensors")["size"]))
    load_weights(run / "best.safetensors", made.networks)
    face = np.random.default_rng(1).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    x = torch.from_numpy(face.transpose(2, 0, 1))[None]
    edit = bundle.edit(face, source_age=20, target_age=80, male=1)
    asked = {"face": x, "source_age": torch.tensor([20.0]), "target_age": torch.tensor([80.0])}
    asked["male"] = torch.tensor([1.0])
    graph = made.graphs.get("any") or made.graphs["older"]
    with torch.no_grad():
        answer = graph.eval()(*(asked[name] for name in made.inputs))
    delta = answer[0] if isinstance(answer, tuple) else answer - x
    assert (
        np.abs(edit.delta - delta[0].permute(1, 2, 0).numpy()).max() < 2 / 255
    )  # weights are stored as halves


def test_the_bundle_ages_a_photo_and_says_who_made_it(
    exported: tuple[Path, Path], portrait: Path, tmp_path: Path
) -> None:
    _, folder = exported
    sitting = Reager.from_bundle(folder).open(portrait)
    result = sitting.age(to="older")
    assert result.changes[0].target_age > result.changes[0].source_age
    assert not np.array_equal(result.pixels, sitting.photo.pixels)
    ran = CliRunner().invoke(
        main, ["photo", str(portrait), "--direction", "old2young", "--model", str(folder),
               "-o", str(tmp_path / "young.png"), "--json"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    (face,) = json.loads(ran.output)[0]["faces"]
    assert face["target_age"] < face["source_age"]
    with Image.open(tmp_path / "young.png") as young, Image.open(portrait) as before:
        assert young.size == before.size


def test_a_photo_goes_one_way_or_to_an_age_and_not_both(portrait: Path, tmp_path: Path) -> None:
    for asked in ([], ["--to", "50", "--direction", "young2old"]):
        ran = CliRunner().invoke(main, ["photo", str(portrait), *asked, "-o", str(tmp_path / "x.jpg")])
        assert ran.exit_code == 2
        assert "give one of --to AGE, --by YEARS or --direction" in ran.output
    assert not (tmp_path / "x.jpg").exists()


def test_dry_runs_tell_sizes_and_write_nothing(cache: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"family: cyclegan\ndata: {{cache: {cache}, min_sharpness: 0}}\noptions: {{blocks: 1}}\n"
    )
    ran = CliRunner().invoke(
        main, ["train", str(recipe), "--dry-run", "options.width=8", "-o", str(tmp_path / "run")]
    )
    assert ran.exit_code == 0, ran.output
    assert '"critic_width": 32' in ran.output
    weights = 8 * 3 * 49 + 16 * 8 * 9 + 32 * 16 * 9 + 2 * 32 * 32 * 9 + 32 * 16 * 9 + 16 * 8 * 9 + 3 * 8 * 49
    others = 8 + 16 + 32 + 2 * 32 + 16 + 8 + 3 + 2 * (8 + 16 + 32 + 2 * 32 + 16 + 8)  # biases and norms
    assert f"older: {(weights + others) / 1e6:.3f} million parameters" in ran.output
    side = 32
    macs = (8 * 3 * 49 + 3 * 8 * 49) * side**2 + (16 * 8 * 9) * (side // 2) ** 2
    macs += (32 * 16 * 9 + 2 * 32 * 32 * 9) * (side // 4) ** 2
    macs += (32 * 16 * 9) * (side // 4) ** 2 + (16 * 8 * 9) * (side // 2) ** 2  # transposed: of what goes in
    assert f"{macs / 1e9:.3f} GMAC a face" in ran.output
    assert not (tmp_path / "run").exists()


def test_import_and_infer_end_in_one_line_where_they_cannot_work(latent_run: Path, tmp_path: Path) -> None:
    (tmp_path / "best.pth").write_bytes(b"junk")
    for command in (
        ["import", "aging-gan", str(tmp_path / "best.pth"), "-o", str(tmp_path / "b")],
        ["import", "aging-gan", str(tmp_path / "best.pth"), "-o", str(tmp_path / "b"), "--size", "70"],
        ["infer", str(latent_run), str(tmp_path / "no.jpg"), "--to", "60", "-o", str(tmp_path / "x.png")],
        ["infer", str(tmp_path), str(tmp_path / "no.jpg"), "--to", "60", "-o", str(tmp_path / "x.png")],
        ["export", str(latent_run), "-o", str(tmp_path / "b"), "--card", str(tmp_path / "no.md")],
    ):
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code == 2, ran.output
        assert ran.output.count("\n") == 1
        assert ran.output.startswith("reage: ")


def test_spectral_norm_bounds_the_critic(cache: Path, tmp_path: Path) -> None:
    trainer = Trainer(cycle_settings(cache), tmp_path / "run")
    trainer.run()
    for module in trainer.family.networks["old_critic"].modules():
        if isinstance(module, torch.nn.Conv2d):
            gain = torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2)
            assert gain == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("ages", [{"older": "x"}, [], None, {"older": None}])
def test_a_manifest_whose_ages_are_none_is_refused(ages: object, tmp_path: Path) -> None:
    import shutil

    from reage.assets import asset
    from reage.errors import BundleError

    shutil.copytree(asset("default_bundle"), tmp_path / "b")
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    (tmp_path / "b" / "manifest.json").write_text(json.dumps({**manifest, "full_ages": ages}))
    with pytest.raises(BundleError, match="full_ages"):
        open_bundle(tmp_path / "b")


def test_a_direction_stays_within_the_ages_of_the_model(reager: Reager) -> None:
    manifest = reager.bundle.manifest
    low, high = manifest.target_ages
    assert manifest.goal("older", 30) == 70
    assert manifest.goal("older", 84) == high
    assert manifest.goal("younger", 60) == 25
    assert manifest.goal("younger", 18) == low
