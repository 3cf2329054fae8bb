"""Tables in SQLite and DuckDB files: `log.sqlite::events`."""

from __future__ import annotations

import re
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

_EXACT = 1 << 53
_SHARED = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "DATE", "BLOB", "ENUM", "STRUCT"),
    *("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"),
)
"""Types of DuckDB that come as what they are; all others come as text."""


@dataclass(frozen=True)
class Sqlite(Table):
    """One table or view of an SQLite file, which is opened for reading only."""

    files: Sequence[Path]
    name: str

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        first = next(self._rows("*", SAMPLE_ROWS), None)
        if first is None:
            raise DataError(f"{self.files[0]}::{self.name} has no rows; a log has at least one.")
        return first

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, in the order of the table."""
        yield from self._rows(", ".join(_name(column) for column in columns), rows)

    def place(self, row: int) -> str:
        """Where a row, counted from 0, stands."""
        return f"{self.files[0]}::{self.name}, row {row + 1}"

    def _rows(self, columns: str, rows: int) -> Iterator[pl.DataFrame]:
        place = f"{self.files[0]}::{self.name}"
        try:
            with closing(_connect(self.files[0])) as connection:
                cursor = connection.execute(f"select {columns} from {_name(self.name)}{self._order(connection)}")
                names = [column[0] for column in cursor.description]
                while chunk := cursor.fetchmany(rows):
                    pairs = zip(names, zip(*chunk, strict=True), strict=True)
                    yield pl.DataFrame([_column(name, values, place, sure=columns != "*") for name, values in pairs])
        except sqlite3.Error as error:
            raise _unreadable(self.files[0], error) from None

    def _order(self, connection: sqlite3.Connection) -> str:
        """The order in which rows were written, where the table knows it; an index would give its own."""
        taken = [row[0].lower() for row in connection.execute("select name from pragma_table_info(?)", [self.name])]
        for word in ("rowid", "_rowid_", "oid"):
            if word not in taken:
                try:
                    connection.execute(f"select {word} from {_name(self.name)} limit 0")
                except sqlite3.Error:  # a view, or a table that is kept by its key
                    return ""
                return f" order by {word}" if self._is_table(connection) else ""
        return ""

    def _is_table(self, connection: sqlite3.Connection) -> bool:
        kind = connection.execute("select type from sqlite_master where name = ?", [self.name]).fetchone()
        return kind is not None and kind[0] == "table"


@dataclass(frozen=True)
class DuckDb(Table):
    """One table or view of a DuckDB file, which is opened for reading only."""

    files: Sequence[Path]
    name: str
    schema: str = "main"

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        batches = list(self._rows(list(self._types), SAMPLE_ROWS, f" limit {SAMPLE_ROWS}"))
        if not sum(batch.height for batch in batches):
            raise DataError(f"{self.files[0]}::{self.name} has no rows; a log has at least one.")
        return pl.concat(batches)

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, in the order of the table."""
        yield from self._rows(list(columns), rows)

    def place(self, row: int) -> str:
        """Where a row, counted from 0, stands."""
        return f"{self.files[0]}::{self.name}, row {row + 1}"

    @cached_property
    def _types(self) -> dict[str, str]:
        return {name: str(kind) for name, kind, *_ in self._answers(f"describe {self._place}")}

    @property
    def _place(self) -> str:
        return f"{_name(self.schema)}.{_name(self.name)}"

    def _answers(self, query: str) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            with open_for_reading(self.files[0]) as connection:
                return connection.sql(query).fetchall()
        except (duckdb.Error, OSError) as error:
            raise _unreadable(self.files[0], error) from None

    def _rows(self, columns: Sequence[str], rows: int, end: str = "") -> Iterator[pl.DataFrame]:
        import duckdb

        wanted = ", ".join(self._expression(column) for column in columns)
        try:
            with open_for_reading(self.files[0]) as connection:
                for batch in connection.sql(f"select {wanted} from {self._place}{end}").to_arrow_reader(rows):
                    frame: Any = pl.from_arrow(batch)
                    yield frame
        except (duckdb.Error, pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise _unreadable(self.files[0], error) from None

    def _expression(self, column: str) -> str:
        """A column, as text where its type is one that no other program has."""
        known = self._types[column].split("(")[0].rstrip("[]") in _SHARED
        return _name(column) if known else f"cast({_name(column)} as varchar) as {_name(column)}"


def open_database(file: Path, name: str | None) -> Sqlite | DuckDb:
    """The table of that name, or the only one, in a file whose first bytes say which kind of database it is.

    Raises:
        DataError: there is no such table, there are several, or the file is no database that can be read.
    """
    try:
        with file.open("rb") as raw:
            begins = raw.read(16)
    except OSError as error:
        raise _unreadable(file, error) from None
    if begins[8:12] == b"DUCK":
        return open_duckdb(file, name)
    if begins == b"SQLite format 3\0":
        return open_sqlite(file, name)
    what = "is empty" if not begins else "is no database of SQLite or DuckDB, or it is encrypted"
    raise DataError(f"{file} {what}. Export the table of the interactions as CSV or Parquet.")


def open_sqlite(file: Path, name: str | None) -> Sqlite:
    """The table or view of that name, or the only one.

    Raises:
        DataError: there is no such table, there are several, or the file cannot be read.
    """
    try:
        with closing(_connect(file)) as connection:
            query = "select name from sqlite_master where type in ('table', 'view') and substr(name, 1, 7) != 'sqlite_'"
            names = [row[0] for row in connection.execute(query)]
    except sqlite3.Error as error:
        raise _unreadable(file, error) from None
    return Sqlite([file], _chosen(file, names, name))


def open_duckdb(file: Path, name: str | None) -> DuckDb:
    """The table or view of that name, or the only one; in a schema of its own it is called SCHEMA.TABLE.

    Raises:
        DataError: there is no such table, there are several, or the file cannot be read.
    """
    import duckdb

    query = "select table_schema, table_name from information_schema.tables order by all"
    try:
        with open_for_reading(file) as connection:
            found = connection.sql(query).fetchall()
    except (duckdb.Error, OSError) as error:
        raise _unreadable(file, error) from None
    places = {table if schema == "main" else f"{schema}.{table}": (table, schema) for schema, table in found}
    return DuckDb([file], *places[_chosen(file, list(places), name)])


def open_for_reading(file: Path) -> Any:
    """A DuckDB file; nothing is written to it, and nothing is fetched from the network for it."""
    import duckdb

    quiet: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    return duckdb.connect(str(file), read_only=True, config=quiet)


def waiting(table: Table) -> list[Path]:
    """The file beside a database in which changes wait that are not in it yet."""
    if not isinstance(table, Sqlite | DuckDb):
        return []
    sign = "-wal" if isinstance(table, Sqlite) else ".wal"
    beside = [file.with_name(file.name + sign) for file in table.files]
    return [file for file in beside if file.is_file()]


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


def _column(name: str, values: Sequence[Any], where: str, *, sure: bool) -> pl.Series:
    """A column whose values may be of several kinds, as SQLite allows: then they are text as written.

    Raises:
        DataError: values in a column that is `sure` to be read are bytes that are no text.
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and not any(isinstance(value, int) and abs(value) > _EXACT for value in values):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {bytes}:
        return pl.Series(name, values, dtype=pl.Binary)
    try:
        return pl.Series(name, [_text(value, "strict" if sure else "replace") for value in values], dtype=pl.String)
    except UnicodeDecodeError:
        raise DataError(f"{where}, column '{name}': bytes that are no text stand among the values.") from None


def _text(value: Any, errors: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", errors)
    # 7.0 among texts is the id that it is among numbers
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _name(name: str) -> str:
    return name if name == "*" else '"' + name.replace('"', '""') + '"'


def _unreadable(file: Path, error: Exception) -> DataError:
    text = re.sub(r"^[A-Z][A-Za-z]+ Error: ", "", str(error).split("\n")[0]).rstrip("!. ")
    if re.search(r"\block|different configuration", text):
        return DataError(f"{file} is in use by another program or connection ({text:.200}). Close it and try again.")
    if "encrypted" in text:
        return DataError(f"{file} is encrypted. Export the table of the interactions as CSV or Parquet.")
    if "decode to UTF-8" in text:
        return DataError(f"{file} has text that is not UTF-8: {text:.200}. Mend the value in the database.")
    return DataError(f"{file} could not be read as a database: {text:.300}. Is it whole?")
