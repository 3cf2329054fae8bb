from segue.recipes import gru4rec
from segue.testing import check_recipe


def test_contract() -> None:
    check_recipe(gru4rec.VARIANTS["small"])
