"""Which items a filter lets through: those with a value of a column, or a number within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from segue.core.errors import DataError
from segue.core.shapes import Bool


def having(table: pl.DataFrame, column: str, any_of: Sequence[str]) -> Bool[np.ndarray, " rows"]:
    """The rows whose value, written as text, is one of these; of lists, at least one of the values.

    Raises:
        DataError: there is no such column.
    """
    kind = _kind(table, column)
    value = pl.col(column)
    if isinstance(kind, pl.List):
        return _true(table, value.list.eval(pl.element().cast(pl.String).is_in(any_of)).list.any())
    return _true(table, value.cast(pl.String).is_in(any_of))


def between(
    table: pl.DataFrame, column: str, at_least: float | None, at_most: float | None
) -> Bool[np.ndarray, " rows"]:
    """The rows whose number lies within the bounds.

    Raises:
        DataError: there is no such column, or it holds no numbers.
    """
    kind = _kind(table, column)
    if not kind.is_numeric():
        raise DataError(f"The column {column!r} holds {kind}, and bounds need numbers.")
    low, high = (-np.inf if at_least is None else at_least), (np.inf if at_most is None else at_most)
    return _true(table, pl.col(column).cast(pl.Float64).is_between(low, high))


def _kind(table: pl.DataFrame, column: str) -> Any:
    if column not in table.columns:
        raise DataError(f"There is no column {column!r} in the catalog; it has: {', '.join(table.columns)}.")
    return table.schema[column]


def _true(table: pl.DataFrame, holds: pl.Expr) -> Bool[np.ndarray, " rows"]:
    return table.select(holds.fill_null(False).alias("holds"))["holds"].to_numpy()
