"""How good probabilities of actions are: one number per user, whose mean is the number that papers print.

Most of these measures are no means over users: the AUC compares impressions of different users, and the log loss counts
each impression alike. Their value for a user is the whole measure plus what this user moves it by, times the number of
users (its influence function). So the mean is the measure exactly, the standard error is the one that allows for
impressions of one user being alike (for the AUC that of Obuchowski 1997, which is DeLong's with one impression a
user), and paired tests are the same as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segue.core.impressions import UNKNOWN, Impressions
from segue.core.shapes import Bool, Float, Int, Num
from segue.evaluation.reliability import gaps

NEAREST = 1e-7
"""A probability nearer to 0 or 1 counts as this near: the log loss stays finite."""
LOWER_IS_BETTER = ("LogLoss", "NE", "ECE")
"""Measures of which less is better, as the first word of a metric's name."""


def area_under_curve(scores: Num[np.ndarray, " shown"], labels: Num[np.ndarray, " shown"]) -> float:
    """How often a random positive has a higher score than a random negative, equal scores counting half.

    Labels that are `UNKNOWN` are left out. NaN where there is no positive or no negative.
    """
    known = labels != UNKNOWN
    positive = labels[known] == 1
    if positive.all() or not positive.any():
        return float("nan")
    return float(beaten(scores[known], positive)[positive].mean())


@dataclass(frozen=True)
class Judged:
    """The shown items of which the label of one task is known, and how likely a ranker found it."""

    probabilities: Float[np.ndarray, " known"]
    positive: Bool[np.ndarray, " known"]
    requests: Int[np.ndarray, " known"]
    users: Int[np.ndarray, " known"]
    """Rows of the users who were asked, from 0 to `count` - 1."""
    count: int
    """Users asked, those without a known label too."""

    @classmethod
    def of(cls, impressions: Impressions, probabilities: Float[np.ndarray, " shown"], task: int) -> Judged:
        """One task of some requests; the rows of `users` follow the order of the log's users."""
        labels = impressions.labels[:, task]
        known = np.flatnonzero(labels != UNKNOWN)
        requests = impressions.owners[known]
        asked, rows = np.unique(impressions.histories.users, return_inverse=True)
        return cls(probabilities[known].astype(np.float64), labels[known] == 1, requests, rows[requests], len(asked))

    @property
    def both(self) -> bool:
        """Whether there is a positive and a negative, without which most measures do not exist."""
        return bool(self.positive.any() and not self.positive.all())

    @cached_property
    def sorted_requests(self) -> tuple[Int[np.ndarray, " known"], Bool[np.ndarray, " known"]]:
        """The impressions request after request, the likeliest first, and where in this order the probability is
        another than that of the one before."""
        order = np.lexsort((-self.probabilities, self.requests))
        return order, _changes(self.requests[order], self.probabilities[order])

    def share(self, values: Float[np.ndarray, " known"]) -> Float[np.ndarray, " users"]:
        """The sum of the values of each user."""
        return np.bincount(self.users, weights=values, minlength=self.count)


def ranking_metrics(
    impressions: Impressions, probabilities: Float[np.ndarray, "shown tasks"], tasks: Sequence[str], ks: Sequence[int]
) -> dict[str, Float[np.ndarray, " users"]]:
    """Every measure of every task by name, such as `AUC click`, one number for each user who was asked.

    A measure that the labels do not allow, such as the AUC where nobody clicked, is left out; so is a cut-off that no
    request reaches.
    """
    found: dict[str, Float[np.ndarray, " users"]] = {}
    longest = int(impressions.sizes.max(initial=0))
    for place, task in enumerate(tasks):
        judged = Judged.of(impressions, probabilities[:, place], place)
        if not judged.both:
            continue
        found |= {
            f"AUC {task}": auc(judged),
            f"GAUC {task}": grouped_auc(judged),
            f"LogLoss {task}": log_loss(judged),
            f"NE {task}": normalised_entropy(judged),
            f"ECE {task}": calibration_error(judged),
            **{f"NDCG@{k} {task}": ndcg(judged, k) for k in ks if k < longest},
            f"NDCG {task}": ndcg(judged),
        }
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


def auc(judged: Judged) -> Float[np.ndarray, " users"]:
    """Of all pairs of a positive and a negative, of any users and requests, the share in the right order."""
    positive = judged.positive
    share = beaten(judged.probabilities, positive)
    whole = share[positive].mean()
    weights = np.where(positive, 1 / positive.sum(), 1 / (~positive).sum())
    return whole + judged.count * judged.share(weights * (share - whole))


def grouped_auc(judged: Judged) -> Float[np.ndarray, " users"]:
    """The mean of the users' own AUCs, each counting as its number of impressions; users with one class are left out.

    NaN where no user has both classes.
    """
    positive, users = judged.positive, judged.users
    share = beaten(judged.probabilities, positive, users)
    positives, impressions = judged.share(positive.astype(np.float64)), judged.share(np.ones(len(users)))
    both = (positives > 0) & (positives < impressions)
    own = np.where(both, judged.share(np.where(positive, share, 0.0)) / np.maximum(positives, 1), 0.0)
    return _ratio(np.where(both, impressions * own, 0.0), np.where(both, impressions, 0.0))


