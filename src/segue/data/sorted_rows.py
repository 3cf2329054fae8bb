"""Whether the rows of a log are sorted by something: by item, by what was done, by any column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from segue.core.shapes import Int
from segue.core.tables import Dataset
from segue.data.given_split import own_cut

LOOKED_AT = 1_000_000
"""The first so many events are looked at."""
FEWEST = 30
"""Pairs of neighbouring rows below which nothing is said."""


_CERTAIN = 0.8
"""Of rare items that were seen before, the earlier seen comes earlier somewhat more often than not, by chance alone."""


class Sorted(NamedTuple):
    """How strongly neighbouring rows of one user follow something: 0 as by chance, 1 always."""

    strength: float
    pairs: int
    words: str


_NOTHING = Sorted(0.0, 0, "")


def most_sorted(dataset: Dataset) -> Sorted | None:
    """What each user's rows are sorted by most; None where there are too few rows to tell.

    Of neighbouring rows of one user that differ in a value, chance lets half rise. Of few values that stand in blocks
    (all views, then all purchases) more neighbours are alike than chance brings together.
    """
    found = list(_each(dataset))
    return max(found, default=None)


def _each(dataset: Dataset) -> Iterator[Sorted]:
    log = dataset.log
    users = int(np.searchsorted(log.offsets, LOOKED_AT, side="right")) - 1
    users = min(max(users, 1), len(log.offsets) - 1)
    bounds = np.asarray(log.offsets[: users + 1])
    owners = np.repeat(np.arange(users), np.diff(bounds))
    inner = np.flatnonzero(owners[1:] == owners[:-1])
    items = np.asarray(log.items[: len(owners)])
    for how, ranks in _orders(dataset.catalog.ids):
        yield from _rising(ranks[items], inner, "the item id", how)
    yield from _one_order(items, owners, inner, len(dataset.catalog))
    for name, values in log.columns.items():
        if name == own_cut(dataset):  # how a log was cut says nothing of how it came about
            continue
        column = np.asarray(values[: len(owners)])
        rising = [one for key, how in _keys(dataset, name, column) for one in _rising(key, inner, _named(name), how)]
        yield from rising
        if max(rising, default=_NOTHING).strength < _CERTAIN:  # what rises stands in blocks too
            yield from _blocks(column, owners, inner, name)


def _keys(dataset: Dataset, name: str, column: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """What a column could be sorted by: its numbers, or its words as they first occur or by their letters."""
    words = dataset.origin.get("words", {}).get(name)
    if not words:
        yield np.nan_to_num(column.astype(np.float64)), ""
        return
    for how, ranks in (("", np.arange(len(words))), *_orders(pl.Series(words, dtype=pl.String))):
        yield np.where(column < 0, -1, ranks[column]), how


def _named(column: str) -> str:
    return f"the column '{column}'"


def _orders(ids: pl.Series) -> Iterator[tuple[str, Int[np.ndarray, " ids"]]]:
    """The ranks of ids as text, and as numbers where they are."""
    text = ids.cast(pl.String)
    yield " (as text)", text.rank("dense").cast(pl.Int64).to_numpy()
    numbers = text.cast(pl.Float64, strict=False)
    if not numbers.null_count():
        yield "", numbers.rank("dense").cast(pl.Int64).to_numpy()


def _rising(key: np.ndarray, inner: Int[np.ndarray, " pairs"], what: str, how: str) -> Iterator[Sorted]:
    rise, fall = int((key[inner + 1] > key[inner]).sum()), int((key[inner + 1] < key[inner]).sum())
    pairs, most = rise + fall, max(rise, fall)
    if pairs >= FEWEST:
        way = "rises" if rise >= fall else "falls"
        share = most / pairs
        words = f"{what}{how} {way} in {share:.0%} of {pairs:,} neighbouring rows of a user, where chance gives 50 %"
        yield Sorted(2 * share - 1, pairs, words)


def _one_order(
    items: Int[np.ndarray, " rows"], owners: Int[np.ndarray, " rows"], inner: Int[np.ndarray, " pairs"], size: int
) -> Iterator[Sorted]:
    """Items that follow each other as they first occur in the file, whatever their ids are: a file that goes item by
    item. A user's own first sights of items prove nothing and are left out."""
    first = np.full(size, len(owners))
    np.minimum.at(first, items, owners)
    known = first[items] < owners
    pairs = inner[known[inner] & known[inner + 1]]
    found = next(_rising(items, pairs, "the place where the file has an item first", ""), None)
    if found is not None and found.strength > _CERTAIN:
        yield found


def _blocks(
    column: np.ndarray, owners: Int[np.ndarray, " rows"], inner: Int[np.ndarray, " pairs"], name: str
) -> Iterator[Sorted]:
    values, codes = np.unique(column, return_inverse=True)
    if not 1 < len(values) <= 1_000:
        return
    kinds, counts = np.unique(owners * np.int64(len(values)) + codes, return_counts=True)
    lengths = np.bincount(owners)[kinds // len(values)]
    chance = float((counts * (counts - 1) / lengths).sum())  # neighbours that a random order makes alike
    most, alike = len(owners) - len(kinds), int((codes[inner] == codes[inner + 1]).sum())
    if most - chance >= FEWEST:
        words = (
            f"equal values of the column '{name}' stand together: {alike:,} neighbouring rows of a user are alike, "
            f"where chance gives {chance:,.0f} and blocks give {most:,}"
        )
        yield Sorted((alike - chance) / (most - chance), most, words)
