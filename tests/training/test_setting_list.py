"""The list of settings that `reage train RECIPE --settings` prints."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from reage.cli.main import main
from reage.training.config import DataSettings, TrainSettings, load_recipe
from reage.training.families import family_type
from reage.training.setting_list import list_settings

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_setting_of_a_recipe_is_listed_and_described(recipe: Path) -> None:
    settings = load_recipe(recipe)
    told = list_settings(settings)
    kinds: dict[str, type[BaseModel]] = {
        "": TrainSettings, "data.": DataSettings, "options.": family_type(settings.family).options_type,
    }  # fmt: skip
    lines = told.splitlines()
    for prefix, kind in kinds.items():
        for name, field in kind.model_fields.items():
            if name in ("data", "options"):
                continue
            (number,) = [i for i, line in enumerate(lines) if line.startswith(f"{prefix}{name}=")]
            assert field.description
            assert lines[number + 1].split()[:4] == field.description.split()[:4]


def test_what_is_listed_can_be_given_back_as_overrides() -> None:
    recipe = next(path for path in RECIPES if path.stem == "latent-cgan-founding")
    told = list_settings(load_recipe(recipe)).splitlines()
    overrides = [line.split("   (default ")[0] for line in told if not line.startswith(" ")]
    assert "options.betas=[0.5, 0.999]" in overrides
    assert "clip=null" in overrides
    again = load_recipe(recipe, overrides)
    assert list_settings(again).splitlines() == told


def test_the_command_lists_them_with_overrides_and_does_not_train() -> None:
    ran = CliRunner().invoke(main, ["train", str(RECIPES[0]), "batch=7", "--settings"])
    assert ran.exit_code == 0
    assert "batch=7   (default 16)" in ran.output
