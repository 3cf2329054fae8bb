"""Texts are read from any column, and their numbers are the same everywhere."""

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError
from segue.core.tables import Catalog
from segue.encoders._known import found
from segue.encoders._texts import text_columns, text_numbers


def table(**columns: object) -> Catalog:
    return Catalog(pl.DataFrame({"item_id": ["a", "b"], **columns}))


def test_lists_of_texts_are_read_one_after_another_however_nested() -> None:
    catalog = table(
        title=["T", None],
        categories=[["x", None, "y"], None],
        paths=[[["a", "b"], ["c"]], [[]]],
    )
    columns = text_columns(catalog, ["title", "categories", "paths", "absent"])
    assert {name: column.to_list() for name, column in columns.items()} == {
        "title": ["T", ""],
        "categories": ["x  y", ""],
        "paths": ["a b c", ""],
    }


def test_a_catalog_without_text_says_what_was_looked_for_and_what_is_there() -> None:
    with pytest.raises(DataError, match="title, brand; it has item_id, price"):
        text_columns(table(price=[1.0, 2.0]), ["title", "brand"])


def test_numbers_of_texts_are_written_down() -> None:
    """They are part of saved weights: a change of the hash must be noticed."""
    texts = pl.Series(["", "a", "ab", "ba", "日本", "a"])
    numbers = text_numbers(texts)
    assert numbers.tolist() == WRITTEN
    assert len(set(numbers.tolist())) == 5


def test_numbers_do_not_hang_on_the_neighbours() -> None:
    texts = [f"text {row} " * (row % 7) for row in range(200)]
    together = text_numbers(pl.Series(texts))
    alone = np.concatenate([text_numbers(pl.Series([text])) for text in texts])
    assert (together == alone).all()


def test_what_is_not_known_is_found_nowhere() -> None:
    assert found(np.array([2, 5, 9]), np.array([9, 1, 2, 10])).tolist() == [2, -1, 0, -1]
    assert found(np.array([], dtype=np.int64), np.array([3])).tolist() == [-1]


WRITTEN = [0, -2657078653980095871, -8969144185446680064, -92776577526061467, 6154050094535538884, -2657078653980095871]
