"""Of somebody else's choice, the items that the generator is least, or most, sure of."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from segue.core.ranking import NOTHING
from segue.core.shapes import Int
from segue.core.trajectories import Situation, TrajectorySampler
from segue.layers.trajectory_chances import log_chances


class Confident(TrajectorySampler):
    """Asks another sampler for twice as many items, and keeps the half that the generator's own probability chooses.

    Source: GFlowGR, arXiv:2506.16114v3, the variant with LLM sampling: a pool filtered by the collaborative model, then
    generation confidence. Low-confidence picks help exploration.
    """

    pool: TrajectorySampler
    """Who offers the items."""
    keep: Literal["low", "high"] = "low"
    """Which of them stay: those that the generator gives little probability, or much."""

    @property
    def needs_utility(self) -> bool:
        """Whether the pool needs it."""
        return self.pool.needs_utility

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
        """`count` different items for each history, the least (or most) probable first; `NOTHING` where there are
        fewer."""
        items = self.pool(situation, 2 * count, rng)
        with torch.no_grad():
            states = situation.model.states_of(situation.batch, items.clamp_min(0))
            chances = log_chances(situation.model, states, items).sum(-1)
        ranks = (chances if self.keep == "low" else -chances).masked_fill(items == NOTHING, torch.inf)
        return items.gather(1, ranks.sort(dim=1, stable=True).indices[:, :count])

    def notes(self, progress: float, count: int) -> dict[str, float]:
        """What the pool says."""
        return self.pool.notes(progress, 2 * count)
