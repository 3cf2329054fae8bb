"""Tables in SQLite and DuckDB files: `log.sqlite::events`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.suggest import nearest
from segue.data.sources.table import Table
from segue.data.sources.values import SAMPLE_ROWS, Role


@dataclass(frozen=True)
class Sqlite(Table):
    """One table or view of an SQLite file, which is opened for reading only."""

    files: Sequence[Path]
    name: str

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        return next(self._rows("*", SAMPLE_ROWS), pl.DataFrame())

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, in the order of the table."""
        yield from self._rows(", ".join(_name(column) for column in columns), rows)

    def place(self, row: int) -> str:
        """Where a row, counted from 0, stands."""
        return f"{self.files[0]}::{self.name}, row {row + 1}"

    def _rows(self, columns: str, rows: int) -> Iterator[pl.DataFrame]:
        try:
            with closing(_connect(self.files[0])) as connection:
                cursor = connection.execute(f"select {columns} from {_name(self.name)}")
                names = [column[0] for column in cursor.description]
                while chunk := cursor.fetchmany(rows):
                    yield pl.DataFrame([_column(n, v) for n, v in zip(names, zip(*chunk, strict=True), strict=True)])
        except sqlite3.Error as error:
            raise _unreadable(self.files[0], error) from None


@dataclass(frozen=True)
class DuckDb(Table):
    """One table or view of a DuckDB file, which is opened for reading only."""

    files: Sequence[Path]
    name: str

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        batches = list(self._rows("*", SAMPLE_ROWS, f" limit {SAMPLE_ROWS}"))
        return pl.concat(batches) if batches else pl.DataFrame()

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, in the order of the table."""
        yield from self._rows(", ".join(_name(column) for column in columns), rows)

    def place(self, row: int) -> str:
        """Where a row, counted from 0, stands."""
        return f"{self.files[0]}::{self.name}, row {row + 1}"

    def _rows(self, columns: str, rows: int, end: str = "") -> Iterator[pl.DataFrame]:
        import duckdb

        try:
            with duckdb.connect(str(self.files[0]), read_only=True) as connection:
                found = connection.sql(f"select {columns} from {_name(self.name)}{end}")
                for batch in found.to_arrow_reader(rows):
                    frame: Any = pl.from_arrow(batch)
                    yield frame
        except (duckdb.Error, OSError, ValueError) as error:
            raise _unreadable(self.files[0], error) from None


def open_sqlite(file: Path, name: str | None) -> Sqlite:
    """The table of that name, or the only one.

    Raises:
        DataError: there is no such table, there are several, or the file is no database.
    """
    try:
        with closing(_connect(file)) as connection:
            query = "select name from sqlite_master where type in ('table', 'view') and substr(name, 1, 7) != 'sqlite_'"
            names = [row[0] for row in connection.execute(query)]
    except sqlite3.Error as error:
        raise _unreadable(file, error) from None
    return Sqlite([file], _chosen(file, names, name))


def open_duckdb(file: Path, name: str | None) -> DuckDb:
    """The table of that name, or the only one.

    Raises:
        DataError: there is no such table, there are several, or the file is no database.
    """
    import duckdb

    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            names = [row[0] for row in connection.sql("select table_name from information_schema.tables").fetchall()]
    except (duckdb.Error, OSError) as error:
        raise _unreadable(file, error) from None
    return DuckDb([file], _chosen(file, names, name))


def _chosen(file: Path, names: Sequence[str], name: str | None) -> str:
    if name is None and len(names) == 1:
        return names[0]
    if name in names:
        return str(name)
    have = f"it has: {', '.join(sorted(names))}" if names else "it has none"
    if name is None:
        raise DataError(f"{file}: which table holds the interactions? {have}. Name it: {file}::{(*names, 'TABLE')[0]}")
    raise DataError(f"{file}: there is no table '{name}'{nearest(name, names)} {have[0].upper()}{have[1:]}.")


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    """A column whose values may be of several kinds, as SQLite allows: then they are text as written."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {bytes}:
        return pl.Series(name, values, dtype=pl.Binary)
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    return pl.Series(name, [None if value is None else str(value) for value in texts], dtype=pl.String)


def _name(name: str) -> str:
    return name if name == "*" else '"' + name.replace('"', '""') + '"'


def _unreadable(file: Path, error: Exception) -> DataError:
    first = str(error).split("\n")[0]
    return DataError(f"{file} could not be read as a database: {first}. Is it whole, and does nobody lock it?")
