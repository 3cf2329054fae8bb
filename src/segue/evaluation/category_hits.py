"""Whether a list has the right kind of item, where it does not have the right item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segue.core.ranking import NOTHING, Ranking
from segue.core.shapes import Float, Int
from segue.evaluation.categories import ItemCategories, blocks
from segue.evaluation.metric import Targets


def category_hits(
    ranking: Ranking, targets: Targets, categories: ItemCategories, ks: Sequence[int]
) -> dict[str, Float[np.ndarray, " rows"]]:
    """`CategoryHR@k` for k = 1 and each of `ks`: 1 if any of the first k items shares a category with a target.

    Where the target has a category, a hit is a category hit too. Categories that more than half of the items have,
    such as the root of a shop's tree, tell nothing and do not count; a target without any other is never met, and a
    catalog without any other has no such metric. It rises quickly with k and with the number of targets: at 1, with one
    target, it says most, and popularity beside it says how much comes of itself.

    Source: the comparison of the categories of what was written and of the truth in SOFT, its figure 2; the rule for
    several categories is ours.
    """
    telling = categories.telling()
    if not len(telling.values):
        return {}
    most = int(np.diff(telling.bounds).max(initial=1))
    first = np.full(len(ranking), ranking.items.shape[1])
    for block in blocks(len(ranking), ranking.items.shape[1] * most):
        rows = np.arange(len(ranking))[block]
        first[block] = _first(ranking.items[block], targets.take(rows), telling)
    return {f"CategoryHR@{k}": (first < k).astype(np.float64) for k in sorted({1, *ks})}


def _first(items: Int[np.ndarray, "rows k"], targets: Targets, categories: ItemCategories) -> Int[np.ndarray, " rows"]:
    """The first place of each row whose item shares a category with a target; k where there is none."""
    width = len(categories.names)
    places, values, _ = categories.gather(targets.items)
    wanted = np.unique(targets.rows[places] * width + values)
    row, place = np.nonzero(items != NOTHING)
    listed, values, _ = categories.gather(items[row, place])
    met = np.isin(row[listed] * width + values, wanted)
    first = np.full(len(items), items.shape[1])
    np.minimum.at(first, row[listed][met], place[listed][met])
    return first
