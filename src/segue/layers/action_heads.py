"""The top of a ranker with a trunk: one small network for each action."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segue.core.impressions import RankingBatch, Schema
from segue.core.shapes import Float
from segue.layers.facts import ContextVectors
from segue.layers.tower import Tower


class ActionHeads(nn.Module):
    """Normed hidden vector and facts about user and place in, log odds of each action out.

    These facts enter here alone, beside what the trunk says: no history is read differently because of the place in
    which something is shown now.
    """

    def __init__(
        self, schema: Schema, hidden_width: int, fact_width: int, hidden: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_width)
        self.context = ContextVectors(schema, fact_width)
        width = hidden_width + self.context.count * fact_width
        self.towers = nn.ModuleList(Tower(width, hidden, 1, dropout=dropout) for _ in schema.tasks)

    def forward(self, hidden: Float[Tensor, "shown width"], batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """One column a task."""
        told = torch.cat([self.norm(hidden), *self.context(batch)], dim=1)
        return torch.cat([tower(told) for tower in self.towers], dim=1)
