from segue.recipes import item_knn
from segue.testing import check_recipe


def test_contract() -> None:
    check_recipe(item_knn.VARIANTS["small"])
