"""The cyclegan family: unpaired pools, both directions, and checkpoints of the aging-gan project."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from torch import Tensor, nn

from reage.bundle import open_bundle
from reage.cli.main import main
from reage.data.sampling import Shard
from reage.errors import BundleError, ConfigError, DataError, ExistsError
from reage.photo.files import read_photo
from reage.training.aging_gan import AGING_GAN_ZOOM, read_aging_gan
from reage.training.config import TrainSettings, load_recipe
from reage.training.editing import to_tensor, to_uint8
from reage.training.export import opened_bundle
from reage.training.families.cyclegan import CycleFamily
from reage.training.importing import import_aging_gan
from reage.training.painting import largest_face
from reage.training.trained import is_trained, open_trained
from reage.training.trainer import Trainer, resolved
from reage.training.translating import translate_image

from .tiny import SIZE, cycle_settings, write_cache

LAYOUT = json.loads((Path(__file__).parent / "aging_gan_layout.json").read_text())
"""Entries, names and shapes of a checkpoint of the aging-gan project at its default sizes."""


def family(cache: Path, **options: object) -> CycleFamily:
    return CycleFamily(cycle_settings(cache, options=options))


def test_young_and_old_faces_are_of_their_ages_and_equally_many(cache: Path) -> None:
    made, ages = family(cache, margin=0, rotation=[0, 0]), pd.read_parquet(cache / "rows.parquet")["age"]
    known = torch.from_numpy(np.load(cache / "images.npy").astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    known = torch.cat([known, known.flip(3)])  # any of them may be mirrored
    seen: dict[str, set[int]] = {"young": set(), "old": set()}
    for step in range(60):
        drawn = made.draw(step, Shard())
        for name, numbers in seen.items():
            distance = (getattr(drawn, name)[:, None] - known).abs().mean((2, 3, 4))
            assert distance.min(1).values.max() < 0.01
            numbers |= {int(number) % len(ages) for number in distance.argmin(1)}
    assert len(seen["young"]) == len(seen["old"]) > 4
    assert ages[list(seen["young"])].max() <= 40
    assert ages[list(seen["old"])].min() >= 45


def test_what_is_drawn_for_a_step_is_the_same_in_one_part_and_in_several(cache: Path) -> None:
    made = family(cache)
    whole = made.draw(5, Shard(0, 1))
    settings = made.settings.model_copy(update={"batch": 2})
    parts = [CycleFamily(settings).draw(5, Shard(i, 2)) for i in range(2)]
    for name in ("young", "old", "coins"):
        joined = torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(joined, getattr(whole, name))


def drawn_faces(made: CycleFamily, cache: Path, steps: range) -> dict[str, list[int]]:
    """The numbers, in the cache, of the young and of the old faces that are drawn for ``steps``."""
    known = torch.from_numpy(np.load(cache / "images.npy").astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    found: dict[str, list[int]] = {"young": [], "old": []}
    for step in steps:
        drawn = made.draw(step, Shard())
        for name, numbers in found.items():
            distance = (getattr(drawn, name)[:, None] - known).abs().mean((2, 3, 4))
            assert distance.min(1).values.max() < 0.01
            numbers += distance.argmin(1).tolist()
    return found


def test_a_pass_shows_every_face_once_in_an_order_of_its_own(cache: Path) -> None:
    options = {"margin": 0, "rotation": [0, 0], "flip": False, "passes": True}
    made = CycleFamily(cycle_settings(cache, options=options, batch=2))
    settings = resolved(made.settings.model_copy(update={"steps_per_epoch": 0}), made)
    taking_part = int(re.search(r"train, young: (\d+)", made.census()[0])[1])  # type: ignore[index]
    steps = taking_part // settings.batch
    assert settings.steps_per_epoch == steps >= 2
    first = drawn_faces(made, cache, range(steps))
    second = drawn_faces(made, cache, range(steps, 2 * steps))
    for name in ("young", "old"):
        assert len(set(first[name])) == len(set(second[name])) == steps * settings.batch
        assert first[name] != second[name]


def test_a_pass_over_fewer_faces_than_a_step_takes_is_refused(cache: Path) -> None:
    made = family(cache, passes=True)
    settings = made.settings.model_copy(update={"steps_per_epoch": 0, "batch": 64})
    with pytest.raises(DataError, match="too few for a step of 64; make the batch smaller"):
        resolved(settings, made)


def test_ages_of_which_there_are_no_faces_are_refused(cache: Path) -> None:
    with pytest.raises(DataError, match="in the split train, none is of 100 to 116"):
        family(cache, old=(100, 116))


def test_the_bundle_goes_both_ways_by_as_much_as_is_asked(cycle_bundle: Path) -> None:
    bundle = open_bundle(cycle_bundle)
    assert set(bundle.manifest.networks) == {"older", "younger"}
    face = np.random.default_rng(0).uniform(-1, 1, (32, 32, 3)).astype(np.float32)

    def edit(source: float, target: float) -> Tensor:
        return torch.from_numpy(bundle.edit(face, source_age=source, target_age=target, male=0).delta)

    full = edit(25, 55)
    assert full.abs().max() > 0.01
    assert not edit(30, 30).any()
    torch.testing.assert_close(edit(25, 40), 0.5 * full)
    torch.testing.assert_close(edit(25, 90), full)
    assert not torch.allclose(edit(55, 23), full)
    assert bundle.manifest.goal("older", 25) == 55
    assert bundle.manifest.goal("older", 70) == 85
    assert bundle.manifest.goal("younger", 60) == 23


# -- what the aging-gan project did --

RECIPES = Path(__file__).parents[2] / "recipes"


def test_the_recipe_has_the_settings_of_the_aging_gan_project(cache: Path, tmp_path: Path) -> None:
    """The known answers are the defaults of that project's own command line, data pipeline and networks."""
    settings = load_recipe(RECIPES / "aging-gan.yaml", [f"data.cache={cache}", "batch=4"])
    made = CycleFamily(settings)
    assert (settings.epochs, settings.clip, settings.ema, settings.seed) == (100, 1.0, 0.0, 42)
    for name, network in made.networks.items():
        theirs = LAYOUT["critic" if "critic" in name else "generator"].values()
        ours = [list(value.shape) for value in network.state_dict().values()]
        assert sorted(ours) == sorted(theirs)
    assert not made.memory
    rates = {each.name: (each.learning_rate, each.weight_decay, each.l2) for each in made.objectives}
    assert rates == {
        "generators": (2e-4, 1e-4, True),
        "young_critic": (1e-4, 1e-4, True),
        "old_critic": (1e-4, 1e-4, True),
    }
    trainer = Trainer(settings.model_copy(update={"steps_per_epoch": 1}), tmp_path)
    groups = [group for each in trainer.updater.optimisers.values() for group in each.param_groups]
    assert not any(group["decoupled_weight_decay"] for group in groups)  # L2, as in torch's Adam
    exported = CycleFamily.exported(settings, 256)
    assert exported.zoom == pytest.approx(AGING_GAN_ZOOM, rel=1e-4)


