"""Tables in memory: pandas, polars, Arrow and DuckDB, kept as a file so that a run can be asked again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import SettingsError


def is_frame(data: object) -> bool:
    """Whether this is a table in memory that can be read."""
    return isinstance(data, pl.DataFrame | pl.LazyFrame) or _package(data) in ("pandas", "pyarrow", "duckdb", "_duckdb")


def kept(data: object, folder: Path) -> Path:
    """The file in `folder`, named after its contents, that holds the rows of a table in memory.

    Raises:
        SettingsError: this is no table.
    """
    frame = as_polars(data)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".frame.{os.getpid()}.partial"
    frame.write_parquet(draft)
    with draft.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    place = folder / f"frame-{digest}" / "frame.parquet"
    place.parent.mkdir(exist_ok=True)
    draft.replace(place)
    return place


def as_polars(data: Any) -> pl.DataFrame:
    """A table of any of the known kinds.

    Raises:
        SettingsError: this is no table.
    """
    package = _package(data)
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    try:
        if package == "pandas":
            return _of_pandas(data)
        if package == "pyarrow":
            found: Any = pl.from_arrow(data)
            return found if isinstance(found, pl.DataFrame) else found.to_frame()
        if package in ("duckdb", "_duckdb"):
            return as_polars(data.pl())
    except Exception as error:
        raise SettingsError(f"data: this table cannot be read: {str(error).splitlines()[0]}") from None
    raise SettingsError(
        f"data: {type(data).__module__}.{type(data).__qualname__} is no log. Give a path, 'world', or a table "
        "of pandas, polars or Arrow with a row an event."
    )


def _of_pandas(data: Any) -> pl.DataFrame:
    """A pandas table; its index is a column only where it has a name."""
    import pyarrow as pa

    if not hasattr(data, "columns"):
        data = data.to_frame()
    if any(name is not None for name in data.index.names):
        data = data.reset_index()
    data = data.set_axis([str(name) for name in data.columns], axis=1)
    for name in data.columns:
        if data[name].dtype == object:  # numbers and words in one column are words
            kinds = {type(value) for value in data[name].dropna()}
            if len(kinds) > 1:
                data[name] = data[name].map(str, na_action="ignore")
    found: Any = pl.from_arrow(pa.Table.from_pandas(data, preserve_index=False))
    return as_polars(found)


def _package(data: object) -> str:
    return type(data).__module__.split(".")[0]
