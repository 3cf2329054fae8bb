"""A folder of Parquet tables: interactions, items and users, or one file of sequences with a `position`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import ORDER, choose
from segue.data.sources.files import tidy_items
from segue.data.sources.mapping import log_of
from segue.data.sources.parquet import Parquet, read_parquet
from segue.data.sources.raw_log import RawLog

_FEW = 0.01
"""Above this share of missing times the times are left out where an order is known, and the rows below it."""


def recognise(path: Path) -> str | None:
    """Why `path` is of this form, or None."""
    file = path / "interactions.parquet" if path.is_dir() else path
    if not file.is_file() or file.suffix != ".parquet":
        return None
    names = Parquet([file]).sample.columns
    if "user_id" not in names or "item_id" not in names:
        return None
    if path.is_dir():
        return "the folder has interactions.parquet with user_id and item_id"
    if "position" in names or (path.parent / "items.parquet").is_file():
        return f"{path.name} has user_id and item_id{' and position' if 'position' in names else ''}"
    return None


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The events; where there is a `position` (or `order`) it gives the order of each user's events.

    A time that is not known for every event is then of no use and is left out, with a note.
    """
    file = path / "interactions.parquet" if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"{file} does not exist; expected a folder with interactions.parquet, or a Parquet file.")
    table = Parquet([file])
    columns = choose(table.sample, asked, where=str(file))
    order = columns.order
    if order is None and (asked.get("order") or "").lower() != "none":
        order = next((name for name in ORDER if name in table.sample.columns and name != columns.time), None)
    time, notes = columns.time, []
    if order is not None:
        notes.append(f"events are ordered by the column '{order}'")
        if time is not None:
            lacking = pl.col(time).is_null().sum(), pl.len()
            unknown, rows = (
                pl.scan_parquet(file, glob=False).select(lacking[0], lacking[1].alias("rows")).collect().row(0)
            )
            if unknown > _FEW * rows:  # a few missing times are a few missing times
                notes.append(
                    f"'{time}' is missing in {unknown:,} rows and was left out: '{order}' gives the order, "
                    "and rules that need clock times cannot be used"
                )
                time = None
    return log_of(
        table,
        replace(columns, time=time, order=order),
        source="folder",
        why=why,
        leave_out=[name for name in ("timestamp", "sasrec_user", "sasrec_item") if name != time],
        items=lambda wanted: _table(file.parent / "items.parquet", columns.item),
        users=lambda: _users(file.parent / "users.parquet"),
        beside=[file.parent / "items.parquet", file.parent / "users.parquet"],
        notes=notes,
        time_format=asked.get("time_format"),
    )


def _table(file: Path, item: str) -> pl.DataFrame | None:
    if not file.is_file():
        return None
    table = read_parquet(file)
    return tidy_items(table, item if item in table.columns else "item_id")


def _users(file: Path) -> pl.DataFrame | None:
    if not file.is_file():
        return None
    table = read_parquet(file).with_columns(pl.col("user_id").cast(pl.String))
    return table.unique("user_id", keep="first", maintain_order=True)
