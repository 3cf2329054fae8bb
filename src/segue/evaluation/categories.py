"""How varied a list is, and how true to the user's mix of interests, by the categories (or vectors) of its items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from segue.core.ranking import NOTHING, Ranking
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Histories

CHUNK = 4_000_000
"""Numbers held at once; memory stays near 32 MB whatever the number of rows."""


@dataclass(frozen=True)
class ItemCategories:
    """The categories of each item as a jagged array: those of item i are `values[bounds[i] : bounds[i + 1]]`."""

    values: Int[np.ndarray, " tokens"]
    bounds: Int[np.ndarray, " bounds"]
    names: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Catalog, column: str = "categories") -> ItemCategories | None:
        """The categories a catalogue lists, or None where it has no such column."""
        if column not in catalog.table.columns:
            return None
        one_or_many = pl.concat_list(column).cast(pl.List(pl.String)).alias("category")
        table = catalog.table.select(pl.int_range(pl.len()).alias("item"), one_or_many)
        pairs = table.explode("category").drop_nulls().unique(maintain_order=True)
        names = pairs["category"].unique(maintain_order=True)
        order = pl.DataFrame({"category": names, "row": np.arange(len(names))})
        rows = pairs.join(order, on="category", how="left", maintain_order="left")["row"].to_numpy()
        counts = np.bincount(pairs["item"].to_numpy(), minlength=len(catalog))
        return cls(rows, np.concatenate([[0], np.cumsum(counts)]), tuple(names.to_list()))

    def telling(self, share: float = 0.5) -> ItemCategories:
        """Without the categories that more than this share of the items have, such as the root of a shop's tree."""
        common = np.bincount(self.values, minlength=len(self.names)) > share * (len(self.bounds) - 1)
        keep = ~common[self.values]
        return ItemCategories(self.values[keep], np.concatenate([[0], np.cumsum(keep)])[self.bounds], self.names)

    def gather(
        self, items: Int[np.ndarray, " listed"]
    ) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, " tokens"], Float[np.ndarray, " tokens"]]:
        """For each category of each listed item: the place in the list, the category, and its share of the item."""
        counts = np.diff(self.bounds)[items]
        places = np.repeat(np.arange(len(items)), counts)
        starts = np.cumsum(counts) - counts
        tokens = np.repeat(self.bounds[:-1][items] - starts, counts) + np.arange(counts.sum())
        return places, self.values[tokens], 1.0 / counts[places]


def diversity(ranking: Ranking, categories: ItemCategories) -> Float[np.ndarray, " rows"]:
    """1 - mean Jaccard similarity of the categories over all pairs of a list, between 0 and 1.

    An item without categories resembles nothing. A list of fewer than two items has 0.
    """
    rows, k = ranking.items.shape
    most = int(np.diff(categories.bounds).max(initial=1))
    values = np.zeros(rows)
    for block in blocks(rows, k * k * most + k * k):
        values[block] = _block_diversity(ranking.items[block], categories)
    return values


def vector_diversity(ranking: Ranking, vectors: Float[np.ndarray, "items width"]) -> Float[np.ndarray, " rows"]:
    """1 - mean cosine over all pairs of a list, between 0 and 2. A list of fewer than two items has 0."""
    rows, k = ranking.items.shape
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    values = np.zeros(rows)
    for block in blocks(rows, k * vectors.shape[1]):
        items = ranking.items[block]
        present = items != NOTHING
        listed = unit[items] * present[:, :, None]  # rows k width
        # the squared length of the sum holds every pair twice and each item with itself
        pairs = (listed.sum(axis=1) ** 2).sum(axis=1) - (listed**2).sum(axis=(1, 2))
        values[block] = _one_minus(pairs, present.sum(axis=1))
    return values


def calibration(
    ranking: Ranking, histories: Histories, categories: ItemCategories, alpha: float = 0.01
) -> Float[np.ndarray, " rows"]:
    """How far the category mix of each list is from that of the history: Kullback-Leibler divergence in nats.

    0 is a perfect match; the list's mix is smoothed with a share `alpha` of the history's. A history whose items have
    no category has 0.

    Source: Steck 2018, "Calibrated recommendations", RecSys, equations 2 to 6, every event of the history weighing
    alike.
    """
    rows = len(ranking)
    width = len(categories.names)
    values = np.zeros(rows)
    for block in blocks(rows, 4 * width):
        items, bounds = histories.take(block).packed()
        wanted = _mix(np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)), items, categories, len(bounds) - 1)
        listed = ranking.items[block]
        row, place = np.nonzero(listed != NOTHING)
        given = (1 - alpha) * _mix(row, listed[row, place], categories, len(listed)) + alpha * wanted
        ratio = np.divide(wanted, given, out=np.ones_like(wanted), where=wanted > 0)
        values[block] = np.maximum((wanted * np.log(ratio)).sum(axis=1), 0.0)  # rounding may go below
    return values


def _mix(
    rows: Int[np.ndarray, " listed"], items: Int[np.ndarray, " listed"], categories: ItemCategories, count: int
) -> Float[np.ndarray, "rows categories"]:
    """The distribution over categories of each row; each item spreads one unit over its categories."""
    places, values, shares = categories.gather(items)
    width = len(categories.names)
    mix = np.bincount(rows[places] * width + values, weights=shares, minlength=count * width).reshape(count, width)
    total = mix.sum(axis=1, keepdims=True)
    return mix / np.where(total > 0, total, 1.0)


def _block_diversity(listed: Int[np.ndarray, "rows k"], categories: ItemCategories) -> Float[np.ndarray, " rows"]:
    rows, k = listed.shape
    row, place = np.nonzero(listed != NOTHING)
    places, values, _ = categories.gather(listed[row, place])
    # number the categories of each row from 0, so that the multi-hot matrix is as narrow as the list is short
    keys, local = np.unique(row[places] * len(categories.names) + values, return_inverse=True)
    owners = keys // len(categories.names)
    local = local - np.searchsorted(owners, np.arange(rows))[row[places]]
    hot = np.zeros((rows, k, int(local.max(initial=0)) + 1), dtype=np.float32)
    hot[row[places], place[places], local] = 1
    shared = hot @ hot.transpose(0, 2, 1)  # rows k k
    sizes = hot.sum(axis=2)
    either = sizes[:, :, None] + sizes[:, None, :] - shared
    alike = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
    pairs = alike.sum(axis=(1, 2), dtype=np.float64) - np.trace(alike, axis1=1, axis2=2)
    return _one_minus(pairs, (listed != NOTHING).sum(axis=1))


def _one_minus(pairs: Float[np.ndarray, " rows"], counts: Int[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """1 - the mean of similarities summed over ordered pairs; 0 where there is no pair."""
    ordered = counts * (counts - 1)
    return np.where(ordered > 0, 1 - pairs / np.maximum(ordered, 1), 0.0)


def blocks(rows: int, numbers: int) -> Iterator[slice]:
    """Slices of the rows, each of about `CHUNK` numbers where one row needs `numbers`."""
    step = max(CHUNK // max(numbers, 1), 1)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