def test_a_critic_of_faces_judges_the_mean_of_the_patches(cache: Path) -> None:
    """With critics that say 1 of a half and 0 of the other, no patch is right, and each face is half right."""
    found = {}
    for judged in ("patches", "faces"):
        made = family(cache, judged=judged, r1=0, replay=0)
        made.networks["old_critic"] = _LeftIsReal()
        drawn = made.draw(0, Shard())
        made.objectives[0].loss(drawn, 0)
        found[judged] = float(made.objectives[2].loss(drawn, 0)[0])
    assert found["patches"] == pytest.approx(0.5 * (0.5 + 0.5))
    assert found["faces"] == pytest.approx(0.5 * (0.25 + 0.25))


def test_losses_are_those_of_the_whole_test_split_by_the_names_of_that_project(cache: Path) -> None:
    """With generators that brighten by 0.1 and critics that answer with the mean of a face."""
    made = family(cache, margin=0, adversarial=2, cycle=4, identity=0.5)
    brighter, mean = _Brighten(0.1), _MeanOfAFace()
    networks = {"older": brighter, "younger": brighter, "young_critic": mean, "old_critic": mean}
    young, old = (_means(cache, ages) for ages in ((16, 40), (45, 90)))
    assert len(young) != len(old)
    found = made.validate(networks, "test")
    assert found["loss_DX"] == pytest.approx(
        0.5 * np.mean((young - 1) ** 2) + 0.5 * np.mean((old + 0.1) ** 2), abs=1e-4
    )
    assert found["loss_DY"] == pytest.approx(
        0.5 * np.mean((old - 1) ** 2) + 0.5 * np.mean((young + 0.1) ** 2), abs=1e-4
    )
    assert found["loss_g_adv"] == pytest.approx(2 * np.mean((young - 0.9) ** 2), abs=1e-4)
    assert found["loss_f_adv"] == pytest.approx(2 * np.mean((old - 0.9) ** 2), abs=1e-4)
    assert found["loss_cyc"] == pytest.approx(4 * (0.2 + 0.2), abs=1e-4)
    assert found["loss_id"] == pytest.approx(0.5 * (0.1 + 0.1), abs=1e-4)
    parts = ("loss_g_adv", "loss_f_adv", "loss_cyc", "loss_id")
    assert found["loss_gen_total"] == pytest.approx(sum(found[name] for name in parts), abs=1e-4)
    assert (found["cycle"], found["identity"], found["change"]) == pytest.approx((0.4, 0.2, 0.2), abs=1e-4)


