"""What a trajectory is worth, by hand, and that nobody learns through it but the fusion."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.errors import DataError, SettingsError
from segue.core.ranking import NOTHING
from segue.core.trajectories import Reward
from segue.layers.trajectory_chances import log_chances
from segue.rewards.trajectory_value import TrajectoryValue
from trajectories.situations import generator, rng, shown_world, situation, walks_of

ITEMS = 20
SPLIT = walks_of([[0, 1, 2, 9, 9], [3, 4, 5, 9, 9]], ITEMS)
MODEL = generator(ITEMS, levels=4, size=3)
UTILITY = torch.linspace(0, 1, ITEMS)
PLAIN = TrajectoryValue(behaviour=0.0, utility="none")


def worth(reward: Reward, items: list[list[int]], split=SPLIT, **settings: object) -> Tensor:
    asked = situation(split, model=MODEL, utility=UTILITY, **settings)
    return reward.signals(asked, torch.tensor(items))


def test_the_three_signals_by_hand() -> None:
    codes = torch.from_numpy(MODEL.codes.codes)
    shared = [[4, int((codes[2] == codes[7]).sum())], [4, int((codes[5] == codes[8]).sum())]]
    told = worth(TrajectoryValue(behaviour=5.0), [[2, 7], [5, 8]])
    assert TrajectoryValue().names == ("behaviour", "utility", "overlap")
    expected = [[[5, 2 / 19, shared[0][0]], [0, 7 / 19, shared[0][1]]], [[5, 5 / 19, 4], [0, 8 / 19, shared[1][1]]]]
    torch.testing.assert_close(told, torch.tensor(expected))
    reward = TrajectoryValue(behaviour=5.0).build()
    torch.testing.assert_close(reward(told[0, 0]), torch.tensor(math.log(5 + 2 / 19 + 4)))


@given(positive=st.integers(0, ITEMS - 1), other=st.integers(0, ITEMS - 1))
def test_overlap_of_the_positive_is_the_levels_and_it_is_symmetric(positive: int, other: int) -> None:
    one = worth(PLAIN, [[positive, other]], walks_of([[0, positive, 9, 9]], ITEMS))
    back = worth(PLAIN, [[other, positive]], walks_of([[0, other, 9, 9]], ITEMS))
    assert float(one[0, 0, 0]) == 4
    assert float(one[0, 1, 0]) == float(back[0, 1, 0])


def test_overlap_counts_positions_and_not_a_common_beginning() -> None:
    codes = ItemCodes(np.array([[0, 1, 2], [1, 1, 2], [1, 2, 1], [0, 0, 0]]), (3, 3, 3))
    model = generator(4)
    model.codes, model.item_codes = codes, torch.from_numpy(codes.codes)
    asked = situation(walks_of([[1, 0, 3, 3]], 4), model=model)
    assert PLAIN.signals(asked, torch.tensor([[0, 1, 2, 3]]))[0, :, 0].tolist() == [3, 2, 0, 1]


def test_a_level_at_which_most_items_are_alike_does_not_count() -> None:
    """A code that only parts items with equal tuples is 0 for nearly all."""
    codes = ItemCodes(np.array([[0, 1, 0], [1, 1, 0], [1, 2, 0], [0, 0, 1]]), (3, 3, 2))
    model = generator(4)
    model.codes, model.item_codes = codes, torch.from_numpy(codes.codes)
    asked = situation(walks_of([[1, 0, 3, 3]], 4), model=model)
    assert PLAIN.signals(asked, torch.tensor([[0, 1, 2, 3]]))[0, :, 0].tolist() == [2, 1, 0, 1]


@given(order=st.permutations(range(5)))
def test_every_item_is_judged_for_itself(order: list[int]) -> None:
    items = [7, 8, 11, 15, 7]
    reward = TrajectoryValue(utility="own")
    one = worth(reward, [[2, *items], [5, *items]])
    other = worth(reward, [[2, *(items[place] for place in order)], [5, *(items[place] for place in order)]])
    torch.testing.assert_close(one[:, 1:][:, order], other[:, 1:])


def test_a_positive_that_was_drawn_is_worth_no_less() -> None:
    told = worth(TrajectoryValue(), [[7, 2], [8, 5]])
    torch.testing.assert_close(told[:, 1], worth(TrajectoryValue(), [[2, 7], [5, 8]])[:, 0])


def test_nothing_is_worth_nothing() -> None:
    told = worth(TrajectoryValue(utility="own"), [[2, NOTHING], [5, NOTHING]])
    assert (told[:, 1] == 0).all()
    assert TrajectoryValue(floor=0.02).build()(told[:, 1]).exp().tolist() == pytest.approx([0.02, 0.02])


SHOWN = [
    # user, item, time, taken; the columns like and click stand beside
    (0, 1, 0, 1), (0, 2, 9, 0),
    (0, 3, 5000, 1), (0, 4, 5001, 0), (0, 5, 5002, 0), (0, 6, 5003, 0), (0, 4, 5004, 0),
    (0, 8, 5005, 1), (0, 9, 5006, 1),
    (1, 10, 0, 1), (1, 11, 5, 1), (1, 12, 9000, 1), (1, 13, 9001, 1),
]  # fmt: skip
LIKE = [0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0]
CLICK = [1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1]


def actions(items: list[list[int]], **settings: object) -> list[list[float]]:
    reward = TrajectoryValue.parse(
        {"utility": "none", "overlap": False, "actions": {"like": 10, "click": 1}, **settings}
    )
    split = shown_world(SHOWN, ITEMS, like=LIKE, click=CLICK)
    return worth(reward, items, split)[..., 0].tolist()


def test_actions_are_worth_what_was_said_in_the_request_of_the_positive() -> None:
    # The positive was liked: 10. 4 was shown twice and clicked once, 5 only shown, 6 liked; 2 was liked on another day,
    # and 8 is held out, so nobody may know that it was liked in the same request. User 1's positive: taken, no more.
    values = actions([[3, 4, 5, 6, 2, 8, 17], [11, 10, 3, 4, 12, 13, 17]], behaviour=0.5)
    assert values == [[10, 1, 0, 10, 0, 0, 0], [0.5, 0, 0, 0, 0, 0, 0]]


def test_without_actions_only_the_positive_has_behaved() -> None:
    assert actions([[3, 4, 6], [11, 10, 3]], actions={}, behaviour=5) == [[5, 0, 0], [5, 0, 0]]


def test_an_unknown_action_says_what_there_is() -> None:
    with pytest.raises(DataError, match="no column 'share'; it has click, like"):
        actions([[3], [11]], actions={"share": 3})


def test_the_generators_own_utility_is_its_mean_chance_of_a_code() -> None:
    asked = situation(SPLIT, model=MODEL)
    items = torch.tensor([[2, 7], [5, 8]])
    told = TrajectoryValue(utility="own").signals(asked, items)[..., 1]
    with torch.no_grad():
        chances = log_chances(MODEL, MODEL.states_of(asked.batch, items), items)
    torch.testing.assert_close(told, chances.exp().prod(-1) ** 0.25)


@pytest.mark.parametrize("fusion", ["sum", "weighted", "deep"])
def test_no_gradient_into_the_signals(fusion: str) -> None:
    utility = UTILITY.clone().requires_grad_()
    for model in (MODEL, generator(ITEMS, levels=4, size=3)):
        asked = situation(SPLIT, model=model, utility=utility)
        for kind in ("collaborative", "own"):
            reward = TrajectoryValue(utility=kind, fusion=fusion)
            told = reward.signals(asked, torch.tensor([[2, 7], [5, 8]]))
            assert not told.requires_grad
            value = reward.build()(told).sum()
            if fusion != "sum":
                value.backward()
            assert value.requires_grad == (fusion != "sum")
        assert utility.grad is None
        assert all(weight.grad is None for weight in model.parameters())


SIGNALS = torch.rand(6, 4, 3, generator=rng(1)) * 4


@pytest.mark.parametrize("fusion", ["weighted", "deep"])
def test_learnt_fusion_starts_exactly_at_the_sum_and_its_prior_at_nothing(fusion: str) -> None:
    learnt = TrajectoryValue(fusion=fusion).build()
    assert torch.equal(learnt(SIGNALS), SIGNALS.sum(-1).log())
    assert learnt.prior().item() == pytest.approx(0.0, abs=1e-7)


def collapsed(fusion: str, pull: float) -> tuple[float, float]:
    """Mean R after learning to make it small, and the prior."""
    learnt = TrajectoryValue(fusion=fusion, pull=pull).build()
    optimizer = torch.optim.Adam(learnt.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        (learnt(SIGNALS).mean() + learnt.prior()).backward()
        optimizer.step()
    return learnt(SIGNALS).exp().mean().item(), learnt.prior().item()


@pytest.mark.learns
@pytest.mark.parametrize("fusion", ["weighted", "deep"])
def test_the_prior_keeps_a_learnt_fusion_from_collapsing(fusion: str, learning_seed: int) -> None:
    torch.manual_seed(learning_seed)
    plain = float(SIGNALS.sum(-1).mean())
    (free, _), (held, prior) = collapsed(fusion, 0.0), collapsed(fusion, 10.0)
    assert free < held < plain
    assert held > 0.9 * plain
    assert free > 0.45 * plain  # by its shape alone it cannot go to nothing
    assert prior > 0


def test_the_sum_learns_nothing() -> None:
    plain = TrajectoryValue().build()
    assert list(plain.parameters()) == []
    assert float(plain.prior()) == 0.0


@pytest.mark.parametrize("fusion", ["sum", "weighted", "deep"])
def test_log_reward_is_finite_and_has_a_floor(fusion: str) -> None:
    told = TrajectoryValue(fusion=fusion, floor=0.5).build()(torch.tensor([[0.0, 0, 0], [0.1, 0.1, 0], [1e6, 0, 0]]))
    assert told[:2].tolist() == pytest.approx([math.log(0.5)] * 2)
    assert told.isfinite().all()


def test_signals_can_be_dropped_but_not_all() -> None:
    assert TrajectoryValue(behaviour=0).names == ("utility", "overlap")
    assert TrajectoryValue(behaviour=0, actions={"click": 1}, overlap=False, utility="none").names == ("behaviour",)
    assert not TrajectoryValue(utility="own").needs_utility
    assert worth(PLAIN, [[2], [5]]).shape == (2, 1, 1)
    with pytest.raises(SettingsError, match="all dropped"):
        TrajectoryValue.parse({"behaviour": 0, "overlap": False, "utility": "none"})


def test_without_a_collaborative_model_it_says_so() -> None:
    with pytest.raises(SettingsError, match=r"reward\.utility to own or none"):
        TrajectoryValue().signals(situation(SPLIT, model=MODEL), torch.tensor([[2], [5]]))


def test_one_action_can_be_set_by_its_path() -> None:
    part = TrajectoryValue(actions={"like": 10, "click": 1}).changed({"actions.like": 5})
    assert part.actions == {"like": 5, "click": 1}
    assert Reward.parse(part.dump()) == part
