"""Item rate: how often each action followed when the item was shown, the same for everybody.

No single paper; the baseline that every report of a ranker carries. Who does not beat it has learnt nothing of users.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import PositiveFloat
from torch import Tensor

from segue.core.impressions import Impressions, Schema
from segue.core.ranking_recipe import SCHEMA, Ranker, requests_of
from segue.core.recipe import Paper, Recipe
from segue.core.run import Run
from segue.core.shapes import Float
from segue.core.tables import Catalog, Split
from segue.recipes._ranking_tables import ranking_claims


class ItemRate(Recipe):
    """Counts how often an item was shown and how often each action followed.

    The rate is drawn towards that of all items, as if the item had been shown `strength` more times with it: the mean
    of a Beta prior and what was seen.
    """

    strength: PositiveFloat = 20.0
    """Impressions that the rate of all items counts as."""

    @property
    def ranks(self) -> bool:
        """It judges what is shown."""
        return True

    def fit(self, split: Split, run: Run) -> Ranker:
        """Count.

        Raises:
            SettingsError: the split has no requests.
        """
        requests = requests_of(split, self.name)
        learnt, catalog = requests.learnt, len(split.catalog)
        rates = []
        for labels in learnt.labels.T:
            taken = np.bincount(learnt.items[labels == 1], minlength=catalog)
            shown = taken + np.bincount(learnt.items[labels == 0], minlength=catalog)
            rate = taken.sum() / shown.sum() if shown.any() else 0.5
            rates.append((taken + self.strength * rate) / (shown + self.strength))
        return _Rates(self, split.catalog, requests.schema, torch.from_numpy(np.stack(rates, axis=1)))

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> Ranker:
        """The ranker that `weights` were taken from."""
        return _Rates(self, catalog, Schema.from_tensor(weights[SCHEMA]), weights["rates"])


class _Rates(Ranker):
    def __init__(self, recipe: ItemRate, catalog: Catalog, schema: Schema, rates: Tensor) -> None:
        self.recipe, self.catalog, self.schema, self.rates = recipe, catalog, schema, rates

    def probabilities(self, impressions: Impressions) -> Float[np.ndarray, "shown tasks"]:
        return self.rates.numpy()[impressions.items].astype(np.float32)

    def weights(self) -> Mapping[str, Tensor]:
        return {"rates": self.rates, SCHEMA: self.schema.to_tensor()}


RECIPE = ItemRate(
    name="item_rate",
    paper=Paper(authors="Common practice", title="The smoothed action rate of each item", year=2000),
)
VARIANTS: dict[str, ItemRate] = {}
CLAIMS = ranking_claims("item_rate", loop="")
