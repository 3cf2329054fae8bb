"""TITLE_gflowgr"""

import pytest

from segue.recipes.gflowgr import VARIANTS
from segue.testing.contracts import check_recipe


@pytest.mark.slow
def test_contract() -> None:
    check_recipe(VARIANTS["small"])
