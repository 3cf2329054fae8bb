"""Flow balance: an item's probability shall be in proportion to its reward."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from segue.core.batches import Trajectories
from segue.core.forms import Loss
from segue.core.shapes import Float
from segue.core.trajectories import FlowModel, Policy, TrajectoryObjective


class FlowBalance(TrajectoryObjective):
    """Squared log ratios between the flow that a prefix sends to a later one and the flow that arrives there.

    For prefixes m < n of a trajectory the residual is log F(s_m) + log P(s_n | s_m) - log F(s_n), where log F of the
    whole tuple is log R. Each prefix has one parent, so no backward policy is needed. Residuals are summed over the
    trajectories of a user. Flows that the trajectories bring along are taken as they are, in place of learnt ones.

    Source: GFlowGR, arXiv:2506.16114, its detailed and trajectory balance; sub-trajectory balance is of
    arXiv:2209.12782. Rewards are given: no gradient goes into their signals.
    """

    balance: Literal["detailed", "trajectory", "sub_trajectory"] = "trajectory"
    """Which pairs of prefixes: neighbours, the empty one and the tuple (so F is needed as Z only), or all pairs."""
    gamma: PositiveFloat = 1.0
    """In `sub_trajectory` a pair k codes apart weighs gamma ** k; the weights of a trajectory add up to one."""
    clip: NonNegativeFloat = 0.0
    """Residuals (nats) beyond this count linearly; 0 means that none do."""

    def __call__(self, model: FlowModel, told: Trajectories, policy: Policy) -> Loss:
        """The squared residuals, summed over trajectories and users; the count is of users."""
        levels = policy.log_chances.shape[2]
        known = 1 if self.balance == "trajectory" else levels
        log_flow = model.log_flow(policy.states[:, :, :known]) if told.flows is None else told.flows[:, :, :known]
        log_reward = model.log_reward(told.signals.detach())
        with torch.autocast(log_reward.device.type, enabled=False):
            # g_l = log F(s_l) - log P(s_l): the residual of a pair is g_m - g_n.
            reached = policy.log_chances.float().cumsum(2)
            before = torch.cat([torch.zeros_like(reached[..., :1]), reached[..., : known - 1]], dim=2)
            g = torch.cat([log_flow.float() - before, (log_reward.float() - reached[..., -1])[..., None]], dim=2)
            losses = self._losses(g)
            total = losses.where(told.valid, 0).sum()
        count = torch.tensor(float(len(losses)), device=losses.device)
        return Loss(total, count, _notes(told, g, log_flow, log_reward))

    def _losses(self, g: Float[Tensor, "users asked prefixes"]) -> Float[Tensor, "users asked"]:
        """The loss of each trajectory; in `trajectory` balance there are two prefixes only."""
        if self.balance != "sub_trajectory":
            return self._squared(g[..., :-1] - g[..., 1:]).sum(2)
        first, last = torch.triu_indices(g.shape[2], g.shape[2], offset=1, device=g.device)
        weights = self.gamma ** (last - first)
        return (self._squared(g[..., first] - g[..., last]) * weights).sum(2) / weights.sum()

    def _squared(self, residuals: Tensor) -> Tensor:
        if not self.clip:
            return residuals.square()
        size = residuals.abs()
        within = size.clamp_max(self.clip)
        return within * (2 * size - within)


def _notes(told: Trajectories, g: Tensor, log_flow: Tensor, log_reward: Tensor) -> dict[str, Tensor]:
    """How far whole trajectories are from balance, and where Z and the rewards stand."""
    with torch.no_grad():
        log_z, rewards = log_flow[:, 0, 0].float(), log_reward.float().exp()
        mean = told.mean(rewards)
        return {
            "flow/residual": told.mean((g[..., 0] - g[..., -1]).abs()),
            "flow/log_z": log_z.mean(),
            "flow/log_z_spread": log_z.std(correction=0),
            "reward/total": mean,
            "reward/spread": told.mean((rewards - mean).square()).sqrt(),
        }
