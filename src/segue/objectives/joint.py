"""A supervised loss, and beside it one of trajectories, from one pass of the model."""

from __future__ import annotations

import torch
from pydantic import NonNegativeFloat

from segue.core.batches import SequenceBatch
from segue.core.forms import Loss, TokenModel
from segue.core.trajectories import BesideObjective, FlowModel, Policy
from segue.layers.trajectory_chances import log_chances


class Joint(BesideObjective):
    """keep * supervised + weight * beside, each as its own mean: over its answers, and over users.

    Where there is nothing beside (a weight of 0, or a batch without trajectories) this is the supervised loss itself,
    to the bit. Otherwise the model must be a `FlowModel` too.

    Source: GFlowGR, arXiv:2506.16114: L_GR + lambda * sum over trajectories of L_GFN, with lambda near 1 best.
    """

    keep: NonNegativeFloat = 1.0
    """Weight of the supervised loss; at 0 it is only watched."""

    def __call__(self, model: TokenModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The total is such that the mean is the weighted sum of both means; the count is the supervised one."""
        told = batch.trajectories
        if not self.weight or told is None:
            return self.supervised(model, batch, rng)
        items = told.items.clamp_min(0)
        states, answers, written = model.answers_and_states_of(batch, items, told.at, told.positive)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.keep > 0):
            supervised = self.supervised.of_answers(model, states, answers)
        chances = log_chances(model, written, items, self.renormalized)
        assert isinstance(model, FlowModel), "trajectories need a model that also knows flows and rewards"
        beside = self.beside(model, told, Policy(chances, written))
        total = self.weight * (beside.mean + model.prior()) * supervised.count
        if self.keep:
            total = total + self.keep * supervised.total
        notes = {"loss/supervised": supervised.mean.detach(), "loss/beside": beside.mean.detach()}
        return Loss(total, supervised.count, {**supervised.notes, **notes, **beside.notes, **told.notes})
