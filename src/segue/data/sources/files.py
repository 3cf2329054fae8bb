"""Any table: text, JSON, Parquet, Arrow, a database or a workbook, with named or guessed columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import ITEM, Columns, choose, is_index, plain
from segue.data.sources.database import open_duckdb, open_sqlite
from segue.data.sources.delimited import Delimited
from segue.data.sources.dialect import open_delimited
from segue.data.sources.json_array import JsonArray, is_array
from segue.data.sources.json_lines import JsonLines
from segue.data.sources.locate import (
    ARROW,
    BESIDE,
    DUCKDB,
    JSON,
    PARQUET,
    READABLE,
    SHEETS,
    SQLITE,
    TEXT,
    locate,
    partition,
    root_of,
    suffix_of,
)
from segue.data.sources.mapping import log_of
from segue.data.sources.parquet import Feather, Parquet
from segue.data.sources.raw_log import RawLog
from segue.data.sources.several import Several, as_one
from segue.data.sources.sheet import open_sheet
from segue.data.sources.table import Table
from segue.data.sources.values import Role, are_float_ids, has_decimal_commas, ids, looks_like, numbers

_HOW = {
    ".pkl": "convert a pickle, if you trust it, in Python: pandas.read_pickle(FILE).to_parquet('x.parquet')",
    ".rds": "in R: write.csv(readRDS('x.rds'), 'x.csv', row.names = FALSE)",
    ".mat": "in Python: scipy.io.loadmat, then write the arrays as CSV",
    ".zip": "unpack it first",
    ".xz": "unpack it first: xz -d FILE",
    ".bz2": "unpack it first: bzip2 -d FILE",
    ".zst": "unpack it first: zstd -d FILE",
    ".orc": "in Python: pyarrow.orc.read_table, then pyarrow.parquet.write_table",
    ".avro": "in Python: polars.read_avro(FILE).write_parquet('x.parquet')",
}


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The log that a path means; `items.*` beside it gives the catalogue."""
    table = open_tables(path, asked)
    file = table.files[0]
    first = table.tables[0] if isinstance(table, Several) else table
    named = not isinstance(first, Delimited) or first.header
    columns = choose(table.sample, asked, where=str(file), named=named)
    beside = _beside(file)
    return log_of(
        table,
        columns,
        source="files",
        why=why,
        items=(lambda wanted: read_items(beside, columns.item, wanted)) if beside else None,
        beside=[beside] if beside else [],
        notes=_notes(table, columns),
        time_format=asked.get("time_format"),
    )


def open_tables(path: Path, asked: Mapping[str, str | None] | None = None) -> Table:
    """The table that a path means; several files are one table where their columns are the same.

    Raises:
        DataError: there is nothing that can be read, or the columns of several files differ.
    """
    files, inside = locate(path)
    tables = [open_table(files[0], asked, inside)]
    if isinstance(tables[0], Delimited):
        asked = {**(asked or {}), "header": str(tables[0].header).lower()}
    tables += [open_table(file, asked) for file in files[1:]]
    constants = [partition(file, root_of(files)) for file in files]
    if len(tables) == 1 and not (constants[0] and path.is_dir()):
        return tables[0]
    try:
        return as_one(tables, constants)
    except DataError as error:
        if not path.is_dir():
            raise
        shown = ", ".join(str(file.relative_to(path)) for file in files[:6])
        raise DataError(
            f"{path} is a folder with several tables ({shown}) of different columns; give the path of the one that "
            f"holds the interactions. {error}"
        ) from None


