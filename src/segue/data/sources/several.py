"""Several files of one form as one table, with what the names of their folders say as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.json_array import JsonArray
from segue.data.sources.json_lines import JsonLines
from segue.data.sources.table import Table
from segue.data.sources.values import Role


@dataclass(frozen=True)
class Several(Table):
    """The rows of one table after those of another; all have the columns of the first."""

    files: Sequence[Path]
    tables: Sequence[Table]
    constants: Sequence[Mapping[str, str | None]]
    """For each table the columns whose value is the same in all its rows."""
    ignored: Sequence[str] = ()
    """Columns that the first has not, of JSON, where a field may be left out."""

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows of the first file; in what the folders say, of all of them."""
        first, among = self.tables[0].sample, self.constants
        spread = [among[i * len(among) // first.height] for i in range(first.height)]
        return first.with_columns(
            pl.Series(name, [told[name] for told in spread], dtype=pl.String) for name in self.constants[0]
        )

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, file after file."""
        schema = self.tables[0].sample.schema
        for table, constants in zip(self.tables, self.constants, strict=True):
            read = {name: role for name, role in columns.items() if name not in constants}
            read = read or {table.sample.columns[0]: "text"}  # the number of rows
            for batch in table.batches(read, rows):
                alike = [pl.col(name).cast(schema[name]) for name in read if _differ(schema[name], batch.schema[name])]
                yield _with(batch.with_columns(alike), constants).select(list(columns))

    def place(self, row: int) -> str:
        """Where a data row, counted over all files from 0, stands."""
        for table in self.tables:
            height = sum(batch.height for batch in table.batches({table.sample.columns[0]: "text"}, 1 << 20))
            if row < height:
                return table.place(row)
            row -= height
        return f"{self.files[-1]}, data row {row + 1}"


def as_one(files: Sequence[Path], tables: Sequence[Table], constants: Sequence[Mapping[str, str | None]]) -> Several:
    """Several tables as one; those without a row, as Spark writes them, have no say.

    Args:
        files: those of the tables, and those with nothing in them.

    Raises:
        DataError: their columns differ, or what they hold.
    """
    full = [i for i, table in enumerate(tables) if table.sample.height] or [0]
    tables, constants = [tables[i] for i in full], [constants[i] for i in full]
    first = tables[0].sample
    for table in tables[1:]:
        _check_alike(first, table.sample, tables[0].files[0], table)
    own = [{name: value for name, value in told.items() if name not in first} for told in constants]
    odd = next((i for i, told in enumerate(own) if told.keys() != own[0].keys()), None)
    if odd is not None:
        raise DataError(
            f"{tables[odd].files[0]}: its folders name {_listed(own[odd])}, and those of {tables[0].files[0]} "
            f"{_listed(own[0])}. Give a pattern that fits the files of one log alone."
        )
    further = dict.fromkeys(name for table in tables for name in table.sample.columns if name not in first)
    return Several(files, tables, own, [name for name in further if name not in own[0]])


def _check_alike(first: pl.DataFrame, other: pl.DataFrame, where: Path, table: Table) -> None:
    left_out = isinstance(table, JsonLines | JsonArray)
    needed = {name for name in first.columns if not (left_out and first[name].null_count())}
    lacking = sorted(needed - {*other.columns})
    further = [] if left_out else sorted({*other.columns} - {*first.columns})
    if not {*first.columns} & {*other.columns}:
        raise DataError(
            f"{table.files[0]} has none of the columns of {where} ({', '.join(first.columns)}). Does its first line "
            "have the names? Pieces of one file that was cut belong together again first."
        )
    if lacking or further:
        how = [f"lacks {', '.join(lacking)}"] if lacking else []
        how += [f"has {', '.join(further)} besides"] if further else []
        raise DataError(
            f"{table.files[0]} {' and '.join(how)}, compared with {where}: the files of one log have the same columns. "
            "Give the path of the file, or a pattern that fits the files of the log alone."
        )
    for name in first.columns:
        one, two = first.schema[name], other.schema.get(name, pl.Null())
        if one.is_temporal() != two.is_temporal() and pl.Null not in (one, two):
            raise DataError(
                f"{table.files[0]}: the column '{name}' is of type {two}, and of type {one} in {where}. Write it in "
                "one type in all files."
            )


def _differ(wanted: Any, found: Any) -> bool:
    """Whether times are in another unit than in the first file."""
    return wanted != found and wanted.is_temporal() and found.is_temporal()


def _listed(names: Mapping[str, str | None]) -> str:
    return ", ".join(names) or "nothing"


def _with(frame: pl.DataFrame, constants: Mapping[str, str | None]) -> pl.DataFrame:
    return frame.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in constants.items())
