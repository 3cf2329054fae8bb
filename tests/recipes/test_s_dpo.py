"""TITLE_s_dpo"""

import pytest

from segue.recipes.s_dpo import VARIANTS
from segue.testing.contracts import check_recipe


@pytest.mark.slow
def test_contract() -> None:
    check_recipe(VARIANTS["small"])
