"""TITLE_flower"""

import pytest

from segue.recipes.flower import VARIANTS
from segue.testing.contracts import check_recipe


@pytest.mark.slow
def test_contract() -> None:
    check_recipe(VARIANTS["small"])
