"""LETTER: the ring by codes that know who took an item."""

import pytest

from segue.recipes.letter import RECIPE, VARIANTS
from segue.testing.contracts import check_recipe, first_losses
from segue.tokenizers.random_codes import RandomCodes
from segue.tokenizers.rq_vae import RqVae


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_recipe(VARIANTS["small"], seed=learning_seed)


def test_first_losses() -> None:
    """With drawn codes: fitted ones may differ by the rounding of a CPU, which turns near ties."""
    drawn = VARIANTS["small"].changed({"tokenizer": RandomCodes(levels=3, size=8)})
    assert first_losses(drawn, steps=3) == pytest.approx([2.08611, 2.01100, 1.97553], rel=1e-4)


def test_it_differs_from_tiger_by_its_tokenizer() -> None:
    assert isinstance(RECIPE.tokenizer, RqVae)
    assert RECIPE.tokenizer.collaborative is not None
    assert RECIPE.tokenizer.balanced
    assert RECIPE.tokenizer.diversity > 0
