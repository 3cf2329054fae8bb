"""Item-kNN: what users of the same items also had.

Sarwar et al. 2001, "Item-based Collaborative Filtering Recommendation Algorithms", WWW, with the cosine of item
columns, shrunk for items with few users in common, and the k nearest neighbours of each item. An event may count less
the older it is, so that a session recommends from its newest items (Ludewig & Jannach 2018).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from segue.core.claim import Claim
from segue.core.ranking import Ranking, Rules
from segue.core.recipe import Paper, Recipe, Recommender
from segue.core.run import Run
from segue.core.tables import Catalog, Histories, Split
from segue.data.cooccurrence import common_users
from segue.decoding.top_scores import WholeRows, rank
from segue.recipes._text_tables import text_claims

EVENTS = 16_384
"""Events whose neighbours are added at once."""


class ItemKnn(Recipe):
    """Keeps the `neighbours` most similar items of each item; a score is the sum over the history."""

    neighbours: PositiveInt = 100
    """Similar items kept for each item."""
    shrinkage: NonNegativeFloat = 10.0
    """Added to the product of norms: similarity from few common users counts less."""
    fading: float = Field(default=1.0, gt=0, le=1)
    """What an event counts for each newer event after it; 1 ignores the order."""
    block: PositiveInt = 256
    """Items whose similarities are computed at once."""

    @property
    def reads_order(self) -> bool:
        """Only where older events count less."""
        return self.fading < 1

    def fit(self, split: Split, run: Run) -> Recommender:
        """Count common users block by block of items; nothing of size items x items exists at once."""
        count = len(split.catalog)
        kept = min(self.neighbours, count)
        nearest = torch.zeros(count, kept, dtype=torch.int32)
        weights = torch.zeros(count, kept)
        norms = torch.from_numpy(_users_of(split.train, count)).float().sqrt()
        run.begin("comparing items", count)
        for some, common in common_users(split.train, count, self.block):
            similar = common.T / (norms[some, None] * norms + self.shrinkage).clamp_min(1e-12)
            own = torch.arange(some.start, some.stop)
            similar[own - some.start, own] = 0.0
            weights[some], columns = similar.topk(kept, dim=1)
            nearest[some] = columns.int()
            run.advance(len(own))
        run.end()
        return _Neighbours(self, split.catalog, nearest, weights)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> Recommender:
        """The recommender that `weights` were taken from."""
        return _Neighbours(self, catalog, weights["nearest"], weights["similarity"])


def _users_of(histories: Histories, items: int) -> np.ndarray:
    """How many different users each item has."""
    events, bounds = histories.packed()
    users = np.repeat(np.arange(len(histories)), np.diff(bounds))
    return np.bincount(np.unique(users * items + events) % items, minlength=items)


class _Neighbours(Recommender):
    def __init__(self, recipe: ItemKnn, catalog: Catalog, nearest: Tensor, similarity: Tensor) -> None:
        self.recipe, self.catalog, self.nearest, self.similarity = recipe, catalog, nearest, similarity
        self.fading = recipe.fading

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        def score(rows: slice) -> Tensor:
            some = histories.take(rows)
            items, bounds = (torch.from_numpy(part.astype(np.int64)) for part in some.packed())
            users = torch.repeat_interleave(torch.arange(len(some)), bounds.diff())
            age = bounds[1:][users] - 1 - torch.arange(len(items))
            scores = torch.zeros(len(some), len(self.catalog))
            for begin in range(0, len(items), EVENTS):
                part = slice(begin, begin + EVENTS)
                cells = users[part, None] * scores.shape[1] + self.nearest[items[part]]
                values = self.similarity[items[part]] * (self.fading ** age[part, None].float())
                scores.view(-1).index_add_(0, cells.flatten(), values.flatten())
            return scores

        scorer, cpu = WholeRows(len(self.catalog), score), torch.device("cpu")
        return rank(histories, k, rules, items=len(self.catalog), scorer=scorer, device=cpu)

    def weights(self) -> Mapping[str, Tensor]:
        return {"nearest": self.nearest, "similarity": self.similarity}


RECIPE = ItemKnn(
    name="item_knn",
    paper=Paper(
        authors="Sarwar, Karypis, Konstan, Riedl",
        title="Item-based Collaborative Filtering Recommendation Algorithms", year=2001, venue="WWW",
    ),
)  # fmt: skip
VARIANTS = {"fading": RECIPE.changed({"name": "item_knn_fading", "fading": 0.8})}
CLAIMS = (
    Claim(system="item_knn", row="ml-1m", data="ml-1m/sequences.parquet", seeds=1),
    Claim(system="item_knn", row="beauty", data="amazon-beauty", seeds=1),
    Claim(
        system="item_knn", row="beauty-unfiltered", data="amazon-beauty", asked={"evaluation.seen": True},
        trained="beauty", seeds=1,
    ),
    *text_claims("item_knn", told=False, suffix="-titles", seeds=1),
)  # fmt: skip
