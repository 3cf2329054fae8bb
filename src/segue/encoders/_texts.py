"""What a catalog says of its items, column by column, and numbers that stand for texts on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from segue.core.errors import DataError
from segue.core.shapes import Int, Num
from segue.core.tables import Catalog

FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose powers mix the places of a text."""


def text_columns(catalog: Catalog, wanted: Iterable[str]) -> dict[str, pl.Series]:
    """The wanted columns that the catalog has, each as one text an item (empty where nothing is known).

    Lists of texts, nested or not, are read one after another.

    Raises:
        DataError: the catalog has none of them.
    """
    wanted = list(wanted)
    schema = catalog.table.schema
    found = [name for name in wanted if name in schema]
    if not found:
        raise DataError(
            f"the catalog has no text: looked for the columns {', '.join(wanted)}; it has {', '.join(schema)}. "
            "Name its text columns in the encoder's settings, or prepare the data with the items' titles."
        )
    flat = catalog.table.select(_flat(pl.col(name), schema[name]).fill_null("").alias(name) for name in found)
    return {name: flat[name] for name in found}


def _flat(column: pl.Expr, dtype: Any) -> pl.Expr:  # beartype cannot read polars' DataType
    if isinstance(dtype, pl.Array):
        return _flat(column.arr.to_list(), pl.List(dtype.inner))
    if not isinstance(dtype, pl.List):
        return column.cast(pl.String)
    inner = pl.element() if dtype.inner == pl.String else _flat(pl.element(), dtype.inner)
    return column.list.eval(inner.fill_null("")).list.join(" ")


def characters(texts: pl.Series) -> tuple[Num[np.ndarray, " characters"], Int[np.ndarray, " bounds"]]:
    """The code points of all texts, one text after another, and the bounds of the texts."""
    bounds = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(texts.str.len_chars().to_numpy(), out=bounds[1:])
    return np.frombuffer("".join(texts.to_list()).encode("utf-32-le"), dtype="<u4"), bounds


def text_numbers(texts: pl.Series) -> Int[np.ndarray, " texts"]:
    """For each text a 64-bit number, the same on every machine; two texts share one by accident only."""
    codes, bounds = characters(texts)
    lengths = np.diff(bounds)
    powers = powers_of_factor(int(lengths.max(initial=0)))
    terms = codes * powers[np.arange(len(codes)) - np.repeat(bounds[:-1], lengths)]
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(terms, out=sums[1:])
    return mixed(sums[bounds[1:]] - sums[bounds[:-1]] + lengths.astype(np.uint64)).view(np.int64)


def powers_of_factor(count: int) -> Num[np.ndarray, " count"]:
    """FACTOR to the powers 1, 2, ... modulo 2**64."""
    return np.cumprod(np.full(count, FACTOR, dtype=np.uint64))


def mixed(numbers: Num[np.ndarray, " numbers"]) -> Num[np.ndarray, " numbers"]:
    """The same numbers (unsigned, 64 bits) with every bit depending on every bit: the finaliser of splitmix64.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA.
    """
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
