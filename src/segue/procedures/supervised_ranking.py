"""Learn from what users did with what they were shown, look at the validation requests, keep the best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import PositiveInt
from torch import nn

from segue.core.forms import Objective, RankingBatches, RankingModel, RankingProcedure
from segue.core.impressions import RankingSplit
from segue.core.ranking_recipe import probabilities
from segue.core.run import Run
from segue.evaluation.probabilities import area_under_curve
from segue.training.loop import Loop, train


class SupervisedRanking(RankingProcedure):
    """Gradient steps on the objective; the weights with the best AUC on the validation requests are kept."""

    loop: Loop = Loop()
    """How long, how fast and how carefully to train."""
    requests: PositiveInt = 20_000
    """At most so many validation requests are looked at while training; the same ones each time."""

    def __call__(
        self,
        model: Any,
        batches: RankingBatches,
        objective: Objective[RankingModel],
        split: RankingSplit,
        run: Run,
    ) -> None:
        """Train the model in place."""
        assert isinstance(model, nn.Module)
        score = validation_auc(model, batches, split, run, self.requests)
        train(model, batches, objective, split.learnt, split.item_counts(), self.loop, run, score)


def validation_auc(
    model: Any, batches: RankingBatches, split: RankingSplit, run: Run, requests: int
) -> Callable[[], float]:
    """A function that says the mean AUC over the tasks of the model as it is, of so many validation requests."""
    asked = split.validated
    if len(asked) > requests:
        asked = asked.take(np.sort(run.numpy_generator("validation").choice(len(asked), requests, replace=False)))

    def score() -> float:
        found = probabilities(model, batches, asked)
        aucs = [area_under_curve(found[:, task], asked.labels[:, task]) for task in range(found.shape[1])]
        told = [auc for auc in aucs if np.isfinite(auc)]
        return float(np.mean(told)) if told else 0.5

    return score
