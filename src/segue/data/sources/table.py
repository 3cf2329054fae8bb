"""What every kind of file looks like to a source: column names, a sample, and batches of the columns asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import polars as pl

Role = Literal["id", "integer", "number", "text"]
"""How a column is to be read: `id` as text or whole numbers, `integer` as Int64, `number` as Float64."""

SAMPLE_ROWS = 1000


@runtime_checkable
class Table(Protocol):
    """A file, or files of one form, with named columns."""

    @property
    def files(self) -> Sequence[Path]:
        """The files, in reading order."""

    @property
    def sample(self) -> pl.DataFrame:
        """The first rows; text where the file has no types of its own."""

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns in the roles asked for, in file order, about `rows` rows at a time."""


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