def log_loss(judged: Judged) -> Float[np.ndarray, " users"]:
    """The mean of -log P(what happened) over impressions, in nats."""
    return _mean(judged, _surprise(judged))


def normalised_entropy(judged: Judged) -> Float[np.ndarray, " users"]:
    """The log loss over that of who tells everybody the base rate: below 1 is better than knowing nothing.

    Source: He et al. 2014, Practical Lessons from Predicting Clicks on Ads at Facebook, section 3.
    """
    rate = judged.positive.mean()
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    loss = _surprise(judged)
    whole = loss.mean() / entropy
    # the base rate is of these impressions too, and moves with them
    moved = (loss - loss.mean()) / entropy
    moved -= whole / entropy * np.log((1 - rate) / rate) * (judged.positive - rate)
    return whole + judged.count * judged.share(moved) / len(loss)


def calibration_error(judged: Judged) -> Float[np.ndarray, " users"]:
    """How far the mean probability is from the observed rate, over bins of equally many impressions."""
    return _mean(judged, gaps(judged.probabilities, judged.positive))


def ndcg(judged: Judged, k: int | None = None) -> Float[np.ndarray, " users"]:
    """The mean NDCG of the requests sorted by probability, of those with a positive and a negative.

    Gain is 1 for a positive, the discount 1 / log2(1 + place); without `k` the whole request counts. Equal
    probabilities stand in random order, of which this is the mean (McSherry and Najork 2008). NaN where no request has
    both classes.
    """
    order, first = judged.sorted_requests
    each, positive = judged.requests[order], judged.positive[order]
    sizes = np.bincount(each)
    places = np.arange(len(each)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    discounts = np.where(places < (len(each) if k is None else k), 1 / np.log2(places + 2.0), 0.0)
    tied = np.cumsum(first) - 1
    mean = (np.bincount(tied, weights=discounts) / np.bincount(tied))[tied]
    positives = np.bincount(each, weights=positive)
    gained = np.bincount(each, weights=mean * positive)
    best = np.bincount(each, weights=np.where(places < positives[each], discounts, 0.0))
    both = (positives > 0) & (positives < sizes)
    owner = np.zeros(len(sizes), dtype=np.int64)
    owner[each] = judged.users[order]
    scored = np.where(both, gained / np.maximum(best, 1e-12), 0.0)
    return _ratio(
        np.bincount(owner, weights=scored, minlength=judged.count),
        np.bincount(owner, weights=both.astype(np.float64), minlength=judged.count),
    )


def beaten(
    scores: Num[np.ndarray, " shown"],
    positive: Bool[np.ndarray, " shown"],
    groups: Int[np.ndarray, " shown"] | None = None,
) -> Float[np.ndarray, " shown"]:
    """Of those of the other class in its group, the share that each one is in the right order with, equal scores
    counting half; 0 where the group has no other class.

    The mean over the positives of a group, or over its negatives, is its AUC.
    """
    order = np.argsort(scores, kind="stable") if groups is None else np.lexsort((scores, groups))
    group = np.zeros(len(scores), dtype=np.int64) if groups is None else groups[order]
    # of each run of equal scores, where it begins and where it ends
    new = _changes(group, scores[order])
    starts = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    stops = np.append(starts[1:], len(order))
    sizes = np.bincount(group)
    opens = (np.cumsum(sizes) - sizes)[group]
    closes = opens + sizes[group]

    def up_to(kind: Bool[np.ndarray, " shown"]) -> Int[np.ndarray, " bounds"]:
        return np.concatenate([[0], np.cumsum(kind)])

    negatives, positives = up_to(~positive[order]), up_to(positive[order])
    below = negatives[starts[run]] + negatives[stops[run]] - 2 * negatives[opens]
    above = 2 * positives[closes] - positives[starts[run]] - positives[stops[run]]
    others = np.where(positive[order], negatives[closes] - negatives[opens], positives[closes] - positives[opens])
    found = np.empty(len(order))
    found[order] = np.where(positive[order], below, above) / (2 * np.maximum(others, 1))
    return found


def _changes(groups: Int[np.ndarray, " some"], scores: Num[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
    """Whether each one, in this order, has another group or score than the one before."""
    changes = np.ones(len(scores), dtype=bool)
    changes[1:] = (groups[1:] != groups[:-1]) | (scores[1:] != scores[:-1])
    return changes


def _surprise(judged: Judged) -> Float[np.ndarray, " known"]:
    """-log P(what happened) of each impression."""
    clipped = np.clip(judged.probabilities, NEAREST, 1 - NEAREST)
    return -np.log(np.where(judged.positive, clipped, 1 - clipped))


def _mean(judged: Judged, values: Float[np.ndarray, " known"]) -> Float[np.ndarray, " users"]:
    """A mean over impressions, by user."""
    return _ratio(judged.share(values), judged.share(np.ones(len(values))))


def _ratio(sums: Float[np.ndarray, " users"], weights: Float[np.ndarray, " users"]) -> Float[np.ndarray, " users"]:
    """All sums over all weights, by user; NaN where nothing has a weight."""
    total = weights.sum()
    if not total:
        return np.full(len(sums), np.nan)
    whole = sums.sum() / total
    return whole + len(sums) * (sums - whole * weights) / total
