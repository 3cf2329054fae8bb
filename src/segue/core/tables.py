"""What is known: the log of what users did, the catalog of items, and the ways to cut them.

Everything is an array over events, one user after another and oldest first, so that it can lie on disk and be mapped
into memory. A *history* is never copied: it is a pair of positions in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from segue.core.errors import DataError
from segue.core.shapes import Int, Num

NOBODY = -1
"""Stands for the user of a history that is not in the log."""


@dataclass(frozen=True)
class Catalog:
    """What is known of each item; row i is item i everywhere in Segue.

    `table` has the column `item_id` (text, the user's own id) and, where known, `title`, `categories` (list of text),
    `brand`, `price`, `description` and any further column of the source.
    """

    table: pl.DataFrame

    def __len__(self) -> int:
        return self.table.height

    @property
    def ids(self) -> pl.Series:
        """The user's own ids, in row order."""
        return self.table["item_id"]

    def rows(self, ids: Sequence[str] | pl.Series) -> Int[np.ndarray, " ids"]:
        """Row numbers of the user's own item ids.

        Raises:
            DataError: some ids are not in this catalog.
        """
        return _rows(self.ids, ids, what="item")

    def extended(self, new: Catalog) -> Catalog:
        """The same items with further ones behind them."""
        return Catalog(pl.concat([self.table, new.table], how="diagonal_relaxed"))

    def names(self) -> pl.Series:
        """A readable name for each item: its title, or its id where there is none."""
        if "title" not in self.table.columns:
            return self.ids
        return self.table["title"].cast(pl.String).fill_null(self.ids)

    def titles(self, rows: Int[np.ndarray, "..."]) -> list[str]:
        """The names of some items."""
        return self.names().gather(np.asarray(rows).ravel()).to_list()


@dataclass(frozen=True)
class InteractionLog:
    """Who did what, when and how: the events of user u are those at `offsets[u] : offsets[u + 1]`, oldest first.

    `timestamps` are Unix seconds, or None where only the order is known. `columns` are further facts about each event
    (rating, action, ...). `users` has the column `user_id` (text) and whatever is known of each user.
    """

    items: Int[np.ndarray, " events"]
    offsets: Int[np.ndarray, " bounds"]
    users: pl.DataFrame
    timestamps: Int[np.ndarray, " events"] | None = None
    columns: Mapping[str, Num[np.ndarray, " events"]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def histories(self) -> Histories:
        """The whole history of every user."""
        return Histories(
            items=self.items,
            starts=self.offsets[:-1],
            ends=self.offsets[1:],
            users=np.arange(len(self.offsets) - 1),
            timestamps=self.timestamps,
        )

    def of_user(self, user: int) -> InteractionLog:
        """The events of the user in this row alone; the table of users stays whole."""
        window = slice(int(self.offsets[user]), int(self.offsets[user + 1]))
        return replace(
            self,
            items=np.asarray(self.items[window]),
            offsets=np.array([0, window.stop - window.start]),
            timestamps=None if self.timestamps is None else np.asarray(self.timestamps[window]),
            columns={name: np.asarray(values[window]) for name, values in self.columns.items()},
        )

    def user_rows(self, ids: Sequence[str] | pl.Series) -> Int[np.ndarray, " ids"]:
        """Row numbers of the user's own user ids.

        Raises:
            DataError: some ids are not in this log.
        """
        return _rows(self.users["user_id"], ids, what="user")


@dataclass(frozen=True)
class Dataset:
    """A log and its catalog, immutable, with a note of where they come from.

    `origin` says how it was made (sources, settings, counts); `digest` is a hash of the contents, and two datasets with
    one digest are the same.
    """

    name: str
    log: InteractionLog
    catalog: Catalog
    digest: str
    origin: Mapping[str, Any] = field(default_factory=dict)
    exposures: InteractionLog | None = None
    """Everything that users were shown, taken or not, where that is known; users and items as in `log`, and every
    event of `log` is among them."""


@dataclass(frozen=True)
class Histories:
    """Some users' pasts, each a window `starts[i] : ends[i]` of one array of events; nothing is copied.

    `users` are rows of the log's users, or `NOBODY`.
    """

    items: Int[np.ndarray, " events"]
    starts: Int[np.ndarray, " rows"]
    ends: Int[np.ndarray, " rows"]
    users: Int[np.ndarray, " rows"]
    timestamps: Int[np.ndarray, " events"] | None = None
    asked_at: Int[np.ndarray, " rows"] | None = None
    """When each row asks for a recommendation (Unix seconds), where a model may know it."""

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Int[np.ndarray, " rows"]:
        """Events in each window."""
        lengths: np.ndarray = self.ends - self.starts
        return lengths

    def take(self, rows: Int[np.ndarray, " some"] | slice) -> Histories:
        """The chosen rows."""
        asked_at = None if self.asked_at is None else self.asked_at[rows]
        return replace(self, starts=self.starts[rows], ends=self.ends[rows], users=self.users[rows], asked_at=asked_at)

    def latest(self, length: int) -> Histories:
        """The same rows, each cut to its newest `length` events."""
        return replace(self, starts=np.maximum(self.starts, self.ends - length))

    def positions(self) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, " bounds"]]:
        """Where each event of the windows lies in the log, row after row, and the bounds of the rows."""
        bounds = np.zeros(len(self) + 1, dtype=np.int64)
        np.cumsum(self.lengths, out=bounds[1:])
        steps = np.repeat(self.starts - bounds[:-1], self.lengths)
        return steps + np.arange(bounds[-1]), bounds

    def packed(self) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, " bounds"]]:
        """The items of all windows in one array, row after row, and the bounds of the rows."""
        positions, bounds = self.positions()
        return self.items[positions], bounds

    @classmethod
    def from_lists(cls, histories: Sequence[Sequence[int]]) -> Histories:
        """Histories given item by item, as a request to a service brings them."""
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        ends = np.cumsum(lengths)
        flat = [item for history in histories for item in history]
        return cls(
            items=np.array(flat, dtype=np.int64),
            starts=ends - lengths,
            ends=ends,
            users=np.full(len(histories), NOBODY),
        )


