"""Policy gradient within a group: items that earn more than the others of their group become more probable."""

from __future__ import annotations

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from segue.core.batches import Trajectories
from segue.core.forms import Loss
from segue.core.shapes import Float
from segue.core.trajectories import FlowModel, Policy, TrajectoryObjective

EPSILON = 1e-4
"""Keeps the advantages of a group with nearly equal rewards finite."""


class PolicyGradient(TrajectoryObjective):
    """GRPO: the clipped ratio to the policy that drew the items, times how far a reward lies above its group's mean.

    Advantages are (R - mean) / (standard deviation + epsilon) over the trajectories of one user. Ratios are of codes,
    and each code has the advantage of its item; where items are drawn anew for every step, ratios differ from one by
    dropout alone. The frozen model is held near by the estimator exp(d) - d - 1, d = log P_frozen - log P, at each
    code.

    Source: DeepSeekMath, arXiv:2402.03300, equations 3 and 4; all items have equally many codes, so the mean over codes
    is the same for all.
    """

    clip: PositiveFloat = 0.2
    """How far a ratio may move from 1 before it stops to count."""
    kl: NonNegativeFloat = 0.04
    """Weight of the divergence from the frozen model."""

    @property
    def needs_reference(self) -> bool:
        """A divergence that weighs nothing is not computed."""
        return self.kl > 0

    @property
    def needs_before(self) -> bool:
        """Ratios are to the policy that drew the items."""
        return True

    def __call__(self, model: FlowModel, told: Trajectories, policy: Policy) -> Loss:
        """The mean over codes and valid trajectories of each user, summed over users; the count is of users."""
        assert told.before is not None, "ratios are to the policy that drew the items"
        now = policy.log_chances.float()
        with torch.no_grad():
            rewards = model.log_reward(told.signals).float().exp()
            advantages = self._advantages(rewards, told)[..., None]
        with torch.autocast(now.device.type, enabled=False):
            ratios = (now - told.before.float()).exp()
            clipped = ratios.clamp(1 - self.clip, 1 + self.clip)
            losses = -torch.minimum(ratios * advantages, clipped * advantages)
            divergence = torch.zeros_like(now)
            if self.kl:
                assert told.reference is not None, "the policy is held near a frozen model"
                apart = told.reference.float() - now
                divergence = apart.exp() - apart - 1
            each = (losses + self.kl * divergence).mean(2).where(told.valid, 0)
            total = (each.sum(1) / told.valid.sum(1).clamp_min(1)).sum()
        with torch.no_grad():
            notes = {
                "reward/total": told.mean(rewards),
                "policy/kl": told.mean(divergence.mean(2)),
                "policy/clipped": told.mean((ratios != clipped).float().mean(2)),
            }
        return Loss(total, torch.tensor(float(len(now)), device=now.device), notes)

    def _advantages(self, rewards: Tensor, told: Trajectories) -> Float[Tensor, "users asked"]:
        """What each trajectory earns above its group, in standard deviations; exactly 0 where all earn the same."""
        valid = told.valid
        count = valid.sum(1, keepdim=True).clamp_min(1)
        off = (rewards - rewards.where(valid, 0).sum(1, keepdim=True) / count).where(valid, 0)
        spread = (off.square().sum(1, keepdim=True) / count).sqrt()
        highest = rewards.masked_fill(~valid, -torch.inf).amax(1, keepdim=True)
        lowest = rewards.masked_fill(~valid, torch.inf).amin(1, keepdim=True)
        return (off / (spread + EPSILON)).where(highest > lowest, 0)
