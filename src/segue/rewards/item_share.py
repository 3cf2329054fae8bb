"""What Flower pays: an item's share of the training events, bent by what a collaborative model thinks of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segue.core.errors import SettingsError
from segue.core.shapes import Float, Int
from segue.core.trajectories import Reward, Situation

MIDDLE = 0.5
"""Added to a utility in [0, 1]: an item in the middle is worth just its share."""


class ItemShare(Reward):
    """log R = log(share of training events) / (utility + 1/2): who writes in proportion repeats the training data.

    The share is that of all items with the same codes, because codes are what is written; each item counts once more
    than it occurs. `flows` says the same of every prefix: the reward of a prefix is the sum of those below it, exactly
    while nothing is personal.

    Source: Flower, arXiv:2503.07377, whose code divides the log share of each token by a score of SASRec, minus its
    mean over the catalog, over its range, plus 1. Ours takes the middle of the range for the mean, which needs no pass
    over the catalog, and codes in place of the words of titles, so that no prefix can end early.
    """

    personal: bool = True
    """Divide by what a collaborative model thinks: the log share of an item it ranks high counts less against it."""

    @property
    def needs_utility(self) -> bool:
        """Whether a collaborative model must stand by."""
        return self.personal

    @property
    def names(self) -> tuple[str, ...]:
        """One signal, which is log R already."""
        return ("log_share",)

    def signals(self, situation: Situation, items: Int[Tensor, "users asked"]) -> Float[Tensor, "users asked signals"]:
        """log R of each item; that of `NOTHING` is 0.

        Raises:
            SettingsError: a collaborative model is asked for and there is none.
        """
        return self.flows(situation, items)[..., -1:]

    def flows(self, situation: Situation, items: Int[Tensor, "users asked"]) -> Float[Tensor, "users asked prefixes"]:
        """log F of each prefix of each item, from the empty one (0) to the whole tuple (log R)."""
        with torch.no_grad():
            tree, known = situation.model.tree, items.clamp_min(0)
            counts = situation.batch.counts
            if counts is None:
                counts = torch.from_numpy(situation.split.item_counts())
            mass = (counts.to(tree.items.device)[tree.items].double() + 1.0).cumsum(0)
            mass = torch.cat([mass.new_zeros(1), mass])  # before each place
            places, shares = tree.places[known], []
            for firsts in tree.firsts[:-1]:
                nodes = torch.searchsorted(firsts, places, right=True) - 1
                stops = torch.cat([firsts[1:], firsts.new_tensor([len(tree)])])
                shares.append((mass[stops[nodes]] - mass[firsts[nodes]]) / mass[-1])
            flows = torch.stack(shares, dim=-1).log().float()
            if self.personal:
                flows = flows / (self._utility(situation, known) + MIDDLE)[..., None]
            return flows.masked_fill((items < 0)[..., None], 0.0)

    def build(self) -> nn.Module:
        """The signal itself."""
        return _Itself()

    def _utility(self, situation: Situation, items: Tensor) -> Tensor:
        if situation.utility is None:
            raise SettingsError(
                "reward: item_share asks a collaborative model, and there is none; name one, or set "
                "reward.personal=false."
            )
        return situation.utility(items).float()


class _Itself(nn.Module):
    def forward(self, signals: Float[Tensor, "*asked signals"]) -> Float[Tensor, "*asked"]:
        return signals[..., 0]

    def prior(self) -> Float[Tensor, ""]:
        return torch.zeros(())
