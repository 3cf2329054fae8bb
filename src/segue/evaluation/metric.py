"""One number per user: how well a ranking met the items that were held out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from pydantic import PositiveInt

from segue.core.part import Part
from segue.core.ranking import NOTHING, Ranking
from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Cases


@dataclass(frozen=True)
class Targets:
    """The held-out items of some users: those of row u are `items[bounds[u] : bounds[u + 1]]`."""

    items: Int[np.ndarray, " tokens"]
    bounds: Int[np.ndarray, " bounds"]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @classmethod
    def of(cls, cases: Cases) -> Targets:
        """What the users of these cases took next."""
        return cls(*cases.targets.packed())

    @cached_property
    def rows(self) -> Int[np.ndarray, " tokens"]:
        """The row of each item."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))

    def where(self, keep: Bool[np.ndarray, " tokens"]) -> Targets:
        """The same rows with only some of their items."""
        counts = np.bincount(self.rows[keep], minlength=len(self))
        return Targets(self.items[keep], np.concatenate([[0], np.cumsum(counts)]))

    def take(self, rows: Int[np.ndarray, " some"]) -> Targets:
        """The chosen rows."""
        counts = np.diff(self.bounds)[rows]
        bounds = np.concatenate([[0], np.cumsum(counts)])
        positions = np.repeat(self.bounds[:-1][rows] - bounds[:-1], counts) + np.arange(bounds[-1])
        return Targets(self.items[positions], bounds)


@dataclass(frozen=True)
class Hits:
    """Which places of each row hold a target, and how many different targets the row has.

    A target that occurs twice counts once, and an item that a ranking names twice counts at its first place only, so
    that no metric passes 1.
    """

    places: Bool[np.ndarray, "rows k"]
    targets: Int[np.ndarray, " rows"]

    @classmethod
    def find(cls, ranking: Ranking, targets: Targets) -> Hits:
        """The hits of a ranking.

        Raises:
            ValueError: the ranking and the targets have different numbers of rows.
        """
        if len(ranking) != len(targets):
            raise ValueError(
                f"the ranking has {len(ranking)} rows and the targets have {len(targets)}; rank the same cases."
            )
        items = ranking.items.astype(np.int64, copy=False)
        width = 1 + max(items.max(initial=0), targets.items.max(initial=0))
        wanted = np.unique(targets.rows * width + targets.items)
        if not len(wanted):
            return cls(np.zeros(items.shape, dtype=bool), np.zeros(len(targets), dtype=np.int64))
        keys = np.arange(len(items))[:, None] * width + items
        nearest = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        places = (wanted[nearest] == keys) & (items != NOTHING)
        where = np.flatnonzero(places)
        _, first = np.unique(keys.ravel()[where], return_index=True)
        once = np.zeros(items.size, dtype=bool)
        once[where[first]] = True
        return cls(once.reshape(items.shape), np.bincount(wanted // width, minlength=len(targets)))


class Metric(Part):
    """A ranking and the held-out items in, one number per user out, between 0 and 1 and never NaN.

    A user without held-out items gets 0. The mean over users is the number that papers print.
    """

    abstract: ClassVar[bool] = True

    k: PositiveInt = 10
    """How many places of the ranking count."""

    short: ClassVar[str]
    """The name in tables, without the cut-off."""

    @property
    def name(self) -> str:
        """As in tables: `NDCG@10`."""
        return f"{self.short}@{self.k}"

    def __call__(self, ranking: Ranking, targets: Targets) -> Float[np.ndarray, " rows"]:
        """One number per user.

        Raises:
            ValueError: the ranking has fewer than k places, or other rows than the targets.
        """
        return self.of_hits(Hits.find(ranking, targets))

    def of_hits(self, hits: Hits) -> Float[np.ndarray, " rows"]:
        """One number per user from hits found already (finding them is most of the work)."""
        if hits.places.shape[1] < self.k:
            raise ValueError(
                f"{self.name} needs {self.k} places and the ranking has {hits.places.shape[1]}; "
                f"recommend with k={self.k} or more."
            )
        return self._score(hits.places[:, : self.k], np.maximum(hits.targets, 1))

    @abstractmethod
    def _score(
        self, places: Bool[np.ndarray, "rows k"], targets: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        """One number per user; `targets` is at least 1."""


def measure(metrics: Sequence[Metric], ranking: Ranking, targets: Targets) -> dict[str, Float[np.ndarray, " rows"]]:
    """Several metrics of one ranking by name, the hits found once."""
    hits = Hits.find(ranking, targets)
    return {metric.name: metric.of_hits(hits) for metric in metrics}
