"""LETTER: the ring by codes that know who took an item."""

import pytest

from segue.recipes.letter import RECIPE, VARIANTS
from segue.testing.contracts import check_recipe, first_losses
from segue.tokenizers.rq_vae import RqVae


@pytest.mark.slow
def test_contract() -> None:
    check_recipe(VARIANTS["small"])


def test_first_losses() -> None:
    assert first_losses(VARIANTS["small"], steps=3) == pytest.approx([2.07722, 1.98552, 1.95117], rel=1e-4)


def test_it_differs_from_tiger_by_its_tokenizer() -> None:
    assert isinstance(RECIPE.tokenizer, RqVae)
    assert RECIPE.tokenizer.collaborative is not None
    assert RECIPE.tokenizer.balanced
    assert RECIPE.tokenizer.diversity > 0
