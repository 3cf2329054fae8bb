"""Parquet files, one or several of one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.values import SAMPLE_ROWS, Role


@dataclass(frozen=True)
class Parquet:
    """Columns with types of their own."""

    files: Sequence[Path]

    @cached_property
    def sample(self) -> pl.DataFrame:
        """The first rows."""
        try:
            return pl.scan_parquet(self.files[0], glob=False).head(SAMPLE_ROWS).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(self.files[0], error) from None

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for."""
        wanted = [_cast(name, role, self.sample.schema[name]) for name, role in columns.items()]
        for file in self.files:
            frame = pl.scan_parquet(file, glob=False).select(wanted)
            try:
                yield from frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")
            except (pl.exceptions.PolarsError, OSError) as error:
                raise _unreadable(file, error) from None


def read_parquet(file: Path) -> pl.DataFrame:
    """A whole small table.

    Raises:
        DataError: the file is not a readable Parquet file.
    """
    try:
        return pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from None


def _cast(name: str, role: Role, dtype: Any) -> pl.Expr:
    column = pl.col(name)
    if role == "id":
        return column.cast(pl.Int64) if dtype.is_integer() and dtype != pl.UInt64 else column.cast(pl.String)
    if role == "integer":
        return column.cast(pl.Int64)
    if role == "number":
        return column.cast(pl.Float64)
    return column.cast(pl.String)


def _unreadable(file: Path, error: Exception) -> DataError:
    first = (str(error).splitlines() or [""])[0]
    return DataError(f"{file} could not be read as Parquet: {first}. Is the file whole?")
