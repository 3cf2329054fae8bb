"""Any table: text, JSON, Parquet, Arrow, a database or a workbook, with named or guessed columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.arrow_stream import ArrowStream, is_stream
from segue.data.sources.columns import ITEM, Columns, choose, is_index, plain
from segue.data.sources.database import open_database, waiting
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
    outside,
    partition,
    root_of,
    shown,
    suffix_of,
)
from segue.data.sources.mapping import log_of
from segue.data.sources.parquet import Feather, Parquet
from segue.data.sources.raw_log import RawLog
from segue.data.sources.several import Several, as_one
from segue.data.sources.sheet import open_sheet
from segue.data.sources.table import Table
from segue.data.sources.text_files import blocks
from segue.data.sources.values import Role, are_float_ids, has_decimal_commas, ids, looks_like, numbers

_PANDAS = "in Python: pandas.{}({!r}).to_parquet('log.parquet')"
_HOW = {
    (".pkl", ".pickle"): ("if you trust it, " + _PANDAS, "read_pickle"),
    (".dta",): (_PANDAS, "read_stata"),
    (".sav", ".zsav"): (_PANDAS, "read_spss"),
    (".sas7bdat", ".xpt"): (_PANDAS, "read_sas"),
    (".h5", ".hdf", ".hdf5"): (_PANDAS, "read_hdf"),
    (".orc",): (_PANDAS, "read_orc"),
    (".xml",): (_PANDAS, "read_xml"),
    (".avro",): ("in Python: polars.{}({!r}).write_parquet('log.parquet')", "read_avro"),
    (".npy", ".npz"): ("in Python: numpy.{}({!r}), then segue.experiment(SYSTEM, data=polars.DataFrame(...))", "load"),
    (".mat",): ("in Python: scipy.io.{}({!r}), then segue.experiment(SYSTEM, data=polars.DataFrame(...))", "loadmat"),
    (".rds", ".rdata", ".rda"): ("in R: {}({!r}), then write.csv(LOG, 'log.csv', row.names = FALSE)", None),
    (".html", ".htm"): ("in Python: pandas.{}({!r})[0].to_parquet('log.parquet')", "read_html"),
    (".sql",): ("load it into SQLite: {} log.sqlite < {!r}", "sqlite3"),
    (".numbers", ".gsheet"): ("{}export {!r} as CSV or .xlsx", ""),
    (".zip",): ("unpack it first: {} {!r}", "unzip"),
    (".tar", ".tgz"): ("unpack it first: {} {!r}", "tar -xf"),
    (".7z",): ("unpack it first: {} {!r}", "7z x"),
    (".xz",): ("unpack it first: {} {!r}", "xz -d"),
    (".bz2",): ("unpack it first: {} {!r}", "bzip2 -d"),
    (".zst",): ("unpack it first: {} {!r}", "zstd -d"),
}
"""For forms that are not read: how to make one of them that is."""


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The log that a path means; `items.*` beside it gives the catalogue."""
    table = open_tables(path, asked)
    file = table.files[0]
    first = table.tables[0] if isinstance(table, Several) else table
    named = not isinstance(first, Delimited) or first.header
    columns = choose(table.sample, asked, where=str(file), named=named)
    beside = _beside(file, root_of(table.files))
    return log_of(
        table,
        columns,
        source="files",
        why=why,
        items=(lambda wanted: read_items(beside, columns.item, wanted)) if beside else None,
        beside=[*([beside] if beside else []), *waiting(table)],
        notes=_notes(table, columns),
        time_format=asked.get("time_format"),
    )


