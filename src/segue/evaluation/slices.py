"""Accuracy by slice: popular, rare and never trained items; short and long histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segue.core.ranking import Ranking
from segue.core.shapes import Int
from segue.evaluation.metric import Metric, Targets, measure


@dataclass(frozen=True)
class Slice:
    """Some users, each with the part of their targets that belongs to the slice."""

    name: str
    rows: Int[np.ndarray, " rows"]
    targets: Targets


def popularity_slices(targets: Targets, counts: Int[np.ndarray, " items"], head: float = 0.2) -> list[Slice]:
    """Targets that are popular, rare, or cold (never trained on).

    The head is the share `head` of the trained items that occur most often in training, equal counts by row number; the
    tail is the rest of the trained items. A user with targets in two slices is in both, each time with those targets
    only.
    """
    trained = int(np.count_nonzero(counts))
    kind = np.full(len(counts), 1)
    kind[np.argsort(-counts, kind="stable")[: int(np.ceil(head * trained))]] = 0
    kind[counts == 0] = 2
    slices = []
    for value, name in enumerate((f"head (top {head:.0%} of items)", "tail", "cold (never trained on)")):
        part = targets.where(kind[targets.items] == value)
        rows = np.flatnonzero(np.diff(part.bounds))
        slices.append(Slice(name, rows, part.take(rows)))
    return slices


def length_slices(targets: Targets, lengths: Int[np.ndarray, " rows"]) -> list[Slice]:
    """Users by the length of their history: the shortest quarter, the longest quarter, and those between.

    Users of one length stay together, so the quarters are only about quarters.
    """
    if not len(lengths):
        return []
    low, high = (int(edge) for edge in np.quantile(lengths, [0.25, 0.75], method="inverted_cdf"))
    groups = {
        f"short history (up to {low})": lengths <= low,
        "middling history": (lengths > low) & (lengths <= high),
        f"long history (over {high})": lengths > high,
    }
    return [Slice(name, rows := np.flatnonzero(keep), targets.take(rows)) for name, keep in groups.items()]


def by_slice(metrics: Sequence[Metric], ranking: Ranking, slices: Sequence[Slice]) -> dict[str, dict[str, float]]:
    """The mean of each metric in each slice, and the number of users there as `users`; a slice without users has only
    that."""
    table: dict[str, dict[str, float]] = {}
    for one in slices:
        table[one.name] = {"users": float(len(one.rows))}
        if len(one.rows):
            part = Ranking(ranking.items[one.rows], ranking.scores[one.rows])
            values = measure(metrics, part, one.targets)
            table[one.name] |= {name: float(value.mean()) for name, value in values.items()}
    return table
