"""What the generator as it is now would recommend."""

from __future__ import annotations

import torch
from pydantic import NonNegativeInt
from torch import Tensor

from segue.core.forms import Decoder, TokenModel
from segue.core.ranking import Rules
from segue.core.shapes import Int
from segue.core.trajectories import Situation, TrajectorySampler
from segue.trajectories._unseen import first_left


class OwnBeam(TrajectorySampler):
    """The items that the generator ranks first, without the positive and all that the user has in training.

    Source: GFlowGR, arXiv:2506.16114v3, the on-policy strategy; also the self-made negatives of SPRec and IPA. Costs a
    search for each history of a batch.
    """

    decoder: Decoder[TokenModel]
    """How the generator ranks."""
    spare: NonNegativeInt = 16
    """Items asked for beyond those needed: some of a ranking are what the user took later or long before."""

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
        """`count` different items for each history, best first; `NOTHING` where fewer are left of the ranking."""
        ranking = self.decoder(situation.model, situation.histories, count + 1 + self.spare, Rules(seen=False))
        return first_left(situation, torch.from_numpy(ranking.items).to(situation.positives.device), count)