def open_tables(path: Path, asked: Mapping[str, str | None] | None = None) -> Table:
    """The table that a path means; several files are one table where their columns are the same.

    Raises:
        DataError: there is nothing that can be read, or the columns of several files differ.
    """
    files, inside = locate(path)
    constants = [partition(file, root_of(files)) for file in files]
    if len(files) == 1 and (not constants[0] or outside(path)[0].is_file()):
        return open_table(files[0], asked, inside)
    full = [i for i, file in enumerate(files) if not _is_blank(file)]
    if not full:
        raise DataError(f"{path}: all {len(files)} files are empty; a log has at least one row.")
    of_folder = f"{path} is a folder with several tables ({shown(files, path)})" if path.is_dir() else None
    hint = "give the path of the one that holds the interactions."
    try:
        tables = [open_table(files[full[0]], asked)]
        if isinstance(tables[0], Delimited):
            asked = {**(asked or {}), "header": str(tables[0].header).lower()}
        tables += [open_table(files[i], asked) for i in full[1:]]
    except DataError as error:
        if of_folder is None or len(full) == 1:
            raise
        raise DataError(f"{of_folder}, one of which cannot be read; {hint} {error}") from None
    try:
        return as_one(files, tables, [constants[i] for i in full])
    except DataError as error:
        if of_folder is None or len(full) == 1:
            raise
        raise DataError(f"{of_folder} of different columns; {hint} {error}") from None


def open_table(file: Path, asked: Mapping[str, str | None] | None = None, inside: str | None = None) -> Table:
    """The table in a file, by its extension and, for text, by its first lines and the columns that were asked for.

    Raises:
        DataError: the extension says nothing or the file is empty.
    """
    suffix = suffix_of(file)
    if suffix not in (*TEXT, *JSON) and file.suffix == ".gz" and suffix in (*READABLE, *SQLITE, *DUCKDB, *SHEETS):
        raise DataError(f"{file}: of packed files only text and JSON are read. Unpack it first: gunzip {file.name!r}")
    if suffix in (*SQLITE, *DUCKDB):
        return open_database(file, inside)
    if suffix in SHEETS:
        return open_sheet(file, inside)
    if inside is not None:
        raise DataError(f"{file} is no database or workbook, so there is no table '{inside}' in it.")
    if suffix in PARQUET:
        return Parquet([file])
    if suffix in ARROW:
        return ArrowStream([file]) if is_stream(file) else Feather([file])
    if suffix in JSON:
        return JsonArray([file]) if is_array(file) else JsonLines([file])
    if suffix in TEXT:
        return open_delimited([file], asked)
    known = ", ".join((*READABLE, *SQLITE, *DUCKDB, *SHEETS))
    said = f"the extension '{suffix}' is not known" if suffix else "a name without an extension does not say its form"
    raise DataError(f"{file}: {said}. Segue reads {known} (text also with .gz); {_how(suffix, file.name)}.")


def _how(suffix: str, name: str) -> str:
    for suffixes, (how, call) in _HOW.items():
        if suffix in suffixes:
            return how.format("readRDS" if suffix == ".rds" else "load" if call is None else call, name)
    return "if it holds one of these, rename it; otherwise convert it"


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
    if isinstance(table, Several) and table.ignored:
        several.append(f"fields that {table.tables[0].files[0].name} has not were left out: {', '.join(table.ignored)}")
    return [*several, f"user is column '{columns.user}', item '{columns.item}', time {_quoted(columns.time)}"]


def _is_blank(file: Path) -> bool:
    """Whether there is nothing in a file of text, as in those that a job without rows leaves."""
    return suffix_of(file) in (*TEXT, *JSON) and not any(block.strip() for block in blocks(file))


def _beside(file: Path, root: Path) -> Path | None:
    """The catalogue that lies beside a file, or beside the folders that it is in a partition of."""
    for word in BESIDE[:6]:
        for suffix in (*PARQUET, ".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz"):
            for folder in dict.fromkeys((file.parent, root)):
                other = folder / f"{word}{suffix}"
                if other.is_file() and other != file:
                    return other
    return None


def _quoted(name: str | None) -> str:
    return f"'{name}'" if name else "none (the order of the rows is the order of time)"
