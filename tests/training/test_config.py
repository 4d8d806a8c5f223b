"""Settings and recipes: what is wrong is said in one line, with the nearest name."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from reage.cli.main import main
from reage.errors import ConfigError
from reage.training.config import TrainSettings, load_recipe, validate
from reage.training.families import FAMILIES, family_type
from reage.training.families.age import AgeOptions

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "family: age\nepochs: 4\nsteps_per_epoch: 25\ndata: {ages: [20, 60]}\noptions: {dropout: 0.1}\n"
    )
    return path


def complaint(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, list(overrides))
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_of_the_repository_is_valid(path: Path) -> None:
    settings = load_recipe(path)
    validate(FAMILIES[settings.family].options_type, settings.options, "options")


def test_values_are_read_and_defaults_kept(recipe: Path) -> None:
    settings = load_recipe(recipe)
    assert (settings.family, settings.steps, settings.data.ages) == ("age", 100, (20, 60))
    assert settings.options == {"dropout": 0.1}
    assert (settings.seed, settings.data.evenness) == (42, 1.0)


def test_overrides_win_also_inside_groups(recipe: Path) -> None:
    settings = load_recipe(
        recipe, ["epochs=7", "data.evenness=0.5", "options.widths=[8, 16, 24]", "start_from=runs/x"]
    )
    assert (settings.steps, settings.data.evenness, settings.data.ages) == (175, 0.5, (20, 60))
    assert settings.options == {"dropout": 0.1, "widths": [8, 16, 24]}
    assert settings.start_from == Path("runs/x")
    assert validate(AgeOptions, settings.options, "options").widths == (8, 16, 24)


def test_a_group_that_the_recipe_does_not_have_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("family: age")
    assert load_recipe(path, ["data.min_sharpness=3"]).data.min_sharpness == 3


@pytest.mark.parametrize(
    ("override", "named", "nearest"),
    [
        ("epoch=3", "epoch", "epochs"),
        ("data.evennes=1", "data.evennes", "evenness"),
        ("learning=3", "learning", None),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_name(
    recipe: Path, override: str, named: str, nearest: str | None
) -> None:
    text = complaint(recipe, override)
    assert f"unknown setting '{named}'" in text
    assert str(recipe) in text
    assert (f"did you mean '{nearest}'?" in text) if nearest else ("did you mean" not in text)


def test_an_unknown_option_of_a_family_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'drop_out'; did you mean 'dropout'"):
        validate(AgeOptions, {"drop_out": 0.1}, "options")


def test_an_unknown_family_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no family 'detla'.*age.*delta"):
        family_type("detla")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("epochs=0", "epochs"),
        ("steps_per_epoch=many", "steps_per_epoch"),
        ("ema=1", "ema"),
        ("data.evenness=1.5", "data.evenness"),
        ("data.ages=[1, 2, 3]", "data.ages"),
        ("precision=fp8", "precision"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(recipe: Path, override: str, named: str) -> None:
    text = complaint(recipe, override)
    assert f"{recipe}: {named}" in text


@pytest.mark.parametrize("override", ["steps", "=3", "steps:3", ""])
def test_an_override_of_another_form_is_refused(recipe: Path, override: str) -> None:
    assert "key=value" in complaint(recipe, override)


@pytest.mark.parametrize("override", ["epochs.more=3", "data.ages.youngest=3"])
def test_a_setting_is_not_a_group(recipe: Path, override: str) -> None:
    assert "is not a group of settings" in complaint(recipe, override)


def test_an_override_that_is_not_yaml_is_refused(recipe: Path) -> None:
    assert "options.widths=[8, 16" in complaint(recipe, "options.widths=[8, 16")


@pytest.mark.parametrize("content", [b"family: [age", b"- age", b"", b"\xff\xfe\x00\x01"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert str(path) in complaint(path)


@pytest.mark.parametrize(
    "value",
    [
        "9" * 5000,
        "2024-13-45",
        "2024-02-31T25:61:61Z",
        "[" * 2000,
        "{" * 2000,
        "!!bool x",
        "!!timestamp x",
        "!!int x",
    ],
)
def test_impossible_values_are_refused_in_one_line(recipe: Path, value: str) -> None:
    overridden = complaint(recipe, f"epochs={value}")
    recipe.write_text(f"{recipe.read_text()}\nepochs: {value}\n")
    for text in (overridden, complaint(recipe)):
        assert "\n" not in text
        assert "not a readable recipe" in text or "the value is not YAML" in text


def test_a_missing_recipe_is_refused(tmp_path: Path) -> None:
    assert "none.yaml" in complaint(tmp_path / "none.yaml")
    assert "readable recipe" in complaint(tmp_path)


def test_settings_do_not_change_after_reading(recipe: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_recipe(recipe).epochs = 5  # type: ignore[misc]


def test_help_lists_every_common_setting_with_its_default() -> None:
    text = " ".join(CliRunner().invoke(main, ["train", "--help"]).output.split())
    for name, field in TrainSettings.model_fields.items():
        assert name == "data" or name == "options" or f" {name} " in text
        if name not in ("data", "options"):
            assert " ".join(str(field.description).split()) in text
    assert "data.evenness 0: draw every face" in text
    assert "[default: 500]" in text
