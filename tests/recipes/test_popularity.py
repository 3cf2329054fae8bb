from segue.recipes import popularity
from segue.testing import check_recipe


def test_contract() -> None:
    check_recipe(popularity.VARIANTS["small"])
