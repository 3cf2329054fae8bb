"""How likely a ranker found what users really did."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, PositiveFloat
from torch.nn.functional import binary_cross_entropy_with_logits

from segue.core.errors import SettingsError
from segue.core.forms import Loss, Objective, RankingModel
from segue.core.impressions import UNKNOWN, RankingBatch


class ActionLikelihood(Objective[RankingModel]):
    """Binary cross entropy of every known label, the tasks summed by weight."""

    weights: Mapping[str, PositiveFloat] = Field(default_factory=dict)
    """What a task counts; 1 unless given."""

    def __call__(self, model: RankingModel, batch: RankingBatch, rng: torch.Generator) -> Loss:
        """The sum over all known labels in nats; each shown item with a known label counts once.

        Raises:
            SettingsError: the batch has no labels, or a weight names no task.
        """
        tasks = model.schema.tasks
        if batch.labels is None:
            raise SettingsError("objective: action_likelihood needs a batch with labels.")
        if unknown := set(self.weights) - set(tasks):
            raise SettingsError(f"objective.weights: {min(unknown)!r} is no task; the tasks are {', '.join(tasks)}.")
        known = batch.labels != UNKNOWN
        losses = binary_cross_entropy_with_logits(
            model.logits(batch).float(), batch.labels.clamp_min(0).float(), reduction="none"
        )
        losses = losses.where(known, 0).sum(dim=0)
        weights = losses.new_tensor([self.weights.get(task, 1.0) for task in tasks])
        counts = known.sum(dim=0)
        notes = {
            f"loss/{task}": losses[place].detach() / counts[place].clamp_min(1) for place, task in enumerate(tasks)
        }
        return Loss((losses * weights).sum(), known.any(dim=1).sum().float(), notes if len(tasks) > 1 else {})
