"""Any table: CSV, TSV, Parquet or JSON-lines, gzip or not, with named or guessed columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import ITEM, choose, plain
from segue.data.sources.delimited import Delimited
from segue.data.sources.dialect import open_delimited
from segue.data.sources.json_lines import JsonLines
from segue.data.sources.mapping import log_of
from segue.data.sources.parquet import Parquet
from segue.data.sources.raw_log import RawLog
from segue.data.sources.table import Table
from segue.data.sources.values import looks_like

TEXT = (".csv", ".tsv", ".txt", ".dat", ".data", ".tab")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
_BESIDE = ("items", "item", "movies", "products", "catalog", "catalogue")


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The log in one file, or in the only readable file of a folder; `items.*` beside it gives the catalogue."""
    file = the_file(path)
    table = open_table(file, asked)
    named = not isinstance(table, Delimited) or table.header
    columns = choose(table.sample, asked, where=str(file), named=named)
    beside = _beside(file)
    return log_of(
        table,
        columns,
        source="files",
        why=why,
        items=(lambda wanted: read_items(beside, columns.item, wanted)) if beside else None,
        notes=[f"user is column '{columns.user}', item '{columns.item}', time {_quoted(columns.time)}"],
        time_format=asked.get("time_format"),
    )


def open_table(file: Path, asked: Mapping[str, str | None] | None = None) -> Table:
    """The table in a file, by its extension and, for text, by its first lines and the columns that were asked for.

    Raises:
        DataError: the extension says nothing or the file is empty.
    """
    suffix = Path(file.name.removesuffix(".gz")).suffix.lower()
    if suffix in PARQUET:
        return Parquet([file])
    if suffix in JSON:
        return JsonLines([file])
    if suffix in TEXT:
        return open_delimited([file], asked)
    raise DataError(
        f"{file}: the extension '{suffix or 'none'}' is not known. Segue reads {', '.join((*TEXT, *JSON, *PARQUET))} "
        "(text also with .gz); rename the file or convert it."
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
    if isinstance(table, Parquet):
        whole = pl.read_parquet(file, glob=False)
    else:
        kinds = {name: looks_like(table.sample[name]) for name in names}
        roles = {name: "number" if kinds[name] == "number" else "text" for name in names if name != found}
        whole = pl.concat(list(table.batches({found: "id", **roles}, 1 << 20)))  # type: ignore[dict-item]
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


def the_file(path: Path) -> Path:
    """The path itself, or the only table in a folder."""
    if path.is_file():
        return path
    readable = sorted(
        file
        for file in path.iterdir()
        if Path(file.name.removesuffix(".gz")).suffix.lower() in (*TEXT, *JSON, *PARQUET)
        and Path(file.name.split(".")[0]).stem.lower() not in _BESIDE
        and not file.name.lower().startswith("readme")
    )
    if len(readable) != 1:
        what = f"several tables ({', '.join(file.name for file in readable[:6])})" if readable else "no table"
        raise DataError(f"{path} is a folder with {what}; give the path of the one that holds the interactions.")
    return readable[0]


def _beside(file: Path) -> Path | None:
    for word in _BESIDE:
        for suffix in (*PARQUET, ".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz"):
            other = file.parent / f"{word}{suffix}"
            if other.is_file() and other != file:
                return other
    return None


def _quoted(name: str | None) -> str:
    return f"'{name}'" if name else "none (the order of the rows is the order of time)"
