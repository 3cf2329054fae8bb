"""Row numbers for ids, batch by batch, in the order in which the ids first appear."""

from __future__ import annotations

import numpy as np
import polars as pl

from segue.core.shapes import Bool, Int

_LARGEST = 1 << 26
"""Whole numbers below this are looked up in an array (256 MB at most); others as text."""


class IdNumbers:
    """Gives every id a number, 0, 1, 2, ... by first appearance; the same ids always get the same numbers.

    Ids are text. Text that is a plain whole number ('17', not '017' or '1.0') takes a path that is three times as fast,
    and falls back to text as soon as one id is none, so that nothing depends on a guess from the first rows.
    """

    def __init__(self) -> None:
        self._numbers = np.empty(0, dtype=np.int32)  # id -> row, or -1
        self._ids: list[np.ndarray] | None = []  # whole-number ids by row; None once they are text
        self._count = 0
        self._words = pl.Categorical(pl.Categories.random())
        # Polars forgets the numbers of categories that no series uses any more; this empty one keeps them.
        self._anchor = pl.Series("anchor", [], dtype=pl.String).cast(self._words)

    def __len__(self) -> int:
        return self._count

    def encode(self, ids: pl.Series) -> Int[np.ndarray, " ids"]:
        """The row of each id; ids not seen before get the next rows."""
        if self._ids is not None:
            numbers = _whole(ids)
            if numbers is not None:
                return self._encode_numbers(numbers)
            self._become_text()
        codes = ids.cast(pl.String).cast(self._words).to_physical()
        if len(codes):
            self._count = max(self._count, int(codes.max()) + 1)  # type: ignore[arg-type]
        return codes.to_numpy().astype(np.int32)

    def ids(self) -> pl.Series:
        """All ids as text, by row."""
        if self._ids is not None:
            whole = np.concatenate(self._ids) if self._ids else np.empty(0, dtype=np.int64)
            return pl.Series("id", whole).cast(pl.String)
        rows = pl.Series("id", np.arange(self._count, dtype=np.uint32))
        return rows.cat.to(self._words).cast(pl.String)

    def _encode_numbers(self, numbers: Int[np.ndarray, " ids"]) -> Int[np.ndarray, " ids"]:
        if len(numbers) == 0:
            return np.empty(0, dtype=np.int32)
        top = int(numbers.max()) + 1
        if top > len(self._numbers):
            grown = np.full(min(max(top, 2 * len(self._numbers)), _LARGEST), -1, dtype=np.int32)
            grown[: len(self._numbers)] = self._numbers
            self._numbers = grown
        rows: np.ndarray = self._numbers[numbers]
        unknown = rows < 0
        if unknown.any():
            new, first = np.unique(numbers[unknown], return_index=True)
            new = new[np.argsort(first)]
            self._numbers[new] = np.arange(self._count, self._count + len(new), dtype=np.int32)
            self._count += len(new)
            self._ids.append(new)  # type: ignore[union-attr]
            rows = self._numbers[numbers]
        return rows

    def _become_text(self) -> None:
        known = self.ids()
        self._ids, self._numbers = None, np.empty(0, dtype=np.int32)
        known.cast(self._words)  # registers them in row order


class TakenFirst:
    """Numbers for ids of which only some are in rows that count.

    As long as ids come in, their numbers are `IdNumbers` of all rows. `final` gives their last ones: those that count
    first, as if there had been no other rows, and then the others.
    """

    def __init__(self) -> None:
        self._all = IdNumbers()
        self._taken: IdNumbers | None = None

    def __len__(self) -> int:
        return len(self._all)

    @property
    def taken(self) -> int:
        """How many ids are in rows that count."""
        return len(self._all if self._taken is None else self._taken)

    def encode(self, ids: pl.Series, taken: Bool[np.ndarray, " ids"] | None = None) -> Int[np.ndarray, " ids"]:
        """The number of each id so far; `taken` says which rows count, and all of them do without."""
        numbers = self._all.encode(ids)
        if taken is not None:
            self._taken = self._taken or IdNumbers()
            self._taken.encode(pl.Series(numbers[taken]))
        return numbers

    def final(self) -> Int[np.ndarray, " known"]:
        """For each number so far the last one; for the number -1, which stands for no id, -1."""
        order = self._order()
        final = np.full(len(order) + 1, -1, dtype=np.int32)
        final[order] = np.arange(len(order), dtype=np.int32)
        return final

    def ids(self) -> pl.Series:
        """All ids as text, by last number."""
        ids = self._all.ids()
        return ids if self._taken is None else ids.gather(self._order())

    def _order(self) -> Int[np.ndarray, " ids"]:
        if self._taken is None:
            return np.arange(len(self._all))
        first = self._taken.ids().cast(pl.Int64).to_numpy()
        others = np.ones(len(self._all), dtype=bool)
        others[first] = False
        return np.concatenate([first, np.flatnonzero(others)])


def _whole(ids: pl.Series) -> Int[np.ndarray, " ids"] | None:
    """The ids as numbers, when each is the plain text of a small whole number."""
    if ids.dtype == pl.String:
        lengths = ids.str.len_bytes()
        longest = lengths.max()
        if longest is None or longest > 8:  # type: ignore[operator]
            return None if longest is not None else np.empty(0, dtype=np.int64)
        if (ids.str.starts_with("0") & (lengths > 1)).any() or ids.str.starts_with("+").any():
            return None
        ids = ids.cast(pl.Int64, strict=False)
        if ids.null_count():
            return None
    numbers: np.ndarray = ids.to_numpy()
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= _LARGEST):
        return None
    return numbers
