"""Samples that somebody cut out beforehand: one row a question, with the items before it and the one that came next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.files import read_items
from segue.data.sources.parquet import Parquet, read_parquet
from segue.data.sources.raw_log import RawLog
from segue.data.sources.values import ids

_COLUMNS = ("split", "user_id", "history", "target")
_LONGEST = 16


def recognise(path: Path) -> str | None:
    """Why `path` is a table of samples, or None."""
    file = _file(path)
    if not file.is_file() or file.suffix != ".parquet":
        return None
    schema = Parquet([file]).sample.schema
    fits = all(name in schema for name in _COLUMNS) and isinstance(schema["history"], pl.List)
    return f"{file.name} has the columns {', '.join(_COLUMNS)}" if fits else None


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """Each sample as a user of its own, `USER#ROW` with the row of the file from 1: its history, then its target.

    The users have a column `split`, by which the rule `given` cuts. Only the order of the events is known.
    """
    file = _file(path)
    if recognise(path) is None:
        raise DataError(f"{file}: expected a Parquet file with {', '.join(_COLUMNS)}, history being a list.")
    beside = file.parent / "items.parquet"

    def batches(further: Collection[str], rows: int) -> Iterator[pl.DataFrame]:
        for part in _samples(file).iter_slices(max(rows // _LONGEST, 1)):
            items = pl.concat_list("history", "target").alias("item_id")
            events = part.select("user_id", items, pl.int_ranges(pl.col("history").list.len() + 1).alias("order"))
            exploded = events.explode("item_id", "order")
            yield exploded.with_columns(ids(exploded["item_id"], f"{file}, column 'history' or 'target'", floats=True))

    return RawLog(
        source="samples",
        why=why,
        files=[file],
        read=batches,
        timed=False,
        ordered=True,
        items=lambda wanted: read_items(beside, "item_id", wanted) if beside.is_file() else None,
        users=lambda: _samples(file).select("user_id", "split"),
        beside=[beside] if beside.is_file() else [],
        notes=["each sample is a user of its own; cut them with split=given"],
    )


def _file(path: Path) -> Path:
    return path / "samples.parquet" if path.is_dir() else path


def _samples(file: Path) -> pl.DataFrame:
    table = read_parquet(file).select(_COLUMNS).with_row_index("row", offset=1)
    lacking = table.filter(pl.any_horizontal(pl.col(_COLUMNS).is_null()))
    if lacking.height:
        raise DataError(
            f"{file}: {lacking.height:,} rows lack a split, user, history or target (first: data row "
            f"{lacking['row'][0]:,}); drop them, or write an empty history as []."
        )
    return table.with_columns(pl.format("{}#{}", "user_id", "row").alias("user_id"))
