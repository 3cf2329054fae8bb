"""What accuracy does not say of recommendations: how many items get a turn, and how popular those are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.core.ranking import NOTHING, Ranking
from segue.core.shapes import Float, Int
from segue.core.tables import Histories
from segue.evaluation.categories import ItemCategories, calibration, diversity

DECILES = 10


def beyond_accuracy(
    ranking: Ranking,
    histories: Histories,
    counts: Int[np.ndarray, " items"],
    categories: ItemCategories | None = None,
) -> dict[str, float]:
    """All measures of this file by name, and those of categories where there are any.

    `counts` are occurrences in the training events, `histories` what the same users did before.
    """
    k = ranking.items.shape[1]
    numbers = {
        f"coverage@{k}": coverage(ranking, len(counts)),
        f"gini@{k}": gini(ranking, len(counts)),
        f"novelty@{k}": _mean(novelty(ranking, counts)),
        f"popularity lift@{k}": popularity_lift(ranking, histories, counts),
    }
    if categories is not None:
        numbers[f"diversity@{k}"] = _mean(diversity(ranking, categories))
        numbers[f"calibration@{k}"] = _mean(calibration(ranking, histories, categories))
    return numbers


def coverage(ranking: Ranking, items: int) -> float:
    """The share of the catalogue that is recommended to anybody."""
    return float(np.count_nonzero(_exposures(ranking, items)) / max(items, 1))


def gini(ranking: Ranking, items: int) -> float:
    """How unequally items are recommended: 0 if all equally often, near 1 if one gets everything.

    Over the whole catalogue, so that an item never recommended counts as the inequality it is.
    """
    exposures = np.sort(_exposures(ranking, items))
    total = exposures.sum()
    if total == 0:
        return 0.0
    places = np.arange(1, items + 1)
    return float((2 * places - items - 1) @ exposures / (items * total))


def novelty(ranking: Ranking, counts: Int[np.ndarray, " items"]) -> Float[np.ndarray, " rows"]:
    """Mean self-information of each list in bits: -log2 of the item's share of the training events.

    One is added to every count, so that an item never trained on is very novel and not infinitely so. An empty list
    has 0.
    """
    bits = np.log2(counts.sum() + len(counts)) - np.log2(counts + 1)
    return _list_means(ranking, bits)


def popularity_lift(ranking: Ranking, histories: Histories, counts: Int[np.ndarray, " items"]) -> float:
    """Mean training count of what is recommended, over that of what the same users had chosen; each user weighs alike.

    1 keeps the users' own taste for popular items, 2 doubles it. Users without history or without list are left out.
    """
    items, bounds = histories.packed()
    lengths = np.diff(bounds)
    filled = (ranking.items != NOTHING).any(axis=1)
    asked = filled & (lengths > 0)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    chosen = np.bincount(rows, weights=counts[items], minlength=len(lengths)) / np.maximum(lengths, 1)
    before = _mean(chosen[asked])
    return _mean(_list_means(ranking, counts.astype(np.float64))[asked]) / before if before > 0 else 0.0


@dataclass(frozen=True)
class PopularityDeciles:
    """Shares of recommendations and of past choices by popularity, each summing to 1.

    The first decile is the tenth of the catalogue that was trained on most, the last the tenth trained on least; equal
    counts go by row number.
    """

    recommended: Float[np.ndarray, " deciles"]
    chosen: Float[np.ndarray, " deciles"]

    @classmethod
    def of(cls, ranking: Ranking, histories: Histories, counts: Int[np.ndarray, " items"]) -> PopularityDeciles:
        """The two distributions for these users."""
        decile = np.empty(len(counts), dtype=np.int64)
        decile[np.argsort(-counts, kind="stable")] = np.arange(len(counts)) * DECILES // max(len(counts), 1)
        items, _ = histories.packed()
        return cls(_shares(decile[_listed(ranking)]), _shares(decile[items]))


def _listed(ranking: Ranking) -> Int[np.ndarray, " listed"]:
    return ranking.items[ranking.items != NOTHING]


def _exposures(ranking: Ranking, items: int) -> Int[np.ndarray, " items"]:
    return np.bincount(_listed(ranking), minlength=items)


def _list_means(ranking: Ranking, worth: Float[np.ndarray, " items"]) -> Float[np.ndarray, " rows"]:
    present = ranking.items != NOTHING
    return np.where(present, worth[ranking.items], 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)


def _shares(deciles: Int[np.ndarray, " any"]) -> Float[np.ndarray, " deciles"]:
    return np.bincount(deciles, minlength=DECILES) / max(len(deciles), 1)


def _mean(values: Float[np.ndarray, " rows"]) -> float:
    return float(values.mean()) if len(values) else 0.0