def _means(cache: Path, ages: tuple[float, float]) -> NDArray[np.float64]:
    """The mean of each face of the test split that is of these ages, in [-1, 1]."""
    rows = pd.read_parquet(cache / "rows.parquet")
    chosen = ((rows["split"] == "test") & rows["age"].between(*ages)).to_numpy()
    images: NDArray[np.float64] = np.load(cache / "images.npy")[chosen] / 127.5 - 1
    return images.mean((1, 2, 3))


class _Brighten(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


class _MeanOfAFace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3), keepdim=True)


class _LeftIsReal(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.ones(len(x), 1, 4, 2), torch.zeros(len(x), 1, 4, 2)], 3)


# -- checkpoints of the aging-gan project --


class _Block(nn.Module):
    """Named as that project names its layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)  # type: ignore[no-any-return]


class _Net(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)  # type: ignore[no-any-return]


def _their_generator(width: int, blocks: int) -> nn.Module:
    w = width
    return _Net(
        nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), nn.BatchNorm2d(w), nn.ReLU(),
        nn.Conv2d(w, 2 * w, 3, 2, 1), nn.BatchNorm2d(2 * w), nn.ReLU(),
        nn.Conv2d(2 * w, 4 * w, 3, 2, 1), nn.BatchNorm2d(4 * w), nn.ReLU(),
        *(_Block(4 * w) for _ in range(blocks)),
        nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, output_padding=1), nn.BatchNorm2d(2 * w), nn.ReLU(),
        nn.ConvTranspose2d(2 * w, w, 3, 2, 1, output_padding=1), nn.BatchNorm2d(w), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh(),
    )  # fmt: skip


def _their_critic(width: int) -> nn.Module:
    w = width
    return _Net(
        nn.Conv2d(3, w, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(w, 2 * w, 4, 2, 1), nn.BatchNorm2d(2 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * w, 4 * w, 4, 2, 1), nn.InstanceNorm2d(4 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(4 * w, 8 * w, 4, 1, 1), nn.InstanceNorm2d(8 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(8 * w, 1, 4, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, nn.Module]]:
    """A small checkpoint in that project's format, and the networks in it."""
    torch.manual_seed(3)
    networks = {
        "G": _their_generator(8, 2), "F": _their_generator(8, 2), "DX": _their_critic(8), "DY": _their_critic(8),
    }  # fmt: skip
    for network in networks.values():
        for _ in range(3):
            network.train()(torch.rand(4, 3, 32, 32) * 2 - 1)  # statistics that are not trivial
        network.eval().requires_grad_(False)
    path = tmp_path_factory.mktemp("aging-gan") / "best.pth"
    states = {name: network.state_dict() for name, network in networks.items()}
    torch.save({"epoch": 3, **states, "opt_G": {}, "sched_G": {}}, path)
    return path, networks


def test_an_imported_checkpoint_answers_as_its_own_networks(
    theirs: tuple[Path, dict[str, nn.Module]], tmp_path: Path
) -> None:
    path, networks = theirs
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ours = read_aging_gan(path)
    for name, theirs_name in (("older", "G"), ("younger", "F")):
        torch.testing.assert_close(ours[name](x), networks[theirs_name](x), atol=1e-5, rtol=0)
    for name, theirs_name in (("young_critic", "DX"), ("old_critic", "DY")):
        torch.testing.assert_close(ours[name](x).mean((2, 3)), networks[theirs_name](x), atol=1e-5, rtol=0)
    import_aging_gan(path, tmp_path / "bundle", size=64, name="imported")
    bundle = open_bundle(tmp_path / "bundle")
    face = x[0].permute(1, 2, 0).numpy()
    edit = bundle.edit(face, source_age=23, target_age=55, male=0)
    expected = (networks["G"](x[:1])[0] - x[0]).permute(1, 2, 0).numpy()
    assert np.abs(edit.delta - expected).max() < 1e-5


