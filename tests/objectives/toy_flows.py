"""Trajectories whose rewards, flows and probabilities are known."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from segue.core.batches import Trajectories
from segue.core.trajectories import FlowModel, Policy


class KnownFlows(FlowModel):
    """log F of each prefix is given, and the one signal is the reward itself."""

    def __init__(self, log_flows: Tensor) -> None:
        super().__init__()
        self.log_flows = nn.Parameter(log_flows)

    def log_flow(self, states: Tensor) -> Tensor:
        return self.log_flows[:, :, : states.shape[2]]

    def log_reward(self, signals: Tensor) -> Tensor:
        return signals[..., 0].log()


def told(rewards: Tensor, valid: Tensor | None = None, **fields: object) -> Trajectories:
    """Trajectories with these rewards, `[users, asked]`."""
    users, asked = rewards.shape
    valid = torch.ones(users, asked, dtype=torch.bool) if valid is None else valid
    items, at = torch.arange(asked).expand(users, -1), torch.ones(users, dtype=torch.int64)
    return Trajectories(items, valid, at, rewards[..., None], **fields)  # type: ignore[arg-type]


def policy(log_chances: Tensor) -> Policy:
    """A policy that says this, from states that say nothing."""
    return Policy(log_chances, torch.zeros(*log_chances.shape, 1))


LEAF_REWARDS = torch.tensor([[1.0, 3.0, 2.0, 2.0]])
"""Two codes of two values each: the leaves 00, 01, 10 and 11."""


def toy_model() -> KnownFlows:
    """Z = 8, and 4 flows through each half."""
    return KnownFlows(torch.tensor([[[math.log(8), math.log(4)]] * 4]))


def leaf_chances(first: float, left: float, right: float) -> Tensor:
    """log P of the codes of each leaf, from P(0), P(0 | 0) and P(0 | 1)."""
    table = [[first, left], [first, 1 - left], [1 - first, right], [1 - first, 1 - right]]
    return torch.tensor([table]).log()
