"""TITLE_grpo"""

import pytest

from segue.recipes.grpo import VARIANTS
from segue.testing.contracts import check_recipe


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_recipe(VARIANTS["small"], seed=learning_seed)