def test_a_checkpoint_of_the_default_sizes_has_that_projects_layout_and_is_read(tmp_path: Path) -> None:
    made = {
        name: _their_generator(32, 9) if name in "GF" else _their_critic(32)
        for name in ("G", "F", "DX", "DY")
    }
    for name, network in made.items():
        shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
        assert shapes == LAYOUT["generator" if name in "GF" else "critic"]
    entries: dict[str, object] = {key: {} for key in LAYOUT["entries"]} | {"epoch": 7}
    torch.save(
        entries | {name: network.state_dict() for name, network in made.items()}, tmp_path / "best.pth"
    )
    networks, x = read_aging_gan(tmp_path / "best.pth"), torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(networks["older"](x), made["G"].eval()(x), atol=1e-5, rtol=0)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path, ("/tmp",))


@pytest.mark.parametrize("content", ["pickle", "bytes", "other", "missing", "widths"])
def test_what_is_not_such_a_checkpoint_is_refused_in_one_line(
    content: str, theirs: tuple[Path, dict[str, nn.Module]], tmp_path: Path
) -> None:
    path = tmp_path / "best.pth"
    if content == "pickle":
        torch.save({"G": _Evil()}, path)
    elif content == "bytes":
        path.write_bytes(b"not a checkpoint at all")
    elif content == "other":
        torch.save({"G": {"weight": torch.zeros(3)}, "F": {}, "DX": {}, "DY": {}}, path)
    elif content == "widths":
        stored = torch.load(theirs[0], weights_only=True)
        stored["G"]["model.4.weight"] = stored["G"]["model.4.weight"][:-1]
        torch.save(stored, path)
    with pytest.raises(ConfigError, match=r"best\.pth") as caught:
        import_aging_gan(path, tmp_path / "bundle", size=64, name="x")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "bundle").exists()


