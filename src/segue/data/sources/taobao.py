"""Taobao UserBehavior: a CSV without header, user, item, category, behaviour, Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import Columns
from segue.data.sources.delimited import Delimited
from segue.data.sources.mapping import log_of
from segue.data.sources.raw_log import RawLog
from segue.data.sources.text_files import first_lines
from segue.data.sources.times import epoch

_NAMES = ("user_id", "item_id", "category_id", "behavior", "timestamp")
_ACTIONS = ("pv", "cart", "fav", "buy")


def recognise(path: Path) -> str | None:
    """Why `path` is UserBehavior, or None."""
    file = _log(path)
    if file is None:
        return None
    rows = [line.split(",") for line in first_lines(file, 3)]
    fits = all(len(row) == 5 and row[3] in _ACTIONS and row[0].isdigit() for row in rows[:2])
    return f"lines of {file.name} read user,item,category,{'|'.join(_ACTIONS)},seconds" if fits else None


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """All four kinds of behaviour in `behavior`; `positive="behavior == 'buy'"` keeps one of them."""
    file = _log(path)
    if file is None:
        raise DataError(f"{path}: expected UserBehavior.csv (or a folder with it).")
    table = Delimited([file], _NAMES, ",", header=False)
    return log_of(
        table,
        Columns(user="user_id", item="item_id", time="timestamp"),
        source="taobao",
        why=why,
        clock=epoch(1),
        leave_out=("category_id",),
        items=lambda wanted: _categories(table),
    )


def _log(path: Path) -> Path | None:
    if path.is_file():
        return path if path.name.removesuffix(".gz").endswith(".csv") else None
    found = sorted(path.glob("UserBehavior*.csv*"))
    return found[0] if len(found) == 1 else None


def _categories(table: Delimited) -> pl.DataFrame:
    """The first category that the log gives for each item: the set has no item file."""
    seen = pl.DataFrame(schema={"item_id": pl.String, "category_id": pl.String})
    for batch in table.batches({"item_id": "id", "category_id": "text"}, 1 << 20):
        seen = pl.concat([seen, batch]).unique("item_id", keep="first", maintain_order=True)
    return seen.select("item_id", pl.concat_list("category_id").alias("categories")).filter(
        pl.col("item_id").is_not_null()
    )
