"""Several files of one form as one table, with what the names of their folders say as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.table import Table
from segue.data.sources.values import Role


@dataclass(frozen=True)
class Several(Table):
    """The rows of one table after those of another; all have the same columns."""

    files: Sequence[Path]
    tables: Sequence[Table]
    constants: Sequence[Mapping[str, str]]
    """For each table the columns whose value is the same in all its rows."""

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows of the first file."""
        return _with(self.tables[0].sample, self.constants[0])

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, file after file."""
        for table, constants in zip(self.tables, self.constants, strict=True):
            read = {name: role for name, role in columns.items() if name not in constants}
            for batch in table.batches(read, rows):
                yield _with(batch, constants).select(list(columns))

    def place(self, row: int) -> str:
        """Where a data row, counted over all files from 0, stands."""
        for table in self.tables:
            height = sum(batch.height for batch in table.batches({table.sample.columns[0]: "text"}, 1 << 20))
            if row < height:
                return table.place(row)
            row -= height
        return f"{self.files[-1]}, data row {row + 1}"


def as_one(tables: Sequence[Table], constants: Sequence[Mapping[str, str]]) -> Several:
    """Several tables as one.

    Raises:
        DataError: their columns differ.
    """
    first = tables[0].sample.columns
    for table in tables[1:]:
        names = table.sample.columns
        if set(names) != set(first):
            lacking, further = sorted({*first} - {*names}), sorted({*names} - {*first})
            how = [f"lacks {', '.join(lacking)}"] if lacking else []
            how += [f"has {', '.join(further)} besides"] if further else []
            raise DataError(
                f"{table.files[0]} {' and '.join(how)}, compared with {tables[0].files[0]}: the files of one log have "
                "the same columns. Give the path of the file, or a pattern that fits the files of the log alone."
            )
    own = [{name: value for name, value in told.items() if name not in first} for told in constants]
    if any(told.keys() != own[0].keys() for told in own):
        raise DataError(f"{tables[0].files[0].parent}: the folders of the files are named after different things.")
    return Several([table.files[0] for table in tables], tables, own)


def _with(frame: pl.DataFrame, constants: Mapping[str, str]) -> pl.DataFrame:
    return frame.with_columns(pl.lit(value).alias(name) for name, value in constants.items())
