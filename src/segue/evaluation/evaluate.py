"""Ask a fitted system every held-out question, a block of users at a time, and score the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from segue.core.ranking import Ranking, Rules
from segue.core.shapes import Float
from segue.core.tables import Cases, Histories
from segue.evaluation.accuracy import AveragePrecision, HitRate, Ndcg, Precision, Recall, ReciprocalRank
from segue.evaluation.metric import Metric, Targets, measure

BLOCK = 16_384
"""Users asked at once: bounds the memory of histories and hidden vectors, whatever the number of users."""

Answers = Callable[[Histories, int, Rules], Ranking]
"""What `Recommender.recommend` is, and an oracle too."""


@dataclass(frozen=True)
class Answered:
    """The answers and, by metric name, one number per user."""

    ranking: Ranking
    per_user: dict[str, Float[np.ndarray, " rows"]]


def accuracy_metrics(ks: Sequence[int]) -> list[Metric]:
    """The accuracy metrics of the field at each list length."""
    families = (HitRate, Recall, Precision, Ndcg, ReciprocalRank, AveragePrecision)
    return [family(k=k) for k in ks for family in families]


def evaluate(
    answer: Answers,
    cases: Cases,
    metrics: Sequence[Metric],
    rules: Rules,
    advance: Callable[[int], None] = lambda users: None,
) -> Answered:
    """Every case answered over the whole catalog and scored; `advance` hears how many users are done."""
    longest = max(metric.k for metric in metrics)
    rankings, scores = [], []
    for begin in range(0, len(cases), BLOCK):
        some = cases.take(slice(begin, begin + BLOCK))
        ranking = answer(some.histories, longest, rules)
        rankings.append(ranking)
        scores.append(measure(metrics, ranking, Targets.of(some)))
        advance(len(some))
    per_user = {metric.name: np.concatenate([part[metric.name] for part in scores]) for metric in metrics}
    return Answered(Ranking.stack(rankings), per_user)
