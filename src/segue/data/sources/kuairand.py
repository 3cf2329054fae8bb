"""KuaiRand: the CSV logs of a short-video app, with several kinds of feedback and the time in milliseconds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.requests import EARLIER
from segue.data.sources.columns import Columns
from segue.data.sources.delimited import Delimited
from segue.data.sources.mapping import log_of
from segue.data.sources.parquet import read_parquet
from segue.data.sources.raw_log import RawLog
from segue.data.sources.text_files import first_lines
from segue.data.sources.times import epoch

_MARKS = {"user_id", "video_id", "time_ms", "is_click", "is_rand"}
_LISTS = {"like_seq": "is_like", "long_watch_seq": "long_view"}
"""Which action the videos of a list are known by."""


def recognise(path: Path) -> str | None:
    """Why `path` is KuaiRand, or None."""
    files = _logs(path)
    if not files or not set(first_lines(files[0], 1)[0].strip().split(",")) >= _MARKS:
        return None
    return f"{files[0].name} has the columns {', '.join(sorted(_MARKS))}"


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The exposures of the standard policy, or those of one file when a file is given.

    Every row is something shown; what the user did is in `is_click`, `is_like`, `play_time_ms` and others, so
    `positive="is_click == 1"` makes it a log of clicks.
    """
    files = _logs(path)
    if not files:
        raise DataError(f"{path}: expected log_standard_*.csv or log_random_*.csv of KuaiRand (or a folder with them).")
    names = first_lines(files[0], 1)[0].strip().split(",")
    for file in files[1:]:
        if first_lines(file, 1)[0].strip().split(",") != names:
            raise DataError(f"{file}, line 1: the columns differ from those of {files[0].name}.")
    folder = files[0].parent
    return log_of(
        Delimited(files, names, ",", header=True),
        Columns(user="user_id", item="video_id", time="time_ms"),
        source="kuairand",
        why=why,
        clock=epoch(1000),
        leave_out=("date", "hourmin"),
        items=lambda wanted: _videos(folder),
        users=lambda: _people(folder),
        beside=[*folder.glob("video_features_basic*.csv"), *folder.glob("user_features*.csv")],
        notes=["every row is an exposure; pass positive='is_click == 1' (or another action) for what users chose"],
    )


def with_earlier(raw: RawLog, path: Path) -> RawLog:
    """The log, and before it what `history.parquet` beside it tells of each user.

    The videos of `watch_seq`, oldest first, become events at `last_time_ms` (all at that latest moment, for theirs is
    not known), with `earlier` = 1; whether they were liked and watched long is read from the lists of those, which may
    go back further than `watch_seq` does and are not followed there. No other action of these events is known.

    Raises:
        DataError: there is no such file, or it has other columns.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / "history.parquet"
    if not file.is_file():
        raise DataError(
            f"history=true: {folder} has no history.parquet (users' earlier events, as in our KuaiRand folder); leave "
            "the setting out."
        )
    table = read_parquet(file)
    if missing := [name for name in ("user_id", "last_time_ms", "watch_seq", *_LISTS) if name not in table.columns]:
        raise DataError(f"{file}: expected a column '{missing[0]}'; it has: {', '.join(table.columns)}.")

    def read(further: Collection[str], rows: int) -> Iterator[pl.DataFrame]:
        known = [name for name in further if name != EARLIER]
        first = True
        for batch in raw.read(known, rows):
            batch = batch.with_columns(pl.lit(0.0).alias(EARLIER)) if EARLIER in further else batch
            if first:
                yield from (piece.select(batch.columns) for piece in _earlier(table, batch, raw).iter_slices(rows))
                first = False
            yield batch

    count = table["watch_seq"].list.len().sum()
    note = f"{count:,} earlier events come from {file.name}, all of a user's at the time of the last one"
    return replace(
        raw,
        read=read,
        files=[*raw.files, file],
        further={**raw.further, EARLIER: "number"},
        notes=[*raw.notes, note],
    )


def _earlier(table: pl.DataFrame, like: pl.DataFrame, raw: RawLog) -> pl.DataFrame:
    """The earlier events with the columns and types of a batch of the log."""
    table = table.with_row_index("row")
    events = table.select("row", "user_id", "last_time_ms", pl.col("watch_seq").alias("item_id")).explode("item_id")
    for column, action in _LISTS.items():
        told = table.select("row", pl.col(column).alias("item_id")).explode("item_id").unique()
        told = told.with_columns(pl.lit(1.0).alias(action))
        events = events.join(told, on=["row", "item_id"], how="left", maintain_order="left")
        events = events.with_columns(pl.col(action).fill_null(0.0))
    events = events.drop_nulls("item_id").with_columns(
        (pl.col("last_time_ms") * raw.ticks // 1000).alias("time"), pl.lit(1.0).alias(EARLIER)
    )
    return events.select(
        (pl.col(name) if name in events.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in like.schema.items()
    )


def _logs(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.name.removesuffix(".gz").endswith(".csv") else []
    for folder in (path, path / "data", path / "KuaiRand-Pure" / "data"):
        # 'log_standard_4_08_to_4_21' sorts before 'log_standard_4_22_to_5_08': by name is by time.
        if files := sorted(folder.glob("log_standard_*.csv")):
            return files
    return []


def _videos(folder: Path) -> pl.DataFrame | None:
    files = sorted(folder.glob("video_features_basic*.csv"))
    if not files:
        return None
    table = pl.read_csv(files[0], infer_schema_length=None).rename({"video_id": "item_id"})
    categories = pl.col("tag").cast(pl.String).str.split(",").alias("categories")
    return table.with_columns(pl.col("item_id").cast(pl.String), categories).drop("tag")


def _people(folder: Path) -> pl.DataFrame | None:
    files = sorted(folder.glob("user_features*.csv"))
    return (
        pl.read_csv(files[0], infer_schema_length=None).with_columns(pl.col("user_id").cast(pl.String))
        if files
        else None
    )
