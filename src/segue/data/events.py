"""Steps of a preparation on one batch or one group of users: filter, number, order, drop repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from segue.core.shapes import Bool, Int
from segue.data.conditions import Clause
from segue.data.ids import TakenFirst
from segue.data.shelf import Piece
from segue.data.sources.raw_log import Kind


@dataclass
class Span:
    """What a column was seen to hold, for the narrowest type that keeps every value."""

    low: float = 0.0
    high: float = 0.0
    whole: bool = True
    single: bool = True
    missing: bool = False

    def see(self, values: np.ndarray) -> None:
        """Takes in more values."""
        if values.dtype.kind == "f":
            absent = np.isnan(values)
            if absent.any():
                self.missing = True
                values = values[~absent]
            self.whole = self.whole and bool((values == np.floor(values)).all())
            with np.errstate(over="ignore"):
                self.single = self.single and bool((values.astype(np.float32) == values).all())
        if len(values):
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    @property
    def dtype(self) -> np.dtype:
        """The narrowest type."""
        if self.whole and not self.missing and max(-self.low, self.high) < 2**53:
            for name in ("int8", "int16", "int32"):
                if np.iinfo(name).min <= self.low and self.high <= np.iinfo(name).max:
                    return np.dtype(name)
            return np.dtype("int64")
        return np.dtype("float32" if self.single else "float64")


@dataclass
class Intake:
    """Turns batches of a raw log into numbered events, and counts what it turns away.

    Where a condition says which events count, the others are kept too, and `taken` tells them apart; numbers are then
    the last ones only after `settle`.
    """

    timed: bool
    ordered: bool
    kinds: Mapping[str, Kind]
    positive: Sequence[Clause]
    users: TakenFirst = field(default_factory=TakenFirst)
    items: TakenFirst = field(default_factory=TakenFirst)
    words: dict[str, TakenFirst] = field(default_factory=dict)
    rows: int = 0
    incomplete: int = 0
    untimed: int = 0
    first_incomplete: int | None = None
    negative: int = 0

    def __post_init__(self) -> None:
        self.words = {name: TakenFirst() for name, kind in self.kinds.items() if kind == "word"}

    @property
    def kept(self) -> list[str]:
        """The further columns that go into the dataset."""
        return [name for name, kind in self.kinds.items() if kind != "text"]

    @property
    def dtypes(self) -> dict[str, str]:
        """The columns of an event and their types."""
        times = {"time": "int64"} if self.timed else {}
        orders = {"order": "int64"} if self.ordered else {}
        taken = {"taken": "bool"} if self.positive else {}
        further = {f"column:{name}": "int32" if self.kinds[name] == "word" else "float64" for name in self.kept}
        return {"user": "int32", "item": "int32", **times, **orders, **taken, **further}

    def take(self, batch: pl.DataFrame) -> Piece:
        """The whole events of a batch."""
        needed = ["user_id", "item_id", *(["time"] if self.timed else []), *(["order"] if self.ordered else [])]
        nulls = batch.select(pl.col(needed).null_count()).row(0)
        if any(nulls):
            absent = batch.select(pl.any_horizontal(pl.col(needed).is_null()).alias("absent"))["absent"]
            if self.first_incomplete is None:
                self.first_incomplete = self.rows + int(absent.arg_max() or 0) + 1
            self.incomplete += int(absent.sum())
            self.untimed += nulls[2] if self.timed else 0
            self.rows += batch.height
            batch = batch.filter(~absent)
        else:
            self.rows += batch.height
        taken = self._taken(batch) if self.positive else None
        piece: Piece = {
            "user": self.users.encode(batch["user_id"], taken),
            "item": self.items.encode(batch["item_id"], taken),
        }
        for name in needed[2:]:
            piece[name] = batch[name].to_numpy()
        if taken is not None:
            piece["taken"] = taken
        for name in self.kept:
            piece[f"column:{name}"] = self._column(name, batch[name], taken)
        return piece

    def settle(self) -> Callable[[Piece], Piece]:
        """After the last batch: what gives the numbers in a piece their last values."""
        if not self.positive:
            return lambda piece: piece
        numbers = {"user": self.users, "item": self.items} | {f"column:{name}": ids for name, ids in self.words.items()}
        final = {name: ids.final() for name, ids in numbers.items()}
        return lambda piece: piece | {name: final[name][piece[name]] for name in final if name in piece}

    def _taken(self, batch: pl.DataFrame) -> Bool[np.ndarray, " rows"]:
        # The clauses were checked against the columns when the log was opened.
        names = {"timestamp": "time"}
        clauses = [clause._replace(column=names.get(clause.column, clause.column)) for clause in self.positive]
        holds = [clause.expression(words=batch.schema[clause.column] == pl.String) for clause in clauses]
        taken = batch.select(pl.all_horizontal(holds).alias("taken"))["taken"].to_numpy()
        self.negative += int((~taken).sum())
        return taken

    def _column(self, name: str, values: pl.Series, taken: Bool[np.ndarray, " rows"] | None) -> np.ndarray:
        if name not in self.words:
            return values.fill_null(float("nan")).to_numpy()
        codes = np.full(len(values), -1, dtype=np.int32)
        known = values.is_not_null().to_numpy()
        codes[known] = self.words[name].encode(values.drop_nulls(), None if taken is None else taken[known])
        return codes


def in_order(piece: Piece, key: str | None) -> Int[np.ndarray, " events"]:
    """The order by user, then by `key`; equal ones stay as they came."""
    user = piece["user"].astype(np.int64)
    if not len(user):
        return np.arange(0)
    if key is None:
        return _sorted(user - user.min(), np.zeros(len(user), dtype=np.int64))
    keys = piece[key]
    if int(keys.max()) - int(keys.min()) >= 2**62:  # only numbers that are no times are so far apart
        return np.lexsort((keys, user))
    return _sorted(user - user.min(), keys - keys.min())


def _sorted(user: Int[np.ndarray, " events"], key: Int[np.ndarray, " events"]) -> Int[np.ndarray, " events"]:
    """The order by user, then key, both from 0, by one sort of plain numbers that hold user, key and row.

    Where these do not fit 63 bits, the low bits of the key are left out first, and what is then equal is sorted by them
    alone: of milliseconds or nanoseconds, that is next to nothing.
    """
    bits = [int(values.max()).bit_length() for values in (user, key)]
    row = (len(user) - 1).bit_length()
    surplus = max(sum(bits) + row - 63, 0)
    packed = (((user << (bits[1] - surplus)) | (key >> surplus)) << row) | np.arange(len(user))
    packed.sort()
    order = packed & ((1 << row) - 1)
    if surplus:
        head = packed >> row
        again = head[1:] == head[:-1]
        if again.any():
            tied = np.append(again, False) | np.append(False, again)
            run = np.cumsum(np.append(True, ~again))[tied]
            rows = order[tied]
            order[tied] = rows[_sorted(run - run[0], key[rows] & ((1 << surplus) - 1))]
    return order


def without_repeats(piece: Piece, policy: str) -> Bool[np.ndarray, " events"]:
    """Which events of an ordered piece stay: the first or last of each user and item, or all but exact repeats."""
    names = ["item", "user"]
    if policy == "exact":
        names = [name for name in piece if name not in ("order", "user", "item")] + names
    keys = [piece[name].view(np.int64) if piece[name].dtype == np.float64 else piece[name] for name in names]
    order = np.lexsort(keys)
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.any([key[order[1:]] != key[order[:-1]] for key in keys], axis=0)
    stays = np.zeros(len(order), dtype=bool)
    stays[order[np.append(new[1:], True)] if policy == "last" else order[new]] = True
    return stays
