"""Exposure bias: what a system makes of items that its users would like and were never shown.

A log holds clicks, and only what was shown could be clicked: who learns the log learns the shop's habits along with the
users' tastes. In a simulated world both are known, so answers can be held against the truth. Tuning by generative flow
networks is said to suffer less from this than supervised tuning (GFlowGR, arXiv:2506.16114). The paper counts clicks of
a log; here the truth is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, PositiveInt

from segue.core.batches import SequenceBatch
from segue.core.errors import DataError
from segue.core.part import Part
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.recipe import FittedModel, Recommender
from segue.core.run import Run
from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Cases, Dataset, Histories, Split
from segue.core.whole import whole_file, write_text
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.evaluation.accuracy import HitRate, Ndcg
from segue.evaluation.beyond_accuracy import coverage, gini
from segue.evaluation.categories import ItemCategories, diversity
from segue.evaluation.evaluate import Answers
from segue.evaluation.metric import Targets, measure
from segue.simulation.oracle import Oracle
from segue.simulation.simulation import Simulation
from segue.studies._calibration import RANGES, calibration, reliability

BLOCK = 256
"""Users whose truth about all items is held at once."""

Chances = Callable[[Histories], Float[np.ndarray, "rows items"]]
"""log P of every item after each history, up to a constant of the history."""


@dataclass(frozen=True)
class Subject:
    """Who is examined: how it ranks, and how likely it holds each item to be, where it says so."""

    answer: Answers
    chances: Chances | None = None
    timed: bool = False
    """Whether it is told when the test event happens."""

    @classmethod
    def of(cls, recommender: Recommender) -> Subject:
        """A fitted system; one that writes codes has probabilities, asked exactly."""
        return cls(recommender.recommend, _chances(recommender), recommender.recipe.knows_target_time)

    @classmethod
    def oracle(cls, simulation: Simulation, dataset: Dataset) -> Subject:
        """Knows the log's law to perfection: P(shown) x P(click | shown). As biased as the log itself."""
        columns = simulation.catalog.rows(dataset.catalog.ids)
        knower = Oracle(simulation)

        def chances(histories: Histories) -> Float[np.ndarray, "rows items"]:
            scores = knower.scores(requests_of(dataset, histories))[:, columns]
            return np.log(
                np.maximum(scores, np.finfo(np.float64).tiny)
            )  # what was clicked has no chance, and is not asked

        return cls(lambda some, k, rules: knower.rank(dataset, Cases(some, some.ends), k, rules), chances)

    @classmethod
    def ideal(cls, simulation: Simulation, dataset: Dataset) -> Subject:
        """Knows what each user would click if it were shown, and cares for nothing else."""
        columns = simulation.catalog.rows(dataset.catalog.ids)

        def chances(histories: Histories) -> Float[np.ndarray, "rows items"]:
            return np.log(simulation.preference(requests_of(dataset, histories))[:, columns])

        def answer(histories: Histories, k: int, rules: Rules) -> Ranking:
            parts = []
            for begin in range(0, len(histories), BLOCK):
                some = histories.take(slice(begin, begin + BLOCK))
                scores = chances(some)
                if not rules.seen:
                    scores[_taken(some, len(columns))] = -np.inf
                items = np.argsort(-scores, axis=1, kind="stable")[:, :k]
                parts.append(Ranking(items, np.take_along_axis(scores, items, axis=1)))
            return Ranking.stack(parts)

        return cls(answer, chances)


