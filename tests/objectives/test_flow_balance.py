"""Flow balance: values by hand on a tree of four leaves, and what follows from the equations for any numbers."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from objectives.toy_flows import LEAF_REWARDS, KnownFlows, leaf_chances, policy, told, toy_model
from segue.objectives.flow_balance import FlowBalance

BALANCES = ["detailed", "trajectory", "sub_trajectory"]
FAR = [math.log(2) ** 2, math.log(2 / 3) ** 2, 0.0, 0.0]


def random_case(seed: int, levels: int) -> tuple[KnownFlows, torch.Tensor, torch.Tensor]:
    """A model, rewards `[2, 3]` and log chances of any size; at the root each user has one flow."""
    rng = torch.Generator().manual_seed(seed)
    flows = torch.randn(2, 3, levels, generator=rng)
    flows[..., 0] = flows[:, :1, 0]
    chances = torch.log_softmax(torch.randn(2, 3, levels, 5, generator=rng), -1)[..., 0]
    return KnownFlows(flows), torch.rand(2, 3, generator=rng) * 5 + 0.01, chances


@pytest.mark.parametrize("balance", BALANCES)
def test_a_balanced_tree_has_no_loss(balance: str) -> None:
    loss = FlowBalance(balance=balance)(toy_model(), told(LEAF_REWARDS), policy(leaf_chances(1 / 2, 1 / 4, 1 / 2)))
    assert loss.total.item() == pytest.approx(0.0, abs=1e-10)
    assert loss.notes["flow/residual"].item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("balance", "share"), [("detailed", 1.0), ("trajectory", 1.0), ("sub_trajectory", 2 / 3)])
def test_values_by_hand_under_an_even_policy(balance: str, share: float) -> None:
    """Of the three pairs of prefixes, one is balanced and two are off by as much as the leaf is."""
    assert [round(value, 5) for value in FAR] == [0.48045, 0.16440, 0, 0]
    for leaf, wanted in enumerate(FAR):
        only = torch.arange(4)[None] == leaf
        loss = FlowBalance(balance=balance)(
            toy_model(), told(LEAF_REWARDS, only), policy(leaf_chances(1 / 2, 1 / 2, 1 / 2))
        )
        assert loss.total.item() == pytest.approx(share * wanted, abs=1e-6)
        assert loss.count.item() == 1
        assert loss.notes["reward/total"].item() == pytest.approx(LEAF_REWARDS[0, leaf].item())


def test_gamma_weighs_pairs_by_how_far_apart_they_are() -> None:
    """The last code weighs 1/2 and the whole tuple 1/4, of 1/2 + 1/2 + 1/4."""
    loss = FlowBalance(balance="sub_trajectory", gamma=0.5)(
        toy_model(), told(LEAF_REWARDS), policy(leaf_chances(1 / 2, 1 / 2, 1 / 2))
    )
    assert loss.total.item() == pytest.approx(0.6 * sum(FAR), rel=1e-5)


def test_it_adds_up_over_trajectories_and_users() -> None:
    model, rewards, chances = random_case(1, 3)
    whole = FlowBalance()(model, told(rewards), policy(chances))
    residuals = model.log_flows[..., 0] + chances.sum(2) - rewards.log()
    assert whole.total.item() == pytest.approx(residuals.square().sum().item(), rel=1e-5)
    assert whole.count.item() == 2
    assert whole.notes["flow/residual"].item() == pytest.approx(residuals.abs().mean().item(), rel=1e-5)
    assert whole.notes["flow/log_z"].item() == pytest.approx(model.log_flows[:, 0, 0].mean().item(), rel=1e-5)
    assert whole.notes["flow/log_z_spread"].item() == pytest.approx(model.log_flows[:, 0, 0].diff().abs().item() / 2)
    assert whole.notes["reward/spread"].item() == pytest.approx(rewards.std(correction=0).item(), rel=1e-5)
    assert not any(note.requires_grad for note in whole.notes.values())


@pytest.mark.parametrize("balance", BALANCES)
def test_known_flows_stand_in_for_learnt_ones(balance: str) -> None:
    model, rewards, chances = random_case(3, 4)
    learnt = FlowBalance(balance=balance)(model, told(rewards), policy(chances))
    known = replace(told(rewards), flows=torch.cat([model.log_flows, rewards.log()[..., None]], -1))
    found = FlowBalance(balance=balance)(KnownFlows(torch.full_like(model.log_flows, 9.0)), known, policy(chances))
    assert found.total.item() == pytest.approx(learnt.total.item(), rel=1e-6)


@given(seed=st.integers(0, 10_000), levels=st.integers(1, 5))
def test_residuals_of_single_codes_add_up_to_that_of_the_tuple(seed: int, levels: int) -> None:
    """Telescoping, seen from outside: the gradient of a squared residual is twice the residual."""
    model, rewards, chances = random_case(seed, levels)
    chances.requires_grad_(True)
    (single,) = torch.autograd.grad(
        FlowBalance(balance="detailed")(model, told(rewards), policy(chances)).total, chances
    )
    (whole,) = torch.autograd.grad(FlowBalance()(model, told(rewards), policy(chances)).total, chances)
    torch.testing.assert_close(single.sum(2), whole[..., 0], rtol=1e-4, atol=1e-4)


@given(rewards=st.lists(st.floats(0.01, 20), min_size=4, max_size=4), off=st.floats(-2, 2))
def test_over_all_leaves_only_the_sum_of_rewards_is_a_balanced_z(rewards: list[float], off: float) -> None:
    values = torch.tensor([rewards])
    left, right = values[0, :2].sum(), values[0, 2:].sum()
    chances = leaf_chances(*(float(x) for x in (left / (left + right), values[0, 0] / left, values[0, 2] / right)))
    model = KnownFlows(torch.full((1, 4, 2), float(values.sum().log()) + off))
    loss = FlowBalance()(model, told(values), policy(chances))
    assert loss.total.item() == pytest.approx(4 * off**2, rel=1e-2, abs=1e-4)


def test_the_gradient_of_log_z_is_twice_the_residual_and_rewards_get_none() -> None:
    model = toy_model()
    rewards = LEAF_REWARDS.clone().requires_grad_(True)
    FlowBalance()(model, told(rewards), policy(leaf_chances(1 / 2, 1 / 2, 1 / 2))).total.backward()
    assert model.log_flows.grad is not None
    assert model.log_flows.grad[0, :, 0].tolist() == pytest.approx([2 * math.log(2), 2 * math.log(2 / 3), 0, 0])
    assert rewards.grad is None


def test_beyond_the_clip_a_residual_counts_linearly() -> None:
    """With a clip of 1/2 the residual log 2 costs log 2 - 1/4; log 2/3 lies within."""
    chances = leaf_chances(1 / 2, 1 / 2, 1 / 2).requires_grad_(True)
    loss = FlowBalance(clip=0.5)(toy_model(), told(LEAF_REWARDS), policy(chances))
    assert loss.total.item() == pytest.approx(math.log(2) - 1 / 4 + FAR[1], rel=1e-5)
    loss.total.backward()
    assert chances.grad is not None
    assert chances.grad[0, :, 0].tolist() == pytest.approx([1.0, 2 * math.log(2 / 3), 0, 0], abs=1e-6)


def test_what_was_not_offered_counts_for_nothing() -> None:
    model, rewards, chances = random_case(2, 3)
    valid = torch.tensor([[True, False, True], [True, True, False]])
    other = chances.masked_fill(~valid[..., None], -50.0).requires_grad_(True)
    loss = FlowBalance(balance="sub_trajectory")(model, told(rewards, valid), policy(other))
    same = FlowBalance(balance="sub_trajectory")(model, told(rewards, valid), policy(chances))
    assert loss.total.item() == pytest.approx(same.total.item(), rel=1e-6)
    assert loss.notes["flow/residual"].item() == pytest.approx(same.notes["flow/residual"].item(), rel=1e-6)
    loss.total.backward()
    assert other.grad is not None
    assert (other.grad[~valid] == 0).all()
    assert (other.grad[valid] != 0).all()


@pytest.mark.parametrize("balance", BALANCES)
def test_training_draws_leaves_in_proportion_to_their_rewards(balance: str) -> None:
    """A table of logits and of flows, trained on all four leaves: 100,000 draws pass a chi-square test (p > 0.001)."""
    logits = nn.Parameter(torch.zeros(3, 2))  # at the root, below 0, below 1
    flows = nn.Parameter(torch.zeros(3))
    rewards = told(LEAF_REWARDS)
    objective = FlowBalance(balance=balance)
    model = KnownFlows(torch.zeros(1, 4, 2))
    optimiser = torch.optim.LBFGS([logits, flows], max_iter=200, line_search_fn="strong_wolfe")

    def chances() -> torch.Tensor:
        log_p = torch.log_softmax(logits, 1)
        return torch.stack([log_p[0, [0, 0, 1, 1]], log_p[[1, 1, 2, 2], [0, 1, 0, 1]]], 1)[None]

    def loss() -> torch.Tensor:
        del model.log_flows
        model.log_flows = torch.stack([flows[[0, 0, 0, 0]], flows[[1, 1, 2, 2]]], 1)[None]
        return objective(model, rewards, policy(chances())).total

    def close() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(close)
    assert objective(model, rewards, policy(chances())).notes["flow/residual"].item() < 1e-3
    assert flows[0].exp().item() == pytest.approx(8.0, rel=2e-3)
    leaves = chances().sum(2).exp()[0].detach()
    rng = torch.Generator().manual_seed(7)
    drawn = torch.multinomial(leaves, 100_000, replacement=True, generator=rng).bincount(minlength=4)
    wanted = LEAF_REWARDS[0] / 8 * 100_000
    assert ((drawn - wanted).square() / wanted).sum().item() < 16.27  # three degrees of freedom
