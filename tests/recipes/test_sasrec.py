from segue.recipes import sasrec
from segue.testing import check_recipe


def test_contract() -> None:
    check_recipe(sasrec.VARIANTS["small"])
