"""What the generator as it is now says when it speaks at random."""

from __future__ import annotations

import torch
from pydantic import NonNegativeInt
from torch import Tensor

from segue.core.forms import Sampler, TokenModel
from segue.core.ranking import Rules
from segue.core.shapes import Int
from segue.core.trajectories import Situation, TrajectorySampler
from segue.trajectories._unseen import first_left


class OwnDraws(TrajectorySampler):
    """Draws of the generator: different unseen items, or just as they come.

    Source: GFlowGR, arXiv:2506.16114v3, on-policy by sampling; with `independent`, the group of GRPO, arXiv:2402.03300.
    """

    sampler: Sampler[TokenModel]
    """How the generator draws."""
    independent: bool = False
    """Leave the draws as they come: repeated ones, the positive and items of the history among them. A policy gradient
    needs them so, because its expectation is over what the policy really says."""
    spare: NonNegativeInt = 16
    """Draws beyond those needed, of which repeated and taken ones are struck; none where they are independent."""

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
        """`count` items for each history, in the order of the draws; `NOTHING` where fewer are left of them."""
        device = situation.positives.device
        draws = count if self.independent else count + self.spare
        rules = Rules(seen=self.independent)
        samples = self.sampler(situation.model, situation.histories, draws, rules, rng)
        items = torch.from_numpy(samples.items).to(device)
        return items if self.independent else first_left(situation, items, count)
