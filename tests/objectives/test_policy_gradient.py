"""Policy gradient: two items by hand, clipping, and a group that has nothing to say."""

import math

import pytest
import torch

from objectives.toy_flows import KnownFlows, policy, told
from segue.core.forms import Loss
from segue.objectives.policy_gradient import PolicyGradient

NOW = torch.tensor([[[0.5, 0.25], [0.2, 0.1]]]).log()
REWARDS = torch.tensor([[3.0, 1.0]])
"""A mean of 2 and a standard deviation of 1: advantages of 1 and -1."""


def measured(objective: PolicyGradient, now: torch.Tensor, rewards: torch.Tensor, **fields: torch.Tensor) -> Loss:
    return objective(KnownFlows(torch.zeros(1)), told(rewards, **fields), policy(now))


def test_drawn_by_this_very_policy_it_is_the_policy_gradient() -> None:
    """With all ratios at 1 the gradient of log P is -advantage over the number of codes and items."""
    now = NOW.clone().requires_grad_(True)
    loss = measured(PolicyGradient(kl=0.0), now, REWARDS, before=NOW)
    assert loss.total.item() == pytest.approx(0.0, abs=1e-6)
    assert loss.notes["reward/total"].item() == pytest.approx(2.0)
    assert loss.notes["policy/clipped"].item() == 0
    loss.total.backward()
    assert now.grad is not None
    assert now.grad.flatten().tolist() == pytest.approx([-1 / 4, -1 / 4, 1 / 4, 1 / 4], rel=1e-3)


def test_a_ratio_counts_until_it_is_clipped() -> None:
    """Ratios 1.5 and 1.1 for the better item, 0.5 and 1.5 for the worse; a clip never makes a mistake look smaller."""
    before = NOW - torch.tensor([[[1.5, 1.1], [0.5, 1.5]]]).log()
    now = NOW.clone().requires_grad_(True)
    loss = measured(PolicyGradient(kl=0.0), now, REWARDS, before=before)
    wanted = -(1.2 + 1.1) / 4 + (0.8 + 1.5) / 4
    assert loss.total.item() == pytest.approx(wanted, abs=1e-3)
    assert loss.notes["policy/clipped"].item() == pytest.approx(3 / 4)
    loss.total.backward()
    assert now.grad is not None
    assert now.grad.flatten().tolist() == pytest.approx([0, -1.1 / 4, 0, 1.5 / 4], abs=1e-3)


def test_equal_rewards_leave_the_divergence_alone() -> None:
    rewards = torch.full((1, 3), 0.1)
    now = torch.tensor([[[0.5], [0.2], [0.1]]]).log().requires_grad_(True)
    frozen = torch.tensor([[[0.25], [0.2], [0.2]]]).log()
    loss = measured(PolicyGradient(kl=0.5), now, rewards, before=frozen, reference=frozen)
    each = [0.5 - math.log(0.5) - 1, 0.0, 2 - math.log(2) - 1]
    assert loss.total.item() == pytest.approx(0.5 * sum(each) / 3, rel=1e-5)
    assert loss.notes["policy/kl"].item() == pytest.approx(sum(each) / 3, rel=1e-5)
    loss.total.backward()
    assert now.grad is not None
    assert now.grad.flatten().tolist() == pytest.approx([0.5 * (1 - 0.5) / 3, 0.0, 0.5 * (1 - 2) / 3], rel=1e-5)


def test_equal_rewards_are_equal_though_their_mean_is_rounded() -> None:
    """In float32 the mean of seven times 0.7 is not 0.7."""
    now = torch.full((1, 7, 1), -1.0, requires_grad=True)
    measured(PolicyGradient(kl=0.0), now, torch.full((1, 7), 0.7), before=now.detach()).total.backward()
    assert now.grad is not None
    assert (now.grad == 0).all()


def test_what_was_not_offered_is_no_part_of_its_group() -> None:
    valid = torch.tensor([[True, True, False], [False, False, False]])
    now = torch.cat([NOW, torch.full((1, 1, 2), -40.0)], 1).repeat(2, 1, 1).requires_grad_(True)
    rewards = torch.tensor([[3.0, 1.0, 50.0]]).repeat(2, 1)
    before = now.detach() - 0.1
    loss = measured(PolicyGradient(), now, rewards, before=before, reference=before + 1, valid=valid)
    alone = measured(PolicyGradient(), NOW, REWARDS, before=NOW - 0.1, reference=NOW + 0.9)
    assert loss.total.item() == pytest.approx(alone.total.item(), abs=1e-6)
    assert loss.count.item() == 2
    assert loss.notes["reward/total"].item() == pytest.approx(2.0)
    loss.total.backward()
    assert now.grad is not None
    assert (now.grad[~valid] == 0).all()
    assert (now.grad[valid] != 0).all()


def test_a_frozen_model_is_asked_only_where_it_weighs() -> None:
    assert PolicyGradient().needs_reference
    assert not PolicyGradient(kl=0.0).needs_reference
    assert PolicyGradient().needs_before