@dataclass(frozen=True)
class Cases:
    """Questions whose answers were held out: after `histories`, the user took the items up to `stops`."""

    histories: Histories
    stops: Int[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.histories)

    def take(self, rows: Int[np.ndarray, " some"] | slice) -> Cases:
        """The chosen rows."""
        return Cases(self.histories.take(rows), self.stops[rows])

    @property
    def targets(self) -> Histories:
        """The held-out events of each row."""
        return replace(self.histories, starts=self.histories.ends, ends=self.stops, asked_at=None)

    def timed(self) -> Cases:
        """The same cases with the time of the first held-out event told to the model."""
        times = self.histories.timestamps
        if times is None:
            raise DataError("the time of the target was asked for, and this dataset has no timestamps.")
        return replace(self, histories=replace(self.histories, asked_at=times[self.histories.ends]))


@dataclass(frozen=True)
class Split:
    """A dataset cut for learning and asking; `rule` names how, and goes into the fingerprint of every number."""

    dataset: Dataset
    rule: str
    train: Histories
    validation: Cases
    test: Cases

    @property
    def catalog(self) -> Catalog:
        """The items of the dataset."""
        return self.dataset.catalog

    def item_counts(self) -> Int[np.ndarray, " items"]:
        """How often each item occurs in the training histories."""
        items, _ = self.train.packed()
        return np.bincount(items, minlength=len(self.catalog))


def _rows(known: pl.Series, ids: Sequence[str] | pl.Series, *, what: str) -> Int[np.ndarray, " ids"]:
    wanted = (
        pl.Series("id", ids, dtype=pl.String) if not isinstance(ids, pl.Series) else ids.cast(pl.String).alias("id")
    )
    table = pl.DataFrame({"id": known.cast(pl.String), "row": np.arange(len(known))})
    found = pl.DataFrame({"id": wanted}).join(table, on="id", how="left", maintain_order="left")["row"]
    if found.null_count():
        missing = wanted.filter(found.is_null())
        raise DataError(
            f"{len(missing)} {what} id(s) are not in this dataset (first: {missing[0]!r}; "
            f"it knows {len(known)} {what}s, such as {known[0]!r})."
            if len(known)
            else f"{what} ids were given to a dataset without {what}s."
        )
    return found.to_numpy()
