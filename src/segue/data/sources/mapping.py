"""From a table and the meaning of its columns to a raw log: the one place where columns get their common names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import Columns
from segue.data.sources.delimited import Delimited
from segue.data.sources.json_lines import JsonLines
from segue.data.sources.parquet import Parquet
from segue.data.sources.raw_log import ItemReader, Kind, RawLog
from segue.data.sources.times import Clock, clock_of
from segue.data.sources.values import Role, looks_like

Table = Delimited | JsonLines | Parquet
"""Has `files`, in reading order; a `sample` of the first rows; and `batches` of the columns asked for."""

_WORDS = 64
"""A text column with more different values than this in the sample is free text, not a kind of action."""
_OWN_NAMES = ("user_id", "item_id", "time", "order", "timestamp")


def log_of(
    table: Table,
    columns: Columns,
    *,
    source: str,
    why: str,
    clock: Clock | None = None,
    rename: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
    items: ItemReader | None = None,
    users: object = None,
    notes: Sequence[str] = (),
) -> RawLog:
    """A raw log over `table`.

    Args:
        clock: how the time column is read; guessed from the sample without.
        rename: further names, file name to common name.
        leave_out: columns that are not facts about an event.
    """
    where = str(table.files[0])
    sample = table.sample
    if sample.height == 0:
        raise DataError(f"{where} has a header and no rows; a log has at least one row.")
    if columns.time and clock is None:
        clock = clock_of(sample[columns.time], where=where)
        if clock is None:
            raise DataError(
                f"{where}: column '{columns.time}' is not a time that can be read (first value: "
                f"{sample[columns.time].drop_nulls()[0]!r}). Use an epoch number or an ISO date such as "
                f"2024-05-31 or 2024-05-31T12:00:00Z, or pass time=none to go by the order of the rows."
            )
    named = {**(rename or {}), **({columns.rating: "rating"} if columns.rating else {})}
    special = {columns.user, columns.item, columns.time, columns.order, *leave_out}
    kinds: dict[str, Kind] = {}
    origin: dict[str, str] = {}
    for name in sample.columns:
        # A file with types of its own says what is a number; '2' in quotes, as Amazon's votes, is text.
        quoted = not isinstance(table, Delimited) and sample.schema[name] == pl.String and name != columns.rating
        kind = None if name in special else _kind(sample[name], where, quoted, rating=name == columns.rating)
        if kind is None:
            continue
        common = named.get(name, name)
        if common in _OWN_NAMES or common in kinds:
            common = f"source_{common}"
        kinds[common], origin[common] = kind, name

    def read(further: Collection[str], rows: int) -> Iterator[pl.DataFrame]:
        roles: dict[str, Role] = {columns.user: "id", columns.item: "id"}
        wanted = [pl.col(columns.user).alias("user_id"), pl.col(columns.item).alias("item_id")]
        if columns.time and clock:
            roles[columns.time] = clock.role if clock.format != "native" else "integer"
            wanted.append(clock.expression(columns.time).alias("time"))
        if columns.order:
            roles[columns.order] = "integer"
            wanted.append(pl.col(columns.order).alias("order"))
        for common in further:
            roles[origin[common]] = "number" if kinds[common] == "number" else "text"
            dtype = pl.Float64 if kinds[common] == "number" else pl.String
            wanted.append(pl.col(origin[common]).cast(dtype).alias(common))
        first = 1
        for batch in table.batches(roles, rows):
            canonical = batch.select(wanted)
            if columns.time and clock and clock.role == "text":
                _check_dates(batch[columns.time], canonical["time"], where, columns.time, first)
            first += batch.height
            yield canonical

    return RawLog(
        source=source,
        why=why,
        files=table.files,
        read=read,
        further=kinds,
        timed=columns.time is not None,
        ticks=clock.ticks if clock and columns.time else 1,
        ordered=columns.order is not None,
        items=items or (lambda wanted: None),
        users=users if callable(users) else (lambda: None),
        notes=tuple(notes),
    )


def _kind(sample: pl.Series, where: str, quoted: bool, *, rating: bool) -> Kind | None:
    looks = looks_like(sample)
    if quoted and looks in ("integer", "number"):
        looks = "text"
    if looks in ("integer", "number", "flag") or (looks == "empty" and sample.dtype.is_numeric()):
        return "number"
    if rating and looks != "empty":
        raise DataError(
            f"{where}, column '{sample.name}': expected ratings as numbers, found {sample.drop_nulls()[:1].to_list()}. "
            "Name another column with rating=..., or pass rating=none."
        )
    if looks != "text":
        return None
    values = sample.drop_nulls()
    few = values.n_unique() <= min(_WORDS, max(2, values.len() // 2)) and (values.str.len_chars().max() or 0) <= 32  # type: ignore[operator]
    return "word" if few else "text"


def _check_dates(text: pl.Series, ticks: pl.Series, where: str, column: str, first: int) -> None:
    wrong = ticks.is_null() & text.is_not_null() & (text.str.strip_chars() != "")
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(
            f"{where}, data row {first + row}, column '{column}': {text[row]!r} is not a date of the same form as in "
            "the first rows. Mend the row, or convert the column to one form (ISO 8601 or epoch seconds)."
        )