def open_table(file: Path, asked: Mapping[str, str | None] | None = None, inside: str | None = None) -> Table:
    """The table in a file, by its extension and, for text, by its first lines and the columns that were asked for.

    Raises:
        DataError: the extension says nothing or the file is empty.
    """
    suffix = suffix_of(file)
    if suffix in SQLITE:
        return open_sqlite(file, inside)
    if suffix in DUCKDB:
        return open_duckdb(file, inside)
    if suffix in SHEETS:
        return open_sheet(file, inside)
    if inside is not None:
        raise DataError(f"{file} is no database or workbook, so there is no table '{inside}' in it.")
    if suffix in PARQUET:
        return Parquet([file])
    if suffix in ARROW:
        return Feather([file])
    if suffix in JSON:
        return JsonArray([file]) if is_array(file) else JsonLines([file])
    if suffix in TEXT:
        return open_delimited([file], asked)
    known = (*READABLE, *SQLITE, *DUCKDB, *SHEETS)
    how = _HOW.get(suffix, "rename the file or convert it to one of these")
    raise DataError(
        f"{file}: the extension '{suffix or 'none'}' is not known. Segue reads {', '.join(known)} "
        f"(text also with .gz); {how}."
    )


def read_items(file: Path, item: str, wanted: Collection[str] | None) -> pl.DataFrame:
    """The catalogue beside a log; its id column is called as in the log, or by a common name."""
    table = open_table(file, {"item": item, "id": "id", "title": "title"})  # any of these makes the first line a header
    names = table.sample.columns
    found = next((name for word in (plain(item), *ITEM, "id") for name in names if plain(name) == word), None)
    if found is None:
        raise DataError(
            f"{file}: no column of item ids (expected '{item}' or a name such as item_id); it has: {', '.join(names)}."
        )
    roles: dict[str, Role] = {name: "id" if name == found else "text" for name in names}
    whole = pl.concat(list(table.batches(roles, 1 << 20)), how="vertical_relaxed")
    floats = are_float_ids(table.sample[found])
    whole = whole.select(
        ids(whole[name], f"{file}, column '{name}'", floats=floats)
        if name == found
        else _fact(whole[name], table.sample[name])
        for name in names
        if not is_index(name)
    )
    return tidy_items(whole, found)


def tidy_items(table: pl.DataFrame, item: str) -> pl.DataFrame:
    """A catalogue with `item_id` as text and `categories`, where there are any, as lists of text."""
    common = {"genres": "categories", "category": "categories", "name": "title"}
    rename = {old: new for old, new in common.items() if old in table.columns and new not in table.columns}
    clash = {"item_id": "source_item_id"} if item != "item_id" and "item_id" in table.columns else {}
    table = table.rename({**clash, **rename, item: "item_id"}).with_columns(pl.col("item_id").cast(pl.String))
    if "categories" in table.columns and table.schema["categories"] == pl.String:
        table = table.with_columns(pl.col("categories").str.split("|"))
    return table.filter(pl.col("item_id").is_not_null()).unique("item_id", keep="first", maintain_order=True)


def _fact(values: pl.Series, sample: pl.Series) -> pl.Series:
    """A column of a catalogue: fractions as numbers, lists as lists, all else as it stands."""
    if values.dtype != pl.String:
        return values
    if isinstance(sample.dtype, pl.List):
        return values.str.json_decode(pl.List(pl.String))
    commas = has_decimal_commas(sample)
    if looks_like(sample) != "number" and not commas:
        return values
    told, wrong = numbers(values, decimal="," if commas else ".")
    return values if wrong is not None else told.cast(pl.Float64)


def _notes(table: Table, columns: Columns) -> list[str]:
    several = [f"{len(table.files)} files are read as one log"] if len(table.files) > 1 else []
    return [*several, f"user is column '{columns.user}', item '{columns.item}', time {_quoted(columns.time)}"]


def _beside(file: Path) -> Path | None:
    for word in BESIDE[:6]:
        for suffix in (*PARQUET, ".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz"):
            other = file.parent / f"{word}{suffix}"
            if other.is_file() and other != file:
                return other
    return None


def _quoted(name: str | None) -> str:
    return f"'{name}'" if name else "none (the order of the rows is the order of time)"
