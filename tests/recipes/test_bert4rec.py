from segue.recipes import bert4rec
from segue.testing import check_recipe


def test_contract() -> None:
    check_recipe(bert4rec.VARIANTS["small"])
