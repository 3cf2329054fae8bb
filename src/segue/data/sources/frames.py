"""Tables in memory: pandas, polars, Arrow and DuckDB, kept as a file so that a run can be asked again."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import SettingsError


def kept(data: object, folder: Path, items: object = None) -> Path:
    """The file in `folder`, named after its contents, that holds the rows of a table in memory.

    Args:
        items: the table of the catalogue, which is put beside it.

    Raises:
        SettingsError: this is no table.
    """
    tables = {"log": as_polars(data, "data")} | ({} if items is None else {"items": as_polars(items, "items")})
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".frame-", dir=folder) as name:
        draft, digest = Path(name), hashlib.sha256()
        for word, table in tables.items():
            try:
                table.write_parquet(draft / f"{word}.parquet")
            except pl.exceptions.PolarsError as error:
                raise _unreadable("items" if word == "items" else "data", error) from None
            with (draft / f"{word}.parquet").open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        place = folder / f"frame-{digest.hexdigest()[:16]}"
        place.mkdir(exist_ok=True)
        for word in reversed(tables):  # the log last: where it is, all is there
            (draft / f"{word}.parquet").replace(place / f"{word}.parquet")
    return place / "log.parquet"


def as_polars(data: Any, name: str = "data") -> pl.DataFrame:
    """A table of pandas, polars, Arrow or DuckDB, or of any library that hands out Arrow streams.

    Raises:
        SettingsError: this is no table, or has columns that a file cannot hold.
    """
    package = type(data).__module__.split(".")[0]
    try:
        if isinstance(data, pl.LazyFrame):
            return data.collect()
        if isinstance(data, pl.DataFrame):
            return data
        if package == "pandas" and hasattr(data, "columns") and hasattr(data, "set_axis"):
            return _of_pandas(data)
        if package == "pyarrow" and hasattr(data, "to_table"):  # a data set of files
            data = data.to_table()
        if package in ("duckdb", "_duckdb"):
            data = data.to_arrow_table()
        if hasattr(data, "__arrow_c_stream__") and not hasattr(data, "to_frame"):  # columns alone have to_frame
            return pl.DataFrame(data)
        if hasattr(data, "__arrow_c_array__") and package == "pyarrow" and hasattr(data, "schema"):
            return pl.DataFrame(data)
    except SettingsError:
        raise
    except Exception as error:  # each library has errors of its own
        raise _unreadable(name, error) from None
    where = f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
    raise SettingsError(
        f"{name}: a value of type {where} is no log. Give a path, 'world', or a table of pandas, polars, Arrow or "
        "DuckDB with a row an event; polars.DataFrame(...) makes one of lists, dicts and arrays."
    )


def _of_pandas(data: Any) -> pl.DataFrame:
    """A pandas table; its index is a column only where it has a name."""
    import pyarrow as pa

    index = [name for name in data.index.names if name is not None and name not in data.columns]
    data = data.reset_index(level=index) if index else data
    names = ["_".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in data.columns]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SettingsError(f"data: two columns are called '{twice}'. Give each column a name of its own.")
    data = data.set_axis(names, axis=1)
    for name in names:
        column = data[name]
        if _is_period(column.dtype):
            data[name] = column.dt.to_timestamp()
        elif "Sparse" in str(column.dtype):
            data[name] = column.sparse.to_dense()
        elif column.dtype == object and _are_words(column.dropna()):
            data[name] = column.map(str, na_action="ignore")
    return pl.DataFrame(pa.Table.from_pandas(data, preserve_index=False))


def _is_period(dtype: Any) -> bool:
    return type(dtype).__name__ == "PeriodDtype"


def _are_words(values: Any) -> bool:
    """Whether objects are words: of several kinds, wide numbers, or of a kind that files do not have."""
    kinds = {type(value) for value in values}
    if kinds == {int}:
        return any(abs(value) >= 1 << 63 for value in values)
    return len(kinds) > 1 or bool({kind.__name__ for kind in kinds} & {"UUID", "Period"})


def _unreadable(name: str, error: Exception) -> SettingsError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return SettingsError(f"{name}: this table cannot be kept as a file: {first:.300}.")
