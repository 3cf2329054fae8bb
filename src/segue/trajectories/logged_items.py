"""What the user was shown together with the positive."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import NonNegativeInt
from torch import Tensor

from segue.core.ranking import NOTHING
from segue.core.shapes import Int
from segue.core.trajectories import Situation, TrajectorySampler
from segue.data.shown import shown_beside
from segue.trajectories._unseen import draw_unseen, first_left


class LoggedItems(TrajectorySampler):
    """Other items of the request that the positive comes from, at random; not those that the user has in training.

    Shown and passed over, or taken in a way that the log does not count: what these are worth says the reward. What was
    shown when or after something was held out is not looked at.

    Source: GFlowGR, arXiv:2506.16114v3, the strategy of interaction logs. It learns of nothing that was never shown.
    """

    filled: bool = True
    """Where a request has too few other items, the rest are random unseen ones; otherwise there are fewer."""
    gap: NonNegativeInt = 600
    """Seconds without an exposure that end a request, where the data has no column `request`. KuaiRand-Pure has only a
    pool of the videos that were shown: there 600 s leave 1.3 of them a request, and a day 9.5."""

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
        """`count` different items for each history, `NOTHING` where there are fewer.

        Raises:
            DataError: the dataset does not say what users were shown.
        """
        device, split = situation.positives.device, situation.split
        rows = shown_beside(split, situation.histories.users, situation.events.cpu().numpy(), self.gap)
        assert split.dataset.exposures is not None
        shown = np.where(rows >= 0, split.dataset.exposures.items[rows], NOTHING).astype(np.int64)
        order = torch.rand(shown.shape, generator=rng, device=rng.device).argsort(1).to(device)
        found = first_left(situation, torch.from_numpy(shown).to(device).gather(1, order), count)
        if self.filled:
            found = first_left(situation, torch.cat([found, draw_unseen(situation, 2 * count, rng)], dim=1), count)
        return found
