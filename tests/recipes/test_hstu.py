from segue.recipes import hstu
from segue.testing import check_recipe


def test_contract() -> None:
    check_recipe(hstu.VARIANTS["small"])
