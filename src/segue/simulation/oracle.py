"""The best score there is: rank by the true probability of being the next click, or of any action if shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from segue.core.errors import DataError
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.shapes import Float, Int
from segue.core.tables import Cases, Dataset
from segue.simulation.simulation import Simulation

BLOCK = 256


class Oracle:
    """Knows the user's true taste, habit and shop at the moment of the request, and not what the request showed.

    Items are shown and clicked independently and looked through in random order, so the chance of being the next click
    grows with P(shown) x P(click | shown) and nothing else: that order is the best possible one for every metric that
    has one target.
    """

    actions: ClassVar[tuple[str, ...]] = ("click", "like", "purchase")
    """Those whose probability it knows."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    def chances(
        self, impressions: Int[np.ndarray, " shown"], actions: Sequence[str]
    ) -> Float[np.ndarray, "shown actions"]:
        """P(action | shown) of rows of the simulation's impressions, in the state in which their request was made.

        Whoever does not click does nothing else, so the others are P(click) P(action | click).
        """
        shown = self.simulation.impressions[impressions]
        found = self.simulation.environment.chances(
            self.simulation.state, shown["request"].to_numpy(), shown["item"].to_numpy()
        )
        click = found.click
        known = {"click": click, "like": click * found.like, "purchase": click * found.purchase}
        return np.stack([known[action] for action in actions], axis=1)

    def scores(self, requests: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows items"]:
        """P(shown and clicked) of every item in these requests; ask for some hundred at a time."""
        return self.simulation.exposure(requests) * self.simulation.preference(requests)

    def rank(self, dataset: Dataset, cases: Cases, k: int, rules: Rules = Rules()) -> Ranking:
        """The k most likely next clicks of each case, seen just before its first held-out event.

        The dataset may be prepared (items dropped or in another order) if its log still has the column `request` and
        its items their ids.

        Raises:
            DataError: the log has no `request` column, or items that this world does not have.
        """
        if "request" not in dataset.log.columns:
            raise DataError(
                "the oracle needs the column 'request' of the simulated log, and this log has only "
                f"{sorted(dataset.log.columns)}; prepare the dataset with that column kept."
            )
        columns = self.simulation.catalog.rows(dataset.catalog.ids)
        events = cases.histories.ends
        starts = dataset.log.offsets[cases.histories.users]
        requests = np.asarray(dataset.log.columns["request"])
        parts = []
        for begin in range(0, len(cases), BLOCK):
            block = slice(begin, begin + BLOCK)
            scores = self.scores(requests[events[block]])[:, columns]
            past = events[block] - starts[block]
            rows = np.repeat(np.arange(len(past)), past)
            steps = np.arange(len(rows)) - np.repeat(np.cumsum(past) - past, past)
            seen = dataset.log.items[starts[block][rows] + steps]
            # clicked earlier, perhaps in this very request: it cannot be the next click
            scores[rows, seen] = 0.0 if rules.seen else -np.inf
            parts.append(_best(scores, k, rules))
        return Ranking.stack(parts) if parts else Ranking(np.zeros((0, k), dtype=np.int64), np.zeros((0, k)))


def _best(scores: Float[np.ndarray, "rows items"], k: int, rules: Rules) -> Ranking:
    """The k best allowed items of each row, equal scores by row number."""
    if rules.allow is not None:
        outside = np.ones(scores.shape[1], dtype=bool)
        outside[rules.allow] = False
        scores[:, outside] = -np.inf
    if rules.deny is not None:
        scores[:, rules.deny] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    items = np.where(np.isfinite(best), order, NOTHING)
    short = k - items.shape[1]
    if short > 0:
        items = np.pad(items, ((0, 0), (0, short)), constant_values=NOTHING)
        best = np.pad(best, ((0, 0), (0, short)), constant_values=-np.inf)
    return Ranking(items, best)
