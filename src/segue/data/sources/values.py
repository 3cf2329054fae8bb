"""How the values of a column are read, and what type they look like."""

from __future__ import annotations

from typing import Literal

import polars as pl

Role = Literal["id", "integer", "number", "text"]
"""How a column is to be read: `id` as text or whole numbers, `integer` as Int64, `number` as Float64."""

SAMPLE_ROWS = 1000


def looks_like(values: pl.Series) -> Literal["integer", "number", "flag", "text", "time", "other", "empty"]:
    """The type that all non-empty values of a sample share."""
    values = values.drop_nulls()
    if values.dtype == pl.String:
        values = values.filter(values.str.strip_chars() != "")
    if values.is_empty():
        return "empty"
    if values.dtype == pl.Boolean:
        return "flag"
    if values.dtype.is_integer():
        return "integer"
    if values.dtype.is_float() or values.dtype.is_decimal():
        return "number"
    if values.dtype.is_temporal():
        return "time"
    if values.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return "other"
    values = values.cast(pl.String)
    if values.str.contains(r"^\s*[+-]?[0-9]{1,18}\s*$").all():
        return "integer"
    if values.str.contains(r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$").all():
        return "number"
    return "text"
