"""What holds for the folder of recipes as a whole."""

import importlib
from pathlib import Path

import pytest

import segue.recipes
from segue.core.recipe import Recipe
from segue.workflows import systems

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", systems.names())
def test_every_file_binds_a_recipe_of_its_name_and_has_a_test_and_a_docs_row(name: str) -> None:
    module = importlib.import_module(f"segue.recipes.{name}")
    assert isinstance(module.RECIPE, Recipe)
    assert module.RECIPE.name == name
    for key, variant in module.VARIANTS.items():
        assert variant.name == f"{name}_{key}"
    assert (ROOT / "tests" / "recipes" / f"test_{name}.py").exists()
    assert f"`{name}`" in (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("recipe", list(systems.systems()), ids=lambda recipe: recipe.name)
def test_every_recipe_survives_yaml(recipe: Recipe) -> None:
    assert type(recipe).parse(recipe.dump()) == recipe


def test_a_misspelt_system_is_named_with_its_neighbour() -> None:
    with pytest.raises(segue.core.errors.SettingsError, match="Did you mean 'sasrec'"):
        systems.find("sasrek")
