"""Popularity: the same items for everybody, those taken most often, overall or of late.

No single paper; the baseline that every report carries. With `window` it counts only the newest part of the log, which
on data with fashions is a different and much stronger baseline.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from segue.core.claim import Claim
from segue.core.errors import DataError
from segue.core.ranking import Ranking, Rules
from segue.core.recipe import Paper, Recipe, Recommender
from segue.core.run import Run
from segue.core.tables import Catalog, Histories, Split
from segue.decoding.top_scores import Scorer, rank
from segue.recipes._text_tables import text_claims


class Popularity(Recipe):
    """Counts how often each item occurs in the training histories."""

    window: float = Field(default=0.0, ge=0)
    """Days before the newest training event that count; 0 means all. Needs timestamps."""

    def fit(self, split: Split, run: Run) -> Recommender:
        """Count.

        Raises:
            DataError: a window is asked for and the log has no timestamps.
        """
        positions, _ = split.train.positions()
        if self.window:
            times = split.train.timestamps
            if times is None:
                raise DataError("popularity with a window needs timestamps, and this dataset has none; set window=0.")
            seen = times[positions]
            positions = positions[seen >= seen.max(initial=0) - self.window * 86_400]
        counts = np.bincount(split.train.items[positions], minlength=len(split.catalog))
        return _Popular(self, split.catalog, torch.from_numpy(counts.astype(np.float32)))

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> Recommender:
        """The recommender that `weights` were taken from."""
        return _Popular(self, catalog, weights["counts"])


class _Popular(Recommender):
    def __init__(self, recipe: Popularity, catalog: Catalog, counts: Tensor) -> None:
        self.recipe, self.catalog, self.counts = recipe, catalog, counts

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        return rank(
            histories, k, rules, items=len(self.counts), scorer=_Counts(self.counts), device=torch.device("cpu")
        )

    def weights(self) -> Mapping[str, Tensor]:
        return {"counts": self.counts}


class _Counts(Scorer):
    def __init__(self, counts: Tensor) -> None:
        self.counts = counts

    def choose(self, items: Tensor) -> None:
        self.counts = self.counts[items]

    def __call__(self, rows: slice, items: slice, out: Tensor) -> None:
        out.copy_(self.counts[items].expand_as(out))


RECIPE = Popularity(
    name="popularity",
    paper=Paper(authors="Common practice", title="Most popular items first", year=1992),
)
VARIANTS = {"recent": RECIPE.changed({"name": "popularity_recent", "window": 30.0})}
CLAIMS = (
    Claim(system="popularity", row="ml-1m", data="ml-1m/sequences.parquet", seeds=1),
    Claim(system="popularity", row="beauty", data="amazon-beauty", seeds=1),
    Claim(
        system="popularity", row="beauty-unfiltered", data="amazon-beauty", asked={"evaluation.seen": True},
        trained="beauty", seeds=1,
    ),
    *text_claims("popularity", told=False, suffix="-titles", seeds=1),
)  # fmt: skip
