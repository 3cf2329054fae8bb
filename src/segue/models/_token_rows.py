"""Rows of tokens of different lengths, one after another in one array, and how they are cut and put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from segue.core.shapes import Int


class TokenRows(NamedTuple):
    """Row i is `tokens[bounds[i] : bounds[i + 1]]`."""

    tokens: Int[np.ndarray, " tokens"]
    bounds: Int[np.ndarray, " bounds"]

    @property
    def lengths(self) -> Int[np.ndarray, " rows"]:
        """Tokens of each row."""
        return np.diff(self.bounds)

    def take(self, rows: Int[np.ndarray, " some"]) -> TokenRows:
        """The chosen rows."""
        places, bounds = spans(self.bounds[rows], self.lengths[rows])
        return TokenRows(self.tokens[places], bounds)

    def first(self, lengths: Int[np.ndarray, " rows"] | int) -> TokenRows:
        """At most so many tokens of each row, from its beginning."""
        places, bounds = spans(self.bounds[:-1], np.minimum(self.lengths, lengths))
        return TokenRows(self.tokens[places], bounds)

    def then(self, others: TokenRows) -> TokenRows:
        """These rows and then the others."""
        bounds = np.append(self.bounds, self.bounds[-1] + others.bounds[1:])
        return TokenRows(np.append(self.tokens, others.tokens), bounds)

    def ended(self, end: int) -> TokenRows:
        """Each row with this token behind it."""
        rows = len(self.bounds) - 1
        return beside(self, TokenRows(np.full(rows, end), np.arange(rows + 1)))

    def filled(self, levels: int, end: int) -> Int[np.ndarray, "rows levels"]:
        """The first tokens of each row as a rectangle, with `end` where a row has no more."""
        short = self.first(levels)
        rectangle = np.full((len(short.lengths), levels), end)
        rectangle[np.arange(levels) < short.lengths[:, None]] = short.tokens
        return rectangle


def beside(*parts: TokenRows) -> TokenRows:
    """Row by row, what the parts have one after another."""
    starts = sum((part.bounds for part in parts), start=np.zeros_like(parts[0].bounds))
    tokens = np.empty(starts[-1], dtype=np.int64)
    bounds, starts = starts, starts[:-1].copy()
    for part in parts:
        tokens[spans(starts, part.lengths)[0]] = part.tokens
        starts += part.lengths
    return TokenRows(tokens, bounds)


def spans(
    starts: Int[np.ndarray, " rows"], lengths: Int[np.ndarray, " rows"]
) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, " bounds"]]:
    """The places `starts[i], starts[i] + 1, ...` of each row, so many of them, row after row, and the rows' bounds."""
    bounds = np.append(0, np.cumsum(lengths, dtype=np.int64))
    return np.repeat(starts - bounds[:-1], lengths) + np.arange(bounds[-1]), bounds


def pieces(
    lengths: Int[np.ndarray, " rows"], *, tokens: int, rows: int | None = None
) -> Iterator[Int[np.ndarray, " some"]]:
    """The rows, shortest first and some at a time: at most so many tokens together and so many rows, at least one."""
    order = np.argsort(lengths, kind="stable")
    bounds = np.append(0, np.cumsum(lengths[order]))
    begin = 0
    while begin < len(order):
        fitting = int(np.searchsorted(bounds, bounds[begin] + tokens, side="right")) - 1
        end = max(begin + 1, fitting if rows is None else min(begin + rows, fitting))
        yield order[begin:end]
        begin = end


def rows_in(known: pl.Series, asked: pl.Series) -> Int[np.ndarray, " asked"]:
    """Which of the different texts `known` each text is, or -1."""
    table = pl.DataFrame({"text": known, "row": np.arange(len(known))})
    wanted = pl.DataFrame({"text": asked.cast(pl.String)})
    rows = wanted.join(table, on="text", how="left", maintain_order="left")["row"].fill_null(-1).to_numpy()
    return rows.astype(np.int64)
