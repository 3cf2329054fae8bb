"""HSTU learns the ring; the larger variants build and take a step."""

import pytest

from recipes.variants import takes_a_step
from segue.recipes import hstu
from segue.testing import check_recipe, first_losses


@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_recipe(hstu.VARIANTS["small"], seed=learning_seed)


def test_first_losses() -> None:
    assert first_losses(hstu.VARIANTS["small"]) == pytest.approx([12.12828, 11.34388, 10.34528], rel=1e-3)


@pytest.mark.parametrize("recipe", [hstu.RECIPE, *hstu.VARIANTS.values()], ids=lambda recipe: recipe.name)
def test_every_variant_takes_a_step(recipe) -> None:
    takes_a_step(recipe)
