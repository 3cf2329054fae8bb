"""TITLE_grpo"""

import pytest

from segue.recipes.grpo import VARIANTS
from segue.testing.contracts import check_recipe


@pytest.mark.slow
def test_contract() -> None:
    check_recipe(VARIANTS["small"])
