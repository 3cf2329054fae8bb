"""What a group of items is about, in the words that are typical of their titles, brands and categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape

import numpy as np
import polars as pl

from segue.core.codes import CodeTree
from segue.core.shapes import Int
from segue.core.tables import Catalog

WORD = r"[\p{L}\p{N}][\p{L}\p{N}'’&+-]*[\p{L}\p{N}]"
PHRASES = ("brand", "categories")
"""Columns whose values are terms as a whole."""

LIFT = 1.5
"""How much more frequent a term must be in a group than in the catalog."""


@dataclass(frozen=True)
class ItemTerms:
    """Which terms each item has: the words of its title, its brand, its categories.

    `table` has the columns `item`, `term` (lower case) and `shown` (as it was written), each pair once; `totals` says
    in how many of the `items` each term occurs.
    """

    table: pl.DataFrame
    totals: pl.DataFrame
    items: int

    @classmethod
    def of(cls, catalog: Catalog) -> ItemTerms:
        """The terms of a catalog; one without titles, brands and categories has none."""
        frames = [pl.DataFrame(schema={"item": pl.Int64, "shown": pl.String})]
        rows = catalog.table.with_columns(item=pl.int_range(pl.len(), dtype=pl.Int64))
        if "title" in rows.columns:
            words = pl.col("title").cast(pl.String).str.to_lowercase().str.extract_all(WORD)
            frames.append(rows.select("item", shown=words).explode("shown"))
        for column in (name for name in PHRASES if name in rows.columns):
            phrase = pl.concat_list(column).cast(pl.List(pl.String))
            frames.append(rows.select("item", shown=phrase).explode("shown"))
        table = (
            pl.concat(frames)
            .with_columns(shown=pl.col("shown").str.strip_chars())
            .with_columns(term=pl.col("shown").str.to_lowercase())
            .filter(pl.col("term").str.len_chars() > 1, ~pl.col("term").str.contains(r"^\d+$"))
            .unique(["item", "term"], keep="last", maintain_order=True)
        )
        return cls(table, table.group_by("term").agg(total=pl.len()), len(catalog))

    def typical(self, groups: Int[np.ndarray, " items"], count: int, most: int = 3) -> list[list[str]]:
        """For each of the groups 0 to `count` - 1 its most typical terms; items of group -1 belong to none.

        A term is typical that many of the group have and few others: it is weighted by its share of the group times
        the logarithm of its lift, which is how much larger that share is than its share of the whole catalog. Terms
        with less lift than `LIFT` say nothing; a group of most of the catalog can only ask for less.
        """
        sizes = np.bincount(groups[groups >= 0], minlength=count)
        group = pl.DataFrame({"item": np.arange(len(groups)), "group": groups}).filter(pl.col("group") >= 0)
        members = pl.DataFrame({"group": np.arange(count), "size": sizes})
        share = pl.col("having") / pl.col("size")
        lift = share * self.items / pl.col("total")
        ranked = (
            self.table.join(group, on="item")
            .group_by("group", "term")
            .agg(having=pl.len(), shown=pl.col("shown").mode().sort().first())
            .join(self.totals, on="term")
            .join(members, on="group")
            .filter((pl.col("having") > 1) | (pl.col("size") == 1))
            .filter(lift > pl.min_horizontal(LIFT, (self.items / pl.col("size")).sqrt()))
            .with_columns(weight=share * lift.log())
            .sort("group", "weight", "having", "term", descending=[False, True, True, False])
            .group_by("group", maintain_order=True)
            .agg(pl.col("shown").head(4 * most))
        )
        typical: list[list[str]] = [[] for _ in range(count)]
        for number, shown in ranked.iter_rows():
            typical[number] = _different(shown, most)
        return typical


def under(
    tree: CodeTree, depth: int, nodes: Int[np.ndarray, " nodes"]
) -> tuple[Int[np.ndarray, " catalog"], Int[np.ndarray, " nodes"]]:
    """Which of these nodes of one depth each item lies under (its place among them, or -1), and how many items each
    has."""
    bounds = np.append(tree.firsts[depth].numpy(), len(tree.items))
    place = np.full(tree.nodes(depth), -1)
    place[nodes] = np.arange(len(nodes))
    groups = np.full(tree.catalog, -1)
    groups[tree.items.numpy()] = np.repeat(place, np.diff(bounds))
    return groups, np.diff(bounds)[nodes]


def examples(
    catalog: Catalog, tree: CodeTree, depth: int, nodes: Int[np.ndarray, " nodes"], most: int = 3
) -> list[list[str]]:
    """For each of these nodes titles of some of its items, from all over it."""
    bounds = np.append(tree.firsts[depth].numpy(), len(tree.items))
    shares = np.linspace(0.0, 1.0, most)
    places = bounds[nodes, None] + (shares * (bounds[nodes + 1] - bounds[nodes] - 1)[:, None]).round().astype(np.int64)
    titles = iter(catalog.titles(tree.items.numpy()[places]))
    return [list(dict.fromkeys(next(titles) for _ in range(most))) for _ in nodes]


def _different(terms: Sequence[str], most: int) -> list[str]:
    """The first few terms, none of which is a part of another."""
    chosen: list[str] = []
    for term in map(unescape, terms):  # titles of the web say &amp; and mean &
        stem = term.lower().removesuffix("s")
        if len(chosen) < most and not any(stem in other.lower() or other.lower() in stem for other in chosen):
            chosen.append(term)
    return chosen
