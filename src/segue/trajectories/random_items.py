"""Any items that the user has never had."""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.shapes import Int
from segue.core.trajectories import Situation, TrajectorySampler
from segue.trajectories._unseen import draw_unseen


class RandomItems(TrajectorySampler):
    """Different items, uniformly from what is neither the positive nor in the training history.

    Source: GFlowGR, arXiv:2506.16114v3, the random strategy: soon too easy for the generator.
    """

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
        """`count` different items for each history, `NOTHING` where there are fewer."""
        return draw_unseen(situation, count, rng)
