"""Next-item cross entropy against the whole catalogue."""

from __future__ import annotations

import torch
from pydantic import Field

from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.forms import Loss, Objective, ScoringModel
from segue.kernels.linear_cross_entropy import linear_cross_entropy


class FullSoftmax(Objective[ScoringModel]):
    """-log softmax over all items of the true next one, at every event of every history.

    The logits of all events never exist at once: see `kernels.linear_cross_entropy`.
    """

    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Weight spread evenly over the catalog instead of lying on the true item."""

    def __call__(self, model: ScoringModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The sum over all events that have a target, in nats.

        Raises:
            SettingsError: the batch carries no targets.
        """
        if batch.targets is None:
            raise SettingsError("objective: FullSoftmax needs a batch with targets; set batches=next_item.")
        total = linear_cross_entropy(model.states(batch), model.item_vectors(), batch.targets, self.smoothing)
        return Loss(total, torch.tensor(float(len(batch.targets)), device=total.device))