def test_an_existing_bundle_is_not_overwritten(
    theirs: tuple[Path, dict[str, nn.Module]], tmp_path: Path
) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(ExistsError, match="exists already"):
        import_aging_gan(theirs[0], tmp_path / "bundle", size=64, name="x")


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_there_and_back_becomes_the_same_face(norm: str, tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", train=16, val=8)
    options = {"width": 8, "norm": norm, "replay": 0, "spectral": False, "r1": 0, "generator_rate": 3e-3}
    settings = cycle_settings(cache, options=options, steps=30, batch=4, ema=0.5)
    trainer = Trainer(settings, tmp_path / "run")
    before = trainer.family.validate(trainer.family.networks, "val")["cycle"]
    trainer.run()
    averaged = {**trainer.family.networks, **trainer.updater.averages}
    after = trainer.family.validate(averaged, "val")["cycle"]
    assert after < 0.6 * before


# -- weights wherever they are --


def imported_settings(cache: Path, **changes: object) -> TrainSettings:
    options = {"width": 8, "blocks": 2, "critic_width": 8, "norm": "batch", "replay": 0, "spectral": False}
    return cycle_settings(cache, options=options, **changes)


def test_a_run_goes_on_from_an_imported_checkpoint_with_its_critics(
    theirs: tuple[Path, dict[str, nn.Module]], cache: Path, tmp_path: Path
) -> None:
    path, networks = theirs
    trainer = Trainer(imported_settings(cache, start_from=path, steps=1), tmp_path / "run")
    pairs = {"older": "G", "younger": "F", "young_critic": "DX", "old_critic": "DY"}
    for name, letter in pairs.items():
        ours, kept = trainer.family.networks[name].state_dict(), networks[letter].state_dict()
        assert all(torch.equal(a, b) for a, b in zip(ours.values(), kept.values(), strict=True))
    trainer.run()
    assert (tmp_path / "run" / "metrics" / "test_metrics.json").exists()


def test_an_imported_checkpoint_that_does_not_fit_is_refused_in_one_line(
    theirs: tuple[Path, dict[str, nn.Module]], cache: Path, tmp_path: Path
) -> None:
    settings = cycle_settings(cache, start_from=theirs[0])  # of other widths
    with pytest.raises(ConfigError, match=r"best\.pth: weights of 'older' do not fit") as caught:
        Trainer(settings, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_the_losses_of_a_checkpoint_are_told_without_training(
    theirs: tuple[Path, dict[str, nn.Module]], cache: Path, cycle_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.json").write_text(imported_settings(cache).model_dump_json())  # JSON is YAML
    asked = ["train", str(tmp_path / "recipe.json"), "--only-test", "-o"]
    ran = CliRunner().invoke(main, [*asked, str(tmp_path / "run"), f"start_from={theirs[0]}"])
    assert ran.exit_code == 0, ran.output
    told = dict(line.split(": ", 1) for line in ran.stdout.splitlines())
    made = CycleFamily(imported_settings(cache))
    expected = made.validate(read_aging_gan(theirs[0]), "test")
    assert float(told["loss_DX"]) == pytest.approx(expected["loss_DX"], abs=1e-5)
    assert float(told["loss_gen_total"]) == pytest.approx(expected["loss_gen_total"], abs=1e-5)
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    copy = shutil.copytree(cycle_run, tmp_path / "finished")
    known = json.loads((copy / "metrics" / "test_metrics.json").read_text())
    with (copy / "log.jsonl").open("a") as file:  # as a run would that goes on meanwhile
        file.write('{"step": 999}\n')
    before = {name: (copy / name).read_text() for name in ("settings.json", "log.jsonl")}
    other = ["train", str(copy / "settings.json"), "epochs=9", "--only-test", "-o", str(copy)]
    ran = CliRunner().invoke(main, other)
    assert ran.exit_code == 0, ran.output
    told = dict(line.split(": ", 1) for line in ran.stdout.splitlines())
    assert float(told["cycle"]) == pytest.approx(known["cycle"], abs=1e-5)
    assert (copy / "settings.json").read_text() == before["settings.json"]
    assert (copy / "log.jsonl").read_text().startswith(before["log.jsonl"])


def test_a_run_its_files_and_checkpoints_of_another_project_open_as_bundles(
    theirs: tuple[Path, dict[str, nn.Module]], cycle_run: Path, cycle_bundle: Path
) -> None:
    face = np.random.default_rng(0).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    with opened_bundle(cycle_run) as opened:
        assert opened.manifest.name == cycle_run.name
        edits = (
            each.edit(face, source_age=25, target_age=55, male=0)
            for each in (opened, open_bundle(cycle_bundle))
        )
        torch.testing.assert_close(*(torch.from_numpy(edit.delta) for edit in edits))

    def weights(place: Path) -> dict[str, Tensor]:
        assert is_trained(place)
        return open_trained(place).exported.networks["older"].state_dict()

    last = sorted((cycle_run / "checkpoints").iterdir())[-1]
    for place, same in ((cycle_run, "best.safetensors"), (last, "weights.safetensors")):
        torch.testing.assert_close(weights(place), weights(cycle_run / same))
    with opened_bundle(theirs[0]) as imported:
        assert (imported.manifest.size, imported.manifest.zoom) == (256, AGING_GAN_ZOOM)
    with pytest.raises(BundleError), opened_bundle(cycle_run / "nowhere"):
        pass


# -- the picture that a network itself makes --


def test_infer_writes_what_the_network_makes_of_the_face(
    cycle_run: Path, theirs: tuple[Path, dict[str, nn.Module]], portrait: Path, tmp_path: Path
) -> None:
    shutil.copy(portrait, tmp_path / "me.jpg")
    asked = ["infer", str(cycle_run), str(tmp_path / "me.jpg"), "--direction", "young2old"]
    ran = CliRunner().invoke(main, asked)
    assert ran.exit_code == 0, ran.output
    written = read_photo(tmp_path / "me-young2old.png").pixels
    trained = open_trained(cycle_run, best=False)
    face = largest_face(portrait, SIZE, 1.1)
    with torch.no_grad():
        made = trained.exported.networks["older"].eval()(to_tensor(torch.from_numpy(face)[None]))
    assert np.array_equal(written, to_uint8(made)[0].numpy())
    refused = CliRunner().invoke(main, asked)
    assert (refused.exit_code, "exists already" in refused.output) == (2, True)
    picture = translate_image(portrait, "old2young", run=theirs[0], upscale=300)
    assert picture.shape == (300, 300, 3)


@pytest.mark.parametrize("asked", [[], ["--to", "50", "--direction", "young2old"], ["--to", "50"]])
def test_infer_asks_for_a_direction_where_a_run_knows_directions(
    asked: list[str], cycle_run: Path, portrait: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    ran = CliRunner().invoke(main, ["infer", str(cycle_run), str(portrait), *asked, "-o", str(output)])
    assert ran.exit_code == 2
    assert "--direction" in ran.output
    assert not output.exists()