class ExposureBias(Part):
    """Asks every test user of a simulated world and compares the answers with the truth at that moment.

    *Liked* is the most preferred share of the catalogue, by P(click | shown) at the request of the (first) held-out
    event. *Never shown* is what no earlier request of this user showed; that request itself and all later ones are the
    future and count for nothing. A *hidden favourite* is liked, was never shown and is not in the history.

    Per user:

    * `hidden recall@k`: the share of the hidden favourites among the first k, of at most k. NaN for users without any.
    * `value@k`: the P(click | shown) of the list, summed, over that of the best list there is.
    * `HR@k`, `NDCG@k`: of the next click, as everywhere. It follows exposure too, so the ideal does badly.
    * `diversity@k`: how little two items of the list share in categories.
    * `popularity lift@k`: mean training count of the list, over that of what the users had chosen, averaged over users
      (so that the mean is `popularity_lift` of `evaluation`).

    Of systems that say how likely each item is, renormalised over the items not in the history, with the true share
    v / sum v of each item's preference v: `rank correlation`, `slope` and `calibration error` of `_calibration.py`.

    Over all users: `coverage@k` and `gini@k`.
    """

    k: PositiveInt = 10
    """Places of the list."""
    liked: float = Field(default=0.05, gt=0, le=1)
    """The share of the catalogue that counts as liked by a user, at least one item."""
    bins: PositiveInt = 10
    """Bins of the calibration error, each of about the same promised probability."""

    def __call__(self, subject: Subject, simulation: Simulation, split: Split, run: Run, *, name: str = "") -> Findings:
        """Examine one system; `name` is for who watches.

        Raises:
            DataError: the dataset is not one of this world's.
        """
        cases, dataset = split.test, split.dataset
        columns = simulation.catalog.rows(dataset.catalog.ids)
        asked = cases.timed() if subject.timed else cases
        requests = requests_of(dataset, cases.histories)
        run.begin(f"examining {name}".strip(), 2 * len(cases))
        ranking = subject.answer(asked.histories, self.k, Rules())
        run.advance(len(cases), "truth")
        blocks: list[dict[str, np.ndarray]] = []
        curve = np.zeros((3, RANGES))
        for begin in range(0, len(cases), BLOCK):
            rows = slice(begin, min(begin + BLOCK, len(cases)))
            truth = self.truth(simulation, requests[rows], columns, cases.histories.take(rows))
            values = self._of_lists(ranking.items[rows], truth)
            if subject.chances is not None:
                log_chances = subject.chances(asked.histories.take(rows)).astype(np.float64, copy=False)
                values |= calibration(log_chances, truth.preference, ~truth.taken, self.bins)
                curve += reliability(log_chances, truth.preference, ~truth.taken)
            blocks.append(values)
            run.advance(rows.stop - rows.start)
        run.end()
        counts = split.item_counts()
        per_user = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}
        next_click = measure([HitRate(k=self.k), Ndcg(k=self.k)], ranking, Targets.of(cases))
        per_user |= {f"popularity lift@{self.k}": _lift(ranking, cases.histories, counts), **next_click}
        categories = ItemCategories.of(dataset.catalog)
        if categories is not None:
            per_user[f"diversity@{self.k}"] = diversity(ranking, categories)
        return Findings(
            users=dataset.log.users["user_id"].gather(cases.histories.users).to_numpy(),
            per_user=per_user,
            overall={
                f"coverage@{self.k}": coverage(ranking, len(dataset.catalog)),
                f"gini@{self.k}": gini(ranking, len(dataset.catalog)),
            },
            curve=curve if subject.chances is not None else None,
        )

    def truth(
        self,
        simulation: Simulation,
        requests: Int[np.ndarray, " rows"],
        columns: Int[np.ndarray, " items"],
        histories: Histories,
    ) -> Truth:
        """What is true of these users when they ask; `columns` are the world's rows of the dataset's items."""
        preference = simulation.preference(requests)[:, columns]
        count = max(1, round(self.liked * len(columns)))
        best = np.argsort(-preference, axis=1, kind="stable")[:, :count]
        liked = np.zeros(preference.shape, dtype=bool)
        np.put_along_axis(liked, best, True, axis=1)
        taken = _taken(histories, len(columns))
        shown = shown_before(simulation, requests)[:, columns]
        return Truth(preference, liked & ~shown & ~taken, taken)

    def _of_lists(self, listed: Int[np.ndarray, "rows k"], truth: Truth) -> dict[str, np.ndarray]:
        present = listed != NOTHING
        places = np.where(present, listed, 0)
        found = (np.take_along_axis(truth.hidden, places, axis=1) & present).sum(axis=1)
        there = truth.hidden.sum(axis=1)
        recall = np.divide(found, np.minimum(there, self.k), out=np.full(len(listed), np.nan), where=there > 0)
        worth = np.where(present, np.take_along_axis(truth.preference, places, axis=1), 0.0).sum(axis=1)
        open_to_all = np.where(truth.taken, 0.0, truth.preference)
        k = min(self.k, open_to_all.shape[1])
        most = np.partition(open_to_all, -k, axis=1)[:, -k:].sum(axis=1)
        return {f"hidden recall@{self.k}": recall, f"value@{self.k}": worth / most}


