"""How well probabilities agree with true values, user by user, over the items that each user may still be given.

All of it works on the flat list of (user, item) pairs that may be asked, so that users may have different items.
"""

from __future__ import annotations

import numpy as np

from segue.core.shapes import Bool, Float, Int

PER_DECADE, DECADES = 4, 3
RANGES = 2 * PER_DECADE * DECADES
"""Ranges of true value in a reliability picture: four a decade, from a thousandth of an even share to a thousand."""


def calibration(
    log_chances: Float[np.ndarray, "rows items"],
    values: Float[np.ndarray, "rows items"],
    asked: Bool[np.ndarray, "rows items"],
    bins: int,
) -> dict[str, Float[np.ndarray, " rows"]]:
    """Three numbers a user, from P over the asked items (which sums to 1) and their share of the value (which too).

    * `rank correlation`: Spearman's, of P and value; equal ones share their mean rank. 0 where all are equal.
    * `slope`: of log P on log value, by least squares. 1 says that P is proportional to a power 1 of the value, as
      GFlowGR promises of its reward; above 1 the system bets on few items, below 1 it is too even. 0 without any
      difference in value.
    * `calibration error`: the items in falling order of P are cut into `bins` of about 1 / bins of P each (equal ones
      stay together), and half of the sum over bins of |P - value share| is taken: the share of the probability that
      stands in a wrong bin. 0 if each bin keeps what it promises, at most 1.
    """
    rows, items = np.nonzero(asked)
    log_p, log_v = log_chances[rows, items], np.log(values[rows, items])
    chance, share = _shares(log_p, rows, len(asked)), _shares(log_v, rows, len(asked))
    by_chance, by_value = _order(rows, chance), _order(rows, share)
    covariance, across, up = _moments(_mean_places(*by_value), _mean_places(*by_chance), rows, len(asked))
    log_covariance, log_across, _ = _moments(log_v, log_p, rows, len(asked))
    return {
        "rank correlation": _over(covariance, np.sqrt(across * up)),
        "slope": _over(log_covariance, log_across),
        "calibration error": _error(chance, share, rows, *by_chance, bins=bins, count=len(asked)),
    }


def reliability(
    log_chances: Float[np.ndarray, "rows items"],
    values: Float[np.ndarray, "rows items"],
    asked: Bool[np.ndarray, "rows items"],
) -> Float[np.ndarray, "3 ranges"]:
    """For each range of true value share: the pairs in it, their shares summed, their P summed.

    Both are times the number of asked items of the user, so that 1 is an even share.
    """
    rows, items = np.nonzero(asked)
    even = asked.sum(axis=1)[rows]
    share = even * _shares(np.log(values[rows, items]), rows, len(asked))
    chance = even * _shares(log_chances[rows, items], rows, len(asked))
    place = np.floor(PER_DECADE * (np.log10(share) + DECADES)).astype(np.int64).clip(0, RANGES - 1)
    return np.stack([np.bincount(place, weights=one, minlength=RANGES) for one in (np.ones(len(place)), share, chance)])


def _shares(
    logs: Float[np.ndarray, " pairs"], rows: Int[np.ndarray, " pairs"], count: int
) -> Float[np.ndarray, " pairs"]:
    """exp of the logs, each row divided by its sum."""
    top = np.full(count, -np.inf)
    np.maximum.at(top, rows, logs)
    parts = np.exp(logs - top[rows])
    return parts / np.bincount(rows, weights=parts, minlength=count)[rows]


def _order(
    rows: Int[np.ndarray, " pairs"], values: Float[np.ndarray, " pairs"]
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """The pairs row after row with the largest value first, and for each place the group of equal ones it is in."""
    order = np.lexsort((-values, rows))
    new = (np.diff(values[order], prepend=np.nan) != 0) | (np.diff(rows[order], prepend=-1) != 0)
    return order, np.cumsum(new) - 1


def _mean_places(order: Int[np.ndarray, " pairs"], group: Int[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """The place of each pair in the order; equal ones have their mean."""
    means = np.bincount(group, weights=np.arange(len(order))) / np.bincount(group)
    places = np.empty(len(order))
    places[order] = means[group]
    return places


def _moments(
    one: Float[np.ndarray, " pairs"], other: Float[np.ndarray, " pairs"], rows: Int[np.ndarray, " pairs"], count: int
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Covariance and both variances within each row, times its number of pairs."""
    sizes = np.maximum(np.bincount(rows, minlength=count), 1)
    one = one - (np.bincount(rows, weights=one, minlength=count) / sizes)[rows]
    other = other - (np.bincount(rows, weights=other, minlength=count) / sizes)[rows]
    products = (one * other, one * one, other * other)
    covariance, across, up = (np.bincount(rows, weights=product, minlength=count) for product in products)
    return covariance, across, up


def _error(
    chance: Float[np.ndarray, " pairs"],
    share: Float[np.ndarray, " pairs"],
    rows: Int[np.ndarray, " pairs"],
    order: Int[np.ndarray, " pairs"],
    group: Int[np.ndarray, " pairs"],
    *,
    bins: int,
    count: int,
) -> Float[np.ndarray, " rows"]:
    rows, chance, share = rows[order], chance[order], share[order]
    sizes = np.bincount(rows, minlength=count)
    before = np.cumsum(chance) - chance
    before -= np.repeat(before[np.minimum(np.cumsum(sizes) - sizes, len(before) - 1)], sizes)  # anew for each row
    first = np.flatnonzero(np.diff(group, prepend=-1))
    place = np.floor(bins * before[first][group] + 1e-9).astype(np.int64).clip(0, bins - 1)
    promised, kept = (
        np.bincount(rows * bins + place, weights=one, minlength=count * bins).reshape(count, bins)
        for one in (chance, share)
    )
    return np.abs(promised - kept).sum(axis=1) / 2


def _over(above: Float[np.ndarray, " rows"], below: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
