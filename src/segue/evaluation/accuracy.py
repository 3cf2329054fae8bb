"""The accuracy metrics of the field: hit rate, recall, precision, NDCG, reciprocal rank and average precision.

With one held-out item, as in leave-one-out, hit rate and recall are the same number, and so are MRR and MAP.
"""

from __future__ import annotations

import numpy as np

from segue.core.shapes import Bool, Float, Int
from segue.evaluation.metric import Metric


class HitRate(Metric):
    """1 if any of the first k is a target."""

    short = "HR"

    def _score(
        self, places: Bool[np.ndarray, "rows k"], targets: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        return np.asarray(places.any(axis=1), dtype=np.float64)


class Recall(Metric):
    """The share of a user's targets that are among the first k (of all targets, also where there are more than k)."""

    short = "Recall"

    def _score(
        self, places: Bool[np.ndarray, "rows k"], targets: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        return places.sum(axis=1) / targets


class Precision(Metric):
    """The share of the first k that are targets; a place left empty counts as a miss."""

    short = "Precision"

    def _score(
        self, places: Bool[np.ndarray, "rows k"], targets: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        return places.sum(axis=1) / self.k


class Ndcg(Metric):
    """Hits discounted by 1 / log2(place + 1), over the same sum for min(k, targets) hits at the top."""

    short = "NDCG"

    def _score(
        self, places: Bool[np.ndarray, "rows k"], targets: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        discounts = 1 / np.log2(np.arange(2, self.k + 2))
        best = np.cumsum(discounts)[np.minimum(targets, self.k) - 1]
        return np.minimum(places @ discounts / best, 1.0)  # the two sums may round differently


class ReciprocalRank(Metric):
    """1 / place of the first hit, 0 if there is none among the first k."""

    short = "MRR"

    def _score(
        self, places: Bool[np.ndarray, "rows k"], targets: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        return np.where(places.any(axis=1), 1 / (1 + places.argmax(axis=1)), 0.0)


class AveragePrecision(Metric):
    """The precision at each hit, summed and divided by min(k, targets)."""

    short = "MAP"

    def _score(
        self, places: Bool[np.ndarray, "rows k"], targets: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " rows"]:
        precision = np.cumsum(places, axis=1) / np.arange(1, self.k + 1)
        return (precision * places).sum(axis=1) / np.minimum(targets, self.k)


ACCURACY: tuple[type[Metric], ...] = (HitRate, Recall, Precision, Ndcg, ReciprocalRank, AveragePrecision)
"""All metrics of this file, in the order of tables."""
