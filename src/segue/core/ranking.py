"""What a recommender answers: for each asked history the chosen items, best first; and what may be chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segue.core.shapes import Bool, Float, Int

NOTHING = -1
"""Stands in a `Ranking` where fewer than k items were allowed."""


@dataclass(frozen=True)
class Rules:
    """What may be recommended: `seen=False` forbids the items of the history; `allow` and `deny` are item rows.

    Equal scores go to the lower row number, so that a ranking is always one and the same.
    """

    seen: bool = False
    allow: Int[np.ndarray, " allowed"] | None = None
    deny: Int[np.ndarray, " denied"] | None = None

    def allows(self, items: Int[np.ndarray, " asked"], catalog: int) -> Bool[np.ndarray, " asked"]:
        """Which of the items may be recommended, out of a catalog of so many; histories are not looked at here."""
        allowed = np.zeros(catalog, dtype=bool)
        allowed[slice(None) if self.allow is None else self.allow] = True
        if self.deny is not None:
            allowed[self.deny] = False
        chosen: np.ndarray = allowed[items]
        return chosen


@dataclass(frozen=True)
class Ranking:
    """For each row the chosen items, best first, with scores; `NOTHING` fills a row where too few were allowed."""

    items: Int[np.ndarray, "rows k"]
    scores: Float[np.ndarray, "rows k"]

    def __len__(self) -> int:
        return len(self.items)

    def top(self, k: int) -> Ranking:
        """The first k of each row."""
        return replace(self, items=self.items[:, :k], scores=self.scores[:, :k])

    @staticmethod
    def stack(parts: list[Ranking]) -> Ranking:
        """Rankings of consecutive rows as one."""
        return Ranking(np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts]))


@dataclass(frozen=True)
class Samples:
    """Some drawn items of each history, in the order of the draws; `NOTHING` where nothing may be drawn."""

    items: Int[np.ndarray, "rows draws"]
    log_chances: Float[np.ndarray, "rows draws"]
    """log P of each draw under the distribution that it was drawn from, in nats."""
