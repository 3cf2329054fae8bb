"""A log as a source reads it, before any id has a row number: batches of rows with the same few column names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.suggest import nearest

Kind = Literal["number", "word", "text"]
"""`number` becomes an array; `word` (few different values) an array of codes; `text` serves only for conditions."""

ColumnRole = Literal[
    "user", "item", "time", "rating", "order", "request", "split", "number", "word", "text", "left out"
]


class Column(NamedTuple):
    """What a column of the source was taken for, and why."""

    column: str
    role: ColumnRole
    why: str


ItemReader = Callable[[Collection[str] | None], pl.DataFrame | None]
"""Gives the item table, at least of the wanted item ids; None means all of them."""


@dataclass(frozen=True)
class RawLog:
    """Where a log comes from and how to read it in batches, in the order of the source.

    Each batch has `user_id` and `item_id` (whole numbers or text as the file has them), `time` (whole ticks,
    `ticks` of them a second) when `timed`, `order` (whole numbers) when `ordered`, and the `further` columns asked for.
    """

    source: str
    why: str
    files: Sequence[Path]
    read: Callable[[Collection[str], int], Iterator[pl.DataFrame]]
    """Batches with the named further columns, of about so many rows each."""
    further: dict[str, Kind] = field(default_factory=dict)
    timed: bool = True
    ticks: int = 1
    ordered: bool = False
    items: ItemReader = field(default=lambda wanted: None)
    users: Callable[[], pl.DataFrame | None] = field(default=lambda: None)
    beside: Sequence[Path] = ()
    """Further files that the result depends on, such as that of the catalogue."""
    notes: Sequence[str] = ()
    columns: Sequence[Column] = ()
    """What each column was taken for."""
    afterwards: Callable[[], Sequence[str]] = field(default=lambda: ())
    """What there is to note once everything has been read."""

    def check_columns(self, names: Collection[str]) -> None:
        """Raises:
        DataError: a name is not a column of this log.
        """
        known = [*self.further, *(["timestamp"] if self.timed else []), "user_id", "item_id"]
        for name in names:
            if name not in known:
                raise DataError(
                    f"{self.files[0]}: there is no column '{name}' to filter by{nearest(name, known)} "
                    f"It has: {', '.join(known)}."
                )
