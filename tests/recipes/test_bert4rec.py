"""BERT4Rec learns the ring; the larger variants build and take a step."""

import pytest

from recipes.variants import takes_a_step
from segue.recipes import bert4rec
from segue.testing import check_recipe, first_losses


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_recipe(bert4rec.VARIANTS["small"], seed=learning_seed)


def test_first_losses() -> None:
    assert first_losses(bert4rec.VARIANTS["small"]) == pytest.approx([2.99375, 2.96829, 2.96349], rel=1e-3)


@pytest.mark.parametrize("recipe", [bert4rec.RECIPE, *bert4rec.VARIANTS.values()], ids=lambda recipe: recipe.name)
def test_every_variant_takes_a_step(recipe) -> None:
    takes_a_step(recipe)
