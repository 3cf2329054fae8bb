from segue.recipes import ease
from segue.testing import check_recipe


def test_contract() -> None:
    check_recipe(ease.VARIANTS["small"])
