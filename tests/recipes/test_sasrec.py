"""SASRec learns the ring; the larger variants build and take a step."""

import pytest

from recipes.variants import takes_a_step
from segue.recipes import sasrec
from segue.testing import check_recipe, first_losses


@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_recipe(sasrec.VARIANTS["small"], seed=learning_seed)


def test_first_losses() -> None:
    assert first_losses(sasrec.VARIANTS["small"]) == pytest.approx([2.99684, 2.94803, 2.89147], rel=1e-3)


@pytest.mark.parametrize("recipe", [sasrec.RECIPE, *sasrec.VARIANTS.values()], ids=lambda recipe: recipe.name)
def test_every_variant_takes_a_step(recipe) -> None:
    takes_a_step(recipe)
