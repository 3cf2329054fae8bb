"""Which item comes next, and of which kind it is: what the tables of a ranker are pretrained on."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from segue.core.forms import Loss, Objective
from segue.core.impressions import RankingBatch
from segue.kernels.sampled_cross_entropy import sampled_cross_entropy
from segue.layers.generating import Generating


class GenerativePretraining(Objective[Generating]):
    """Cross entropy of the next item against drawn ones, and of each of its categories against all.

    Every event predicts the one after it. States, item vectors and category vectors are compared by cosine over a
    temperature, tied to the tables that the model reads with. Items are drawn uniformly with replacement for each
    history, shared by its events; one that is an event's own target is left out there. No log-q correction.

    Source: GPSD, arXiv:2506.03699, the generative stage. Theirs draws the padding row 0 too; we have none. A category
    that is not known (0) is not predicted.
    """

    negatives: PositiveInt = 4096
    """Items drawn for each history."""
    temperature: PositiveFloat = 0.05
    """Divides the cosine before the softmax (no unit)."""
    positive: bool = False
    """Predict only events on which the first action was taken, where the log tells of actions."""

    def __call__(self, model: Generating, batch: RankingBatch, rng: torch.Generator) -> Loss:
        """The sum over all events that are predicted, item and categories added up, in nats."""
        rows, targets = batch.events.rows, batch.items
        states = _unit(model.next_states(batch).float()) / self.temperature
        known = torch.ones(len(targets), device=states.device)
        if self.positive and batch.labels is not None and batch.labels.shape[1]:
            known = (batch.labels[:, 0] == 1).float()
        drawn = torch.randint(
            len(model.items.table.weight), (len(rows), self.negatives), generator=rng, device=rng.device
        )
        count = known.sum()
        losses = {"item": sampled_cross_entropy(states, _unit(model.items.table.weight), targets, rows, drawn, known)}
        for field, vectors in zip(model.items.fields, model.items.facts.values(), strict=True):
            if field.size:
                table = _unit(vectors.get_parameter("table"))
                values = model.items.fact(field.name)[targets].masked_fill(known == 0, 0)
                losses[field.name] = cross_entropy(states @ table.T, values, ignore_index=0, reduction="sum")
        notes = {f"loss/{name}": loss.detach() / count.clamp_min(1) for name, loss in losses.items()}
        return Loss(torch.stack([loss.float() for loss in losses.values()]).sum(), count, notes)


def _unit(vectors: Tensor) -> Tensor:
    return normalize(vectors, dim=-1, eps=1e-6)
