"""Next-item cross entropy against a sample of the catalogue."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.forms import Loss, Objective, ScoringModel
from segue.data.negatives import Negatives, UniformNegatives


class SampledSoftmax(Objective[ScoringModel]):
    """Cross entropy of the true next item against drawn ones.

    A drawn item that is the true one is left out. With `corrected`, the logarithm of how often each item is drawn is
    subtracted from the drawn items' scores (logQ), so that the loss estimates the one over the whole catalog whatever
    the draw. Without it a uniform draw gives SASRec+ (arXiv:2309.07602) and HSTU's loss.
    """

    negatives: Negatives = UniformNegatives()
    """What the true item is compared with."""
    corrected: bool = False
    """Correct the scores of drawn items for how often they are drawn."""

    def __call__(self, model: ScoringModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The sum over all events that have a target, in nats.

        Raises:
            SettingsError: the batch carries no targets.
        """
        if batch.targets is None:
            raise SettingsError("objective: SampledSoftmax needs a batch with targets; set batches=next_item.")
        vectors = model.item_vectors()
        drawn = self.negatives(batch, len(vectors), rng)
        positive, negative = drawn.compare(model.states(batch), vectors, batch.targets)
        if self.corrected:
            negative = negative - drawn.log_q[drawn.items].to(negative.dtype)
        negative = negative.masked_fill(drawn.items == batch.targets[:, None], -torch.inf)
        logits = torch.cat([positive[:, None], negative], dim=1).float()
        total = cross_entropy(logits, torch.zeros_like(batch.targets), reduction="sum")
        return Loss(total, torch.tensor(float(len(batch.targets)), device=total.device))
