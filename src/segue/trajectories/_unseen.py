"""Items that a user has never had: the first ones left of some, or drawn from the whole catalog."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from segue.core.ranking import NOTHING
from segue.core.shapes import Bool, Int
from segue.core.trajectories import Situation

PIECE = 4096
"""Items of the catalog that are looked at once for every user, where drawing has found too few."""


def draw_unseen(situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
    """`count` different items for each user that are not taken, uniformly; `NOTHING` where there are no more.

    Some more than needed are drawn and the taken ones struck. Where that leaves too few (a tiny catalog, or a user who
    has nearly all of it), the catalog is gone through in random order, piece by piece, until everybody has enough.
    """
    users, catalog, device = len(situation.positives), len(situation.split.catalog), situation.positives.device
    drawn = torch.randint(catalog, (users, 2 * count + 8), generator=rng, device=rng.device)
    found = first_left(situation, drawn.to(device), count)
    if not bool((found == NOTHING).any()):
        return found
    order = torch.randperm(catalog, generator=rng, device=rng.device).to(device)
    for piece in order.split(PIECE):
        found = first_left(situation, torch.cat([found, piece.expand(users, -1)], dim=1), count)
        if not bool((found == NOTHING).any()):
            break
    return found


def first_left(situation: Situation, items: Int[Tensor, "users some"], count: int) -> Int[Tensor, "users count"]:
    """The first `count` items of each row that are not taken, each once; `NOTHING` where there are fewer."""
    left = (items != NOTHING) & ~_repeated(items) & ~situation.taken(items.clamp_min(0))
    first = (~left).int().sort(dim=1, stable=True).indices[:, :count]
    found = items.masked_fill(~left, NOTHING).gather(1, first)
    return pad(found, (0, count - found.shape[1]), value=NOTHING)


def _repeated(items: Int[Tensor, "users some"]) -> Bool[Tensor, "users some"]:
    """Whether an item stood in its row before."""
    ordered, order = items.sort(dim=1, stable=True)
    again = torch.zeros_like(items, dtype=torch.bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return torch.zeros_like(again).scatter(1, order, again)
