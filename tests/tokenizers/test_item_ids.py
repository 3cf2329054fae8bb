from __future__ import annotations

import pytest

from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.tables import Catalog
from segue.testing.tokenizers import check_tokenizer
from segue.testing.worlds import ring
from segue.tokenizers.item_ids import ItemIds


def test_it_is_a_tokenizer_that_refuses_new_items() -> None:
    check_tokenizer(ItemIds(), ring(users=8), admits=False)


def test_the_code_is_the_row() -> None:
    fitted = ItemIds().fit(ring(users=8, items=6), Run())
    assert fitted.codes.codes.tolist() == [[0], [1], [2], [3], [4], [5]]
    assert fitted.codes.sizes == (6,)
    assert fitted.encode(Catalog(fitted.catalog.table[[4, 1]])).tolist() == [[4], [1]]


def test_a_new_item_is_named() -> None:
    fitted = ItemIds().fit(ring(users=8, items=6), Run())
    with pytest.raises(DataError, match=r"2 items are not in the catalog that was fitted \(first: 'i6'\)"):
        fitted.encode(ring(users=8, items=8).catalog)