@dataclass(frozen=True)
class Findings:
    """Measures of one system on some users, in their order; `users` are the users' own ids."""

    users: np.ndarray
    per_user: Mapping[str, Float[np.ndarray, " users"]]
    """By measure; NaN where a user has no such number."""
    overall: Mapping[str, float]
    """Measures of all users together."""
    curve: Float[np.ndarray, "3 ranges"] | None = None
    """`reliability`, summed over users; None of systems without probabilities."""

    @property
    def means(self) -> dict[str, float]:
        """Every measure by name, those of users as means over the users who have one; what nobody has is left out."""
        known = {name: values[np.isfinite(values)] for name, values in self.per_user.items()}
        return {name: float(values.mean()) for name, values in known.items() if len(values)} | dict(self.overall)

    @property
    def points(self) -> list[tuple[float, float]]:
        """The reliability curve: mean true share and mean P of each range that holds anything, 1 being an even
        share."""
        if self.curve is None:
            return []
        counts, shares, chances = self.curve
        filled = counts > 0
        means = shares[filled] / counts[filled], chances[filled] / counts[filled]
        return [(float(x), float(y)) for x, y in zip(*means, strict=True)]

    def save(self, folder: Path, name: str) -> None:
        """Write NAME.json, to read, and NAME.npz, to calculate with."""
        arrays = dict(self.per_user) | ({} if self.curve is None else {"reliability": self.curve})
        with whole_file(folder / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, users=self.users.astype(np.str_), **arrays)
        text = {"users": len(self.users), "means": self.means, "reliability": self.points}
        write_text(folder / f"{name}.json", json.dumps(text, indent=1) + "\n")


@dataclass(frozen=True)
class Truth:
    """What only the world knows of some users at the moment they ask; items as in the dataset."""

    preference: Float[np.ndarray, "rows items"]
    """P(click | shown)."""
    hidden: Bool[np.ndarray, "rows items"]
    """The hidden favourites."""
    taken: Bool[np.ndarray, "rows items"]
    """What is in the history."""


def requests_of(dataset: Dataset, histories: Histories) -> Int[np.ndarray, " rows"]:
    """The request in which the event after each history happened.

    Raises:
        DataError: the log does not say.
    """
    if "request" not in dataset.log.columns:
        raise DataError(
            f"exposure bias is measured on a simulated world: it needs the column 'request' of its log, and "
            f"{dataset.name} has only {sorted(dataset.log.columns)}. Take World().simulate().dataset(), or keep that "
            "column when the log is prepared."
        )
    return np.asarray(dataset.log.columns["request"])[histories.ends]


def shown_before(simulation: Simulation, requests: Int[np.ndarray, " rows"]) -> Bool[np.ndarray, "rows items"]:
    """What the user of each request had been shown in earlier requests; items as in the world.

    Unlike `Simulation.ever_shown`, which looks at all requests: the request asked about and what follows it are not
    known to anybody at that moment.
    """
    first = np.searchsorted(simulation.state.users, simulation.state.users[requests])
    starts, stops = simulation.impressions["request"].to_numpy().searchsorted(np.stack([first, requests]))
    shown = np.zeros((len(requests), len(simulation.catalog)), dtype=bool)
    rows = np.repeat(np.arange(len(requests)), stops - starts)
    steps = np.arange(len(rows)) - np.repeat(np.cumsum(stops - starts) - (stops - starts), stops - starts)
    shown[rows, simulation.impressions["item"].to_numpy()[starts[rows] + steps]] = True
    return shown


def _taken(histories: Histories, items: int) -> Bool[np.ndarray, "rows items"]:
    past, bounds = histories.packed()
    taken = np.zeros((len(histories), items), dtype=bool)
    taken[np.repeat(np.arange(len(histories)), np.diff(bounds)), past] = True
    return taken


def _lift(ranking: Ranking, histories: Histories, counts: Int[np.ndarray, " items"]) -> Float[np.ndarray, " rows"]:
    """Mean training count of each list, over the mean of the same of the histories; NaN without list or history."""
    past, bounds = histories.packed()
    lengths = np.diff(bounds)
    present = ranking.items != NOTHING
    asked = present.any(axis=1) & (lengths > 0)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    chosen = np.bincount(rows, weights=counts[past], minlength=len(lengths)) / np.maximum(lengths, 1)
    listed = np.where(present, counts[ranking.items], 0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return np.where(asked, listed / chosen[asked].mean(), np.nan)


def _chances(recommender: Recommender) -> Chances | None:
    """log P of all items by a walk down the trie, for systems that write codes."""
    if not isinstance(recommender, FittedModel) or recommender.tokenizer is None:
        return None
    model, items = recommender.model, len(recommender.catalog)

    def chances(histories: Histories) -> Float[np.ndarray, "rows items"]:
        scores = np.zeros((len(histories), items))  # without a history all items are alike
        filled = np.flatnonzero(histories.lengths > 0)
        with torch.inference_mode():
            batch = SequenceBatch.of(histories.take(filled).latest(model.history)).to(model.tree.items.device)
            found = ExactLikelihood().likelihood(model, batch)
        scores[filled[batch.order.cpu().numpy()]] = found.cpu().numpy()
        return scores

    return chances
