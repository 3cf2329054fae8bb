"""Items and actions in turn: what an item's token sees while learning, and what a candidate sees in use."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.sessions import BATCHES, FACTS, SCHEMA, SIZES, batch_of, in_order, shown
from segue.backbones.hstu import Hstu
from segue.core.errors import SettingsError
from segue.core.impressions import Impressions
from segue.models.interleaved_ranker import InterleavedRanker, InterleavedRankerModel

EXAMPLES = settings(max_examples=8, deadline=None)
TRUNK = Hstu(width=8, depth=2, heads=2, head_width=4, dropout=0.0, own=True)


def model_of(depth: int = 2, apart: bool = True, session_aware: bool = False) -> InterleavedRankerModel:
    """Random weights in double precision, large enough to matter."""
    torch.manual_seed(0)
    part = InterleavedRanker(width=4, hidden=(6,), apart=apart, session_aware=session_aware)
    model = part.build(TRUNK.changed({"depth": depth}), SCHEMA, FACTS, BATCHES.length).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def answers(model: InterleavedRankerModel, impressions: Impressions) -> Tensor:
    """Log odds in the order of the impressions."""
    batch = batch_of(impressions)
    with torch.no_grad():
        return in_order(batch, model.logits(batch))


def moved_by_flipping(model: InterleavedRankerModel, before: Impressions, event: int) -> Tensor:
    """Whose answers change with the action of an event."""
    actions = before.actions.copy()
    actions[event] = 1 - actions[event]
    return (answers(model, before) != answers(model, replace(before, actions=actions))).any(dim=1)


@pytest.mark.parametrize("apart", [True, False])
@given(sizes=SIZES, depth=st.integers(1, 3), seed=st.integers(0, 99))
@EXAMPLES
def test_9_in_use_an_action_is_seen_by_later_requests_of_its_user_alone(
    apart: bool, sizes: list[list[int]], depth: int, seed: int
) -> None:
    before = shown(sizes, seed)
    flipped = seed % len(before.items)
    requests, users = torch.from_numpy(before.owners), torch.from_numpy(before.histories.users[before.owners])
    moved = moved_by_flipping(model_of(depth, apart), before, flipped)
    later = (requests > requests[flipped]) & (users == users[flipped])
    assert not (moved & ~later).any()
    if apart:
        assert torch.equal(moved, later)


@pytest.mark.parametrize("apart", [True, False])
@given(sizes=SIZES, depth=st.integers(1, 3), seed=st.integers(0, 99))
@EXAMPLES
def test_9_while_learning_no_item_sees_its_own_action_or_a_later_one(
    apart: bool, sizes: list[list[int]], depth: int, seed: int
) -> None:
    before = shown(sizes, seed)
    flipped = seed % len(before.items)
    moved = moved_by_flipping(model_of(depth, apart).train(), before, flipped)
    assert not moved[: flipped + 1].any()


def test_while_learning_items_see_the_actions_of_their_own_request_as_published() -> None:
    # Two requests of two; the second is no event that anybody looks back at, so its items are judged as in use.
    moved = moved_by_flipping(model_of().train(), shown([[2, 2]]), 0)
    assert moved.tolist() == [False, True, True, True]


@pytest.mark.parametrize("apart", [True, False])
@given(sizes=SIZES, depth=st.integers(1, 3), seed=st.integers(0, 99))
@EXAMPLES
def test_who_is_session_aware_learns_what_it_will_be_asked(
    apart: bool, sizes: list[list[int]], depth: int, seed: int
) -> None:
    model, some = model_of(depth, apart, session_aware=True), shown(sizes, seed)
    in_use = answers(model, some)
    torch.testing.assert_close(answers(model.train(), some), in_use, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("apart", [True, False])
@given(sizes=SIZES, depth=st.integers(1, 3), seed=st.integers(0, 99))
@EXAMPLES
def test_where_requests_show_one_item_learning_and_use_are_the_same(
    apart: bool, sizes: list[list[int]], depth: int, seed: int
) -> None:
    model, alone = model_of(depth, apart), shown([[1 for _ in user] for user in sizes], seed)
    in_use = answers(model, alone)
    torch.testing.assert_close(answers(model.train(), alone), in_use, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("apart", [True, False])
def test_who_has_no_history_gets_a_finite_answer(apart: bool) -> None:
    assert answers(model_of(apart=apart), shown([[2], [1]])).isfinite().all()


@pytest.mark.parametrize("apart", [True, False])
def test_all_questions_together_are_each_alone(apart: bool) -> None:
    model, every = model_of(apart=apart), shown([[2, 1, 3], [1, 2]])
    alone = [answers(model, every.take(torch.tensor([request]).numpy())) for request in range(len(every))]
    torch.testing.assert_close(answers(model, every), torch.cat(alone), atol=1e-12, rtol=1e-12)


def test_a_trunk_whose_candidates_do_not_see_themselves_is_refused() -> None:
    for backbone in (None, TRUNK.changed({"own": False})):
        with pytest.raises(SettingsError, match="backbone"):
            InterleavedRanker().build(backbone, SCHEMA, FACTS, 10)
