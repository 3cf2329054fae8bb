"""Filters let through what they say."""

import polars as pl
import pytest

from segue.core.errors import DataError
from segue.data.where import between, having

TABLE = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "price": [1.5, None, 3.0, 4.0],
        "year": [1990, 2000, None, 2010],
        "categories": [["x", "y"], [], None, ["y"]],
    }
)


def test_values_of_texts_numbers_and_lists() -> None:
    assert having(TABLE, "item_id", ["a", "d", "z"]).tolist() == [True, False, False, True]
    assert having(TABLE, "year", ["2000"]).tolist() == [False, True, False, False]
    assert having(TABLE, "categories", ["x"]).tolist() == [True, False, False, False]
    assert having(TABLE, "categories", ["y", "x"]).tolist() == [True, False, False, True]


def test_bounds_belong_to_what_they_bound_and_nothing_is_no_number() -> None:
    assert between(TABLE, "price", 1.5, 3).tolist() == [True, False, True, False]
    assert between(TABLE, "price", None, 3).tolist() == [True, False, True, False]
    assert between(TABLE, "year", 2000, None).tolist() == [False, True, False, True]


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(DataError, match="no column 'colour' in the catalog; it has: item_id, price, year, categories"):
        having(TABLE, "colour", ["red"])
    with pytest.raises(DataError, match="holds String, and bounds need numbers"):
        between(TABLE, "item_id", 1, None)
