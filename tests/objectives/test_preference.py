"""Preferences: DPO by its formula, several losers by hand, and who wins where rewards decide."""

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from objectives.toy_flows import KnownFlows, policy, told
from segue.core.errors import SettingsError
from segue.core.forms import Loss
from segue.objectives.preference import Preference


def some(users: int, asked: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log chances of two codes, those of a frozen model, and rewards."""
    rng = torch.Generator().manual_seed(seed)
    now, frozen = -torch.rand(2, users, asked, 2, generator=rng) * 3
    return now, frozen, torch.rand(users, asked, generator=rng) + 0.1


def measured(objective: Preference, now: torch.Tensor, **fields: torch.Tensor) -> Loss:
    rewards = fields.pop("rewards", torch.ones(now.shape[:2]))
    return objective(KnownFlows(torch.zeros(1)), told(rewards, **fields), policy(now))


def test_with_one_loser_it_is_dpo() -> None:
    now, frozen, _ = some(5, 2)
    loss = measured(Preference(beta=0.3), now, reference=frozen)
    gains = 0.3 * (now - frozen).sum(2)
    assert loss.total.item() == pytest.approx(-logsigmoid(gains[:, 0] - gains[:, 1]).sum().item(), rel=1e-5)
    assert loss.count.item() == 5
    assert loss.notes["preference/won"].item() == pytest.approx((gains[:, 0] > gains[:, 1]).float().mean().item())
    assert loss.notes["preference/margin"].item() == pytest.approx((gains[:, 0] - gains[:, 1]).mean().item(), rel=1e-4)


def test_two_losers_by_hand() -> None:
    """Gains of 0, log 2 and log 3 make -log sigmoid(-log(2 + 3)) = log 6."""
    now = torch.tensor([[[0.0, 0.0], [math.log(2), 0.0], [0.0, math.log(3)]]]) - 2
    loss = measured(Preference(), now, reference=torch.full_like(now, -2.0))
    assert loss.total.item() == pytest.approx(math.log(6), rel=1e-5)
    assert loss.notes["preference/won"].item() == 0
    assert loss.notes["preference/margin"].item() == pytest.approx(-math.log(6) / 2, rel=1e-5)


def test_a_model_that_has_not_moved_prefers_nothing() -> None:
    now, _, _ = some(1, 4)
    assert measured(Preference(), now, reference=now).total.item() == pytest.approx(math.log(4), rel=1e-5)


def test_the_best_reward_against_the_worst() -> None:
    now, frozen, _ = some(1, 4)
    rewards = torch.tensor([[2.0, 9.0, 5.0, 0.5]])
    valid = torch.tensor([[True, False, True, True]])  # the highest reward was not offered
    chances = now.clone().requires_grad_(True)
    loss = measured(Preference(pairs="best_worst"), chances, reference=frozen, rewards=rewards, valid=valid)
    gains = (now - frozen).sum(2)[0]
    assert loss.total.item() == pytest.approx(-logsigmoid(gains[2] - gains[3]).item(), rel=1e-5)
    loss.total.backward()
    assert chances.grad is not None
    assert (chances.grad != 0).any(2).tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("pairs", ["positive", "best_worst"])
def test_who_has_no_loser_counts_for_nothing(pairs: str) -> None:
    now, frozen, rewards = some(3, 3)
    alone_at_best = [False, True, True] if pairs == "positive" else [False, True, False]  # no winner, or no loser
    valid = torch.tensor([[True, True, True], alone_at_best, [False, False, False]])
    chances = now.clone().requires_grad_(True)
    loss = measured(Preference(pairs=pairs), chances, reference=frozen, rewards=rewards, valid=valid)
    alone = measured(Preference(pairs=pairs), now[:1], reference=frozen[:1], rewards=rewards[:1])
    assert loss.count.item() == 1
    assert loss.total.item() == pytest.approx(alone.total.item(), rel=1e-6)
    assert loss.notes["preference/margin"].item() == pytest.approx(alone.notes["preference/margin"].item(), rel=1e-5)
    loss.mean.backward()
    assert chances.grad is not None
    assert chances.grad.isfinite().all()
    assert (chances.grad[1:] == 0).all()


def test_nobody_with_a_loser_is_a_loss_of_zero() -> None:
    now, frozen, _ = some(2, 3)
    loss = measured(Preference(pairs="best_worst"), now, reference=frozen)  # all rewards are equal
    assert loss.mean.item() == 0
    assert loss.notes["preference/won"].item() == 0


def test_without_the_positive_it_says_so() -> None:
    now, frozen, rewards = some(2, 3)
    with pytest.raises(SettingsError, match="positive"):
        Preference()(KnownFlows(torch.zeros(1)), told(rewards, reference=frozen, positive=False), policy(now))
