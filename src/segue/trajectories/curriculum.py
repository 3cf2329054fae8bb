"""From items that are easy to tell from the positive to hard ones, as training goes on."""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.errors import SettingsError
from segue.core.ranking import NOTHING
from segue.core.shapes import Int
from segue.core.trajectories import Situation, TrajectorySampler
from segue.trajectories._unseen import draw_unseen


class Curriculum(TrajectorySampler):
    """A window over unseen items in the order of a collaborative model's scores, from the lowest to the highest.

    With N = count + 1 trajectories, a pool of 2N - 1 items is drawn for each history and sorted; the window of `count`
    places begins at floor(progress * N), so that it begins with the lowest items and ends with the highest. In a pool
    that is smaller because the catalog has no more, the window stops at its end.

    Source: GFlowGR, arXiv:2506.16114v3, the default strategy, which gives no schedule; this one is ours. The pool is
    drawn anew for each question and not once an epoch: with one question a history and epoch that is the same.
    """

    @property
    def needs_utility(self) -> bool:
        """Always: it sorts by what a collaborative model thinks."""
        return True

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
        """`count` different items for each history, lowest score first; `NOTHING` where there are fewer.

        Raises:
            SettingsError: there is no collaborative model.
        """
        if situation.utility is None:
            raise SettingsError(
                "sampler: curriculum sorts items by the scores of a collaborative model, and there is none; name one, "
                "or take sampler=random_items."
            )
        pool = draw_unseen(situation, 2 * count + 1, rng)
        missing = pool == NOTHING
        scores = situation.utility(pool.clamp_min(0)).masked_fill(missing, torch.inf)
        pool = pool.gather(1, scores.sort(dim=1, stable=True).indices)
        last = ((~missing).sum(1, keepdim=True) - count).clamp_min(0)
        begin = last.clamp_max(offset(situation.progress, count))
        return pool.gather(1, begin + torch.arange(count, device=pool.device))

    def notes(self, progress: float, count: int) -> dict[str, float]:
        """Where in the sorted pool the window begins."""
        return {"window": float(offset(progress, count))}


def offset(progress: float, count: int) -> int:
    """Where the window of `count` places begins in a pool of 2 * count + 1, from 0 to count + 1."""
    # 1e-9: progress is a quotient of epochs, and (1 / 49) * 49 must not fall short of 1.
    return min(max(int(progress * (count + 1) + 1e-9), 0), count + 1)
