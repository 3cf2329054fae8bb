"""From a table and the meaning of its columns to a raw log: the one place where columns get their common names."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import Columns, is_index
from segue.data.sources.delimited import Delimited
from segue.data.sources.raw_log import Column, ItemReader, Kind, RawLog
from segue.data.sources.table import Table
from segue.data.sources.times import Clock, clock_of, settled, unit_of
from segue.data.sources.values import (
    SAMPLE_ROWS,
    Role,
    are_float_ids,
    has_decimal_commas,
    ids,
    is_wide,
    looks_like,
    numbers,
    present,
    stripped,
)

_WORDS = 64
"""A column of phrases with more different values than this in the sample is free text; one of codes never is."""
_OWN_NAMES = ("user_id", "item_id", "time", "order", "timestamp")
_REQUEST = "request"
"""A column of this name says what was shown together, whatever its values look like."""


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
    beside: Sequence[Path] = (),
    notes: Sequence[str] = (),
    time_format: str | None = None,
) -> RawLog:
    """A raw log over `table`.

    Args:
        clock: how the time column is read; guessed from the sample without.
        rename: further names, file name to common name.
        leave_out: columns that are not facts about an event.
        beside: files that items and users are read from.
        time_format: what the person said of the time column.
    """
    where, sample = str(table.files[0]), table.sample
    if sample.height == 0:
        raise DataError(f"{where} has a header and no rows; a log has at least one row.")
    if columns.time and (clock is None or time_format is not None):
        clock = _clock(table, columns.time, where, time_format)
    reader = _Reader(table, columns, clock if columns.time else None)
    named = {**(rename or {}), **({columns.rating: "rating"} if columns.rating else {})}
    special = {columns.user, columns.item, columns.time, columns.order, *leave_out}
    kinds: dict[str, Kind] = {}
    taken = reader.roles()
    for name in sample.columns:
        # A file with types of its own says what is a number; '2' in quotes, as Amazon's votes, is text.
        quoted = not isinstance(table, Delimited) and sample.schema[name] == pl.String and name != columns.rating
        rating = name == columns.rating
        kind = None if name in special or is_index(name) else _kind(sample[name], table, quoted, rating=rating)
        if kind is None:
            if name not in reader.used:
                taken.append(Column(name, "left out", _left_out(name, sample[name], leave_out)))
            continue
        common = named.get(name, name)
        if common in _OWN_NAMES or common in kinds:
            common = f"source_{common}"
        kinds[common], reader.origin[common] = kind, name
        if name != columns.rating:
            taken.append(Column(name, "request" if common == _REQUEST else kind, _SAYS[kind]))
    reader.kinds = kinds
    return RawLog(
        source=source,
        why=why,
        files=table.files,
        read=reader.read,
        further=kinds,
        timed=columns.time is not None,
        ticks=clock.ticks if clock and columns.time else 1,
        ordered=columns.order is not None,
        items=items or (lambda wanted: None),
        users=users if callable(users) else (lambda: None),
        beside=[file for file in beside if file.is_file()],
        notes=(*notes, *reader.floats_note()),
        columns=tuple(taken),
        afterwards=reader.strange,
    )


_SAYS: dict[Kind, str] = {
    "number": "numbers",
    "word": "few different words",
    "text": "free text, read where a condition names it",
}


@dataclass
class _Reader:
    """Batches of a table with common names, exact values, and a clear word about each value that is none."""

    table: Table
    columns: Columns
    clock: Clock | None
    kinds: dict[str, Kind] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, tuple[int, int, Any]] = field(default_factory=dict)
    """Per column how many values are no numbers, the row of the first, and that value."""

    def __post_init__(self) -> None:
        sample = self.table.sample
        self.floats = {name: are_float_ids(sample[name]) for name in (self.columns.user, self.columns.item)}

    @property
    def used(self) -> set[str | None]:
        """The columns with a meaning of their own."""
        columns = self.columns
        return {columns.user, columns.item, columns.time, columns.order, columns.rating}

    def roles(self) -> list[Column]:
        """What the columns with a meaning of their own were taken for."""
        columns, why = self.columns, self.columns.why
        named = {"user": columns.user, "item": columns.item, "time": columns.time, "rating": columns.rating}
        named["order"] = columns.order
        return [Column(name, role, why.get(role, "by the source")) for role, name in named.items() if name]  # type: ignore[arg-type]

    def floats_note(self) -> list[str]:
        """That ids such as 71.0 are read as 71."""
        names = [name for name, floats in self.floats.items() if floats]
        return [
            f"the ids of '{name}' are whole numbers that were stored as floats (71.0 is read as 71)" for name in names
        ]

    def strange(self) -> list[str]:
        """What was read as missing though something stood there."""
        return [
            f"{count:,} values of '{name}' are no numbers and count as missing (first: {value!r:.40} in "
            f"{self.table.place(row)})"
            for name, (count, row, value) in self.wrong.items()
        ]

    def read(self, further: Collection[str], rows: int) -> Iterator[pl.DataFrame]:
        """Batches with the common columns and the further ones asked for."""
        columns = self.columns
        roles: dict[str, Role] = {columns.user: "id", columns.item: "id"}
        roles |= {name: "integer" for name in (columns.time, columns.order) if name}
        roles |= {self.origin[name]: "number" if self.kinds[name] == "number" else "text" for name in further}
        self.wrong = {}
        first, started = 0, None
        for batch in self.table.batches(roles, rows):
            made = [
                self._ids(batch[columns.user], first).alias("user_id"),
                self._ids(batch[columns.item], first).alias("item_id"),
            ]
            if columns.time:
                ticks = self._times(batch[columns.time], first, started)
                if started is None and ticks.null_count() < len(ticks):
                    place = int(ticks.is_not_null().arg_max() or 0)
                    started = (first + place, batch[columns.time][place])
                made.append(ticks.alias("time"))
            if columns.order:
                made.append(self._whole(batch[columns.order], first).alias("order"))
            for name in further:
                values = batch[self.origin[name]]
                made.append((self._numbers if self.kinds[name] == "number" else self._texts)(values, first).alias(name))
            first += batch.height
            yield pl.DataFrame(made)

    def _ids(self, values: pl.Series, first: int) -> pl.Series:
        name = values.name
        found = ids(values, f"{self.table.files[0]}, column '{name}'", floats=self.floats.get(name, False))
        if found.dtype == pl.String:
            nested = found.str.contains(r"^[{\[]").fill_null(False)
            for place in nested.arg_true():
                if _is_nested(found[place]):
                    raise DataError(
                        f"{self.table.place(first + place)}, column '{name}': {found[place]!r:.60} is no id; an id is "
                        "a number or a text, not a list or an object. Write the id itself in a column of its own."
                    )
        return found

    def _times(self, values: pl.Series, first: int, started: tuple[int, Any] | None) -> pl.Series:
        assert self.clock is not None
        clock, name = self.clock, values.name
        ticks, wrong = clock.read(values)
        if wrong.any():
            place = int(wrong.arg_max() or 0)
            raise DataError(
                f"{self.table.place(first + place)}, column '{name}': {values[place]!r} is not a time "
                f"{'of the same form as in the first rows' if clock.forms else 'that can be read'}. Mend the row, "
                "leave the value empty, or say the form with time_format=... (such as '%d.%m.%Y %H:%M')."
            )
        if (fault := clock.fault(ticks)) is None:
            return ticks
        place, value = fault, values[fault]
        if clock.native or clock.forms:
            raise DataError(
                f"{self.table.place(first + place)}, column '{name}': {value!r} lies outside of the years 1900 to "
                "2200. Mend the row or leave the value empty."
            )
        other = unit_of(float(str(value).strip()))
        if other != clock.says and clock.says != "nothing known":
            row, known = started or _first_of(values, ticks, first, clock)
            raise DataError(
                f"{self.table.place(first + place)}, column '{name}': {value!r} counts {other}, while "
                f"{self.table.place(row).rpartition(', ')[2]} ({known!r}) counts {clock.says}. Write the column in one "
                "unit."
            )
        raise DataError(
            f"{self.table.place(first + place)}, column '{name}': {value!r} {clock.says} lie outside of the years 1900 "
            "to 2200. Mend the row, leave the value empty, or say the unit with time_format=s, ms, us or ns."
        )

    def _whole(self, values: pl.Series, first: int) -> pl.Series:
        told, wrong = numbers(values)
        if told.dtype == pl.Float64:
            part = (told != told.round()).fill_null(False)
            wrong = part if wrong is None else wrong | part
        if wrong is not None and wrong.any():
            place = int(wrong.arg_max() or 0)
            raise DataError(
                f"{self.table.place(first + place)}, column '{values.name}': {values[place]!r} is no whole number, and "
                "the column gives the order of the events."
            )
        return told.cast(pl.Int64)

    def _numbers(self, values: pl.Series, first: int) -> pl.Series:
        name = values.name
        if values.dtype == pl.String and self.table.sample.schema[name] == pl.Boolean:
            values = values.replace({"true": "1", "false": "0"})
        comma = getattr(self.table, "decimal", None) or ("," if has_decimal_commas(self.table.sample[name]) else ".")
        told, wrong = numbers(values, decimal=comma)
        if wrong is not None:
            place = int(wrong.arg_max() or 0)
            if name == self.columns.rating:
                raise DataError(
                    f"{self.table.place(first + place)}, column '{name}': {values[place]!r} is no number, and a rating "
                    "is one. Mend the row, leave the value empty, or pass rating=none."
                )
            count, row, value = self.wrong.get(name, (0, first + place, values[place]))
            self.wrong[name] = (count + int(wrong.sum()), row, value)
        return told

    def _texts(self, values: pl.Series, first: int) -> pl.Series:
        values = values if values.dtype == pl.String else values.cast(pl.String)
        return values.set(values == "", None) if self.kinds.get(values.name) == "text" else stripped(values)


def _clock(table: Table, name: str, where: str, time_format: str | None) -> Clock:
    sample = table.sample[name]
    if looks_like(sample) == "empty":  # the first rows say nothing; some later ones may
        later = (batch[name] for batch in table.batches({name: "text"}, 1 << 18) if len(present(batch[name])))
        sample = present(next(later, sample)).head(SAMPLE_ROWS)
    clock = clock_of(sample, where=where, form=time_format)
    if clock is None:
        row, value = _unlike_the_first(sample, where)
        raise DataError(
            f"{table.place(row)}, column '{name}': {value!r} is not a time that can be read. Use an epoch number or an "
            "ISO date such as 2024-05-31 or 2024-05-31T12:00:00Z in all rows, say the form with time_format=... (such "
            "as '%d.%m.%Y %H:%M'), or pass time=none if the rows are in order of time."
        )
    return settled(clock, partial(_column, table, name), f"{where}, column '{name}'", table.place)


def _unlike_the_first(sample: pl.Series, where: str) -> tuple[int, Any]:
    """The first value that cannot be read as the very first one is, and its row."""
    rows = [row for row in range(len(sample)) if len(present(sample[row : row + 1]))]
    first = clock_of(sample[rows[0] : rows[0] + 1], where=where)
    if first is None:
        return rows[0], sample[rows[0]]
    for row in rows:
        if first.read(sample[row : row + 1])[1].any():
            return row, sample[row]
    return rows[0], sample[rows[0]]


def _column(table: Table, name: str) -> Iterator[pl.Series]:
    for batch in table.batches({name: "text"}, 1 << 18):
        yield batch[name].cast(pl.String)


def _kind(sample: pl.Series, table: Table, quoted: bool, *, rating: bool) -> Kind | None:
    looks = looks_like(sample)
    if sample.name == _REQUEST and looks in ("integer", "text", "number"):
        return "number" if looks != "text" and not quoted and not is_wide(sample) else "word"
    if rating and looks not in ("integer", "number", "flag", "empty") and not _are_mostly_numbers(present(sample)):
        row = _no_number(sample)
        raise DataError(
            f"{table.place(row)}, column '{sample.name}': expected ratings as numbers, found {sample[row]!r:.60}. "
            "Name another column with rating=..., or pass rating=none."
        )
    if rating:
        return None if looks == "empty" else "number"
    if is_wide(sample):  # as a float it would not be told from its neighbours
        return "word"
    if quoted and looks in ("integer", "number"):
        looks = "text"
    if looks in ("integer", "number", "flag") or (looks == "empty" and sample.dtype.is_numeric()):
        return "number"
    if looks != "text":
        return None
    known = present(sample)
    if _are_mostly_numbers(known):
        return "number"
    values = known.cast(pl.String)
    if (values.str.len_chars().max() or 0) > 32:  # type: ignore[operator]
        return "text"
    # Codes may be many and are told apart, unless each row has one of its own; phrases are few, or they are free text.
    codes, different = not values.str.contains(r"\s").any(), values.n_unique()
    few = different <= max(2, 0.9 * len(values)) if codes else different <= min(_WORDS, max(2, len(values) // 2))
    return "word" if few else "text"


def _no_number(sample: pl.Series) -> int:
    """The row of the first value that is no number."""
    if sample.dtype != pl.String:
        return int(sample.is_not_null().arg_max() or 0)
    _, wrong = numbers(sample)
    return 0 if wrong is None else int(wrong.arg_max() or 0)


def _are_mostly_numbers(values: pl.Series) -> bool:
    """Prices with a dash among them, or with decimal commas, are numbers of which some are missing."""
    if values.dtype != pl.String:
        return False
    if has_decimal_commas(values):
        return True
    told, wrong = numbers(values)
    return wrong is not None and int(wrong.sum()) <= 0.05 * len(told)


def _left_out(name: str, sample: pl.Series, leave_out: Collection[str]) -> str:
    if is_index(name):
        return "row numbers"
    if name in leave_out:
        return "no fact about an event"
    looks = looks_like(sample)
    return {"empty": "empty", "time": "dates that are not the time of the event"}.get(looks, "of no use here")


def _is_nested(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return text.startswith(("[[[[", "{{"))


def _first_of(values: pl.Series, ticks: pl.Series, first: int, clock: Clock) -> tuple[int, Any]:
    """The first row of a batch whose time is of the clock's own unit."""
    for place in np.flatnonzero(ticks.is_not_null().to_numpy()):
        if unit_of(float(str(values[int(place)]).strip())) == clock.says:
            return first + int(place), values[int(place)]
    return first, values[0]
