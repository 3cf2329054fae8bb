"""Direct preference: what is better shall gain probability over what is worse, compared with a frozen model."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn.functional import softplus

from segue.core.batches import Trajectories
from segue.core.errors import SettingsError
from segue.core.forms import Loss
from segue.core.trajectories import FlowModel, Policy, TrajectoryObjective


class Preference(TrajectoryObjective):
    """-log sigmoid(-log sum over losers of exp(gain of the loser - gain of the winner)).

    The gain of an item is beta times how much its log probability has grown since the frozen model. With one loser
    this is DPO (arXiv:2305.18290), with several S-DPO (arXiv:2406.09215, whose released scripts use a beta of 1).
    """

    beta: PositiveFloat = 1.0
    """How strongly the model is held near the frozen one: the smaller, the looser."""
    pairs: Literal["positive", "best_worst"] = "positive"
    """The positive against all others, or the one of highest reward against the one of lowest, as OneRec does
    (arXiv:2502.18965)."""

    @property
    def needs_reference(self) -> bool:
        """Gains are counted from a frozen model."""
        return True

    def __call__(self, model: FlowModel, told: Trajectories, policy: Policy) -> Loss:
        """The loss summed over the users who have a winner and a loser, and their number (at least 1).

        Raises:
            SettingsError: the positive should win and is not among the trajectories.
        """
        assert told.reference is not None, "preferences are compared with a frozen model"
        winner, loses = self._sides(model, told)
        with torch.autocast(told.reference.device.type, enabled=False):
            gains = self.beta * (policy.log_chances.float().sum(2) - told.reference.float().sum(2))
            behind = gains - gains.gather(1, winner)
            # Of a row without losers the sum is empty: log 0, whose softplus and gradient are 0.
            total = softplus(behind.masked_fill(~loses, -torch.inf).logsumexp(1)).sum()
        with torch.no_grad():
            margins, pairs = -behind[loses], loses.sum().clamp_min(1)
            notes = {"preference/won": (margins > 0).sum() / pairs, "preference/margin": margins.sum() / pairs}
        return Loss(total, loses.any(1).sum().clamp_min(1).float(), notes)

    def _sides(self, model: FlowModel, told: Trajectories) -> tuple[Tensor, Tensor]:
        """The column of each row's winner, `[users, 1]`, and which columns lose to it."""
        if self.pairs == "positive":
            if not told.positive:
                raise SettingsError("objective: pairs=positive needs the positive among the trajectories.")
            loses = told.valid & told.valid[:, :1]
            loses[:, 0] = False
            return torch.zeros_like(told.items[:, :1]), loses
        with torch.no_grad():
            rewards = model.log_reward(told.signals).float()
        best, winner = rewards.masked_fill(~told.valid, -torch.inf).max(1, keepdim=True)
        worst, loser = rewards.masked_fill(~told.valid, torch.inf).min(1, keepdim=True)
        return winner, torch.zeros_like(told.valid).scatter(1, loser, worst < best)
