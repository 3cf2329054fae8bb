"""KuaiRand: the CSV logs of a short-video app, with several kinds of feedback and the time in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import Columns
from segue.data.sources.delimited import Delimited, first_lines
from segue.data.sources.mapping import log_of
from segue.data.sources.raw_log import RawLog
from segue.data.sources.times import Clock

_MARKS = {"user_id", "video_id", "time_ms", "is_click", "is_rand"}


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
        Delimited(files, names, ",", header=True, quoted=False),
        Columns(user="user_id", item="video_id", time="time_ms"),
        source="kuairand",
        why=why,
        clock=Clock(role="integer", ticks=1000),
        leave_out=("date", "hourmin"),
        items=lambda wanted: _videos(folder),
        users=lambda: _people(folder),
        notes=["every row is an exposure; pass positive='is_click == 1' (or another action) for what users chose"],
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
