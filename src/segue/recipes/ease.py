"""EASE: a linear model from the items of a history to all items, with a closed-form solution.

Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW, arXiv:1905.03375. The order of a history does
not matter to it. Needs the inverse of an items x items matrix, so it is for catalogs of some ten thousand items.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import embedding_bag

from segue.core.claim import Claim
from segue.core.errors import DataError
from segue.core.ranking import Ranking, Rules
from segue.core.recipe import Paper, Recipe, Recommender
from segue.core.run import Run
from segue.core.tables import Catalog, Histories, Split
from segue.data.cooccurrence import common_users
from segue.decoding.top_scores import WholeRows, rank


class Ease(Recipe):
    """B = I - P / diag(P) with P = (X'X + penalty I)^-1, where X says which user had which item."""

    penalty: PositiveFloat = 250.0
    """Added to the diagonal: the ridge penalty lambda of the paper."""
    memory_gb: PositiveFloat = 8.0
    """Refuse to start when the two items x items matrices would need more."""
    block: PositiveInt = 256
    """Items whose co-occurrences are counted at once."""

    def fit(self, split: Split, run: Run) -> Recommender:
        """Count co-occurrences, invert, normalise.

        Raises:
            DataError: the catalog is too large for `memory_gb`.
        """
        items = len(split.catalog)
        needed = 2 * items * items * 4 / 1e9
        if needed > self.memory_gb:
            raise DataError(
                f"EASE on {items:,} items needs {needed:.0f} GB for its items x items matrices and may use "
                f"{self.memory_gb:g}; prepare the data with a higher core, raise memory_gb, or take item_knn."
            )
        gram = torch.empty(items, items)
        run.begin("counting co-occurrences", items)
        for some, common in common_users(split.train, items, self.block):
            gram[:, some] = common
            run.advance(some.stop - some.start)
        run.end()
        gram.diagonal().add_(self.penalty)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        mixing = inverse.div_(-inverse.diagonal().clone())
        mixing.fill_diagonal_(0.0)
        return LinearRecommender(self, split.catalog, mixing)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> Recommender:
        """The recommender that `weights` were taken from."""
        return LinearRecommender(self, catalog, weights["mixing"])


class LinearRecommender(Recommender):
    """The score of an item is the sum of its row of `mixing` over the different items of the history."""

    def __init__(self, recipe: Recipe, catalog: Catalog, mixing: Tensor) -> None:
        self.recipe, self.catalog, self.mixing = recipe, catalog, mixing

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        """The k best allowed items after each history, best first."""

        def score(rows: slice) -> Tensor:
            some = histories.take(rows)
            events, bounds = some.packed()
            users = np.repeat(np.arange(len(some)), np.diff(bounds))
            pairs = np.unique(users * len(self.mixing) + events)  # each item once, however often
            users, events = np.divmod(pairs, len(self.mixing))
            offsets = torch.from_numpy(np.searchsorted(users, np.arange(len(some))))
            return embedding_bag(torch.from_numpy(events), self.mixing, offsets, mode="sum")

        scorer, cpu = WholeRows(len(self.mixing), score), torch.device("cpu")
        return rank(histories, k, rules, items=len(self.mixing), scorer=scorer, device=cpu)

    def weights(self) -> Mapping[str, Tensor]:
        """The item-to-item weights."""
        return {"mixing": self.mixing}


RECIPE = Ease(
    name="ease",
    paper=Paper(
        authors="Steck", title="Embarrassingly Shallow Autoencoders for Sparse Data", year=2019, venue="WWW",
        arxiv="1905.03375",
    ),
)  # fmt: skip
VARIANTS: dict[str, Ease] = {}
CLAIMS = (
    Claim(system="ease", row="ml-1m", data="ml-1m/sequences.parquet", seeds=1),
    Claim(system="ease", row="beauty", data="amazon-beauty", seeds=1),
    Claim(
        system="ease", row="beauty-unfiltered", data="amazon-beauty", asked={"evaluation.seen": True},
        trained="beauty", seeds=1,
    ),
)  # fmt: skip
