"""The two flows: nothing leaks, learning and use say the same, and a history need only be read once.

The numbers are those of the verification list that the mechanism was built after.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from models.sessions import BATCHES, FACTS, SCHEMA, SIZES, batch_of, in_order, shown
from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.hstu import Hstu
from segue.core.batches import Rows
from segue.core.errors import SettingsError
from segue.core.impressions import Candidates, Impressions, RankingBatch
from segue.models.dual_flow_ranker import DualFlowRanker, DualFlowRankerModel
from segue.models.interleaved_ranker import InterleavedRanker

DEPTHS = st.integers(1, 3)
EXAMPLES = settings(max_examples=8, deadline=None)


def model_of(depth: int = 2, own: bool = False, actions: str = "true", heads: int = 2) -> DualFlowRankerModel:
    """Random weights in double precision, large enough to matter."""
    torch.manual_seed(0)
    trunk = Hstu(width=8, depth=depth, heads=heads, head_width=4, dropout=0.0, own=own)
    model = DualFlowRanker(width=4, hidden=(6,), actions=actions).build(trunk, SCHEMA, FACTS, BATCHES.length).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def answers(model: DualFlowRankerModel, impressions: Impressions) -> Tensor:
    """Log odds in the order of the impressions."""
    batch = batch_of(impressions)
    with torch.no_grad():
        return in_order(batch, model.logits(batch))


def requests_of(impressions: Impressions) -> Tensor:
    return torch.from_numpy(impressions.owners)


def users_of(impressions: Impressions) -> Tensor:
    return torch.from_numpy(impressions.histories.users[impressions.owners])


@given(sizes=SIZES, depth=DEPTHS, own=st.booleans(), seed=st.integers(0, 99))
@EXAMPLES
def test_1_an_action_is_seen_by_later_requests_of_its_user_alone(
    sizes: list[list[int]], depth: int, own: bool, seed: int
) -> None:
    model, before = model_of(depth, own), shown(sizes, seed)
    flipped = seed % len(before.items)
    actions = before.actions.copy()
    actions[flipped] = 1 - actions[flipped]
    moved = (answers(model, before) != answers(model, replace(before, actions=actions))).any(dim=1)
    requests, users = requests_of(before), users_of(before)
    later = (requests > requests[flipped]) & (users == users[flipped])
    assert torch.equal(moved, later)


@given(sizes=SIZES, depth=DEPTHS, seed=st.integers(0, 99))
@EXAMPLES
def test_1_the_gradient_to_what_is_not_yet_known_is_exactly_zero(sizes: list[list[int]], depth: int, seed: int) -> None:
    model, some = model_of(depth), shown(sizes, seed)
    batch = batch_of(some)
    batch = replace(batch, actions=batch.actions.requires_grad_())
    asked = seed % len(batch.items)
    (slopes,) = torch.autograd.grad(model.logits(batch)[asked].sum(), batch.actions)
    owner, at = batch.candidates.owners[asked], batch.candidates.at[asked]
    seen = (batch.events.rows.owners == owner) & (batch.events.rows.positions < at)
    assert torch.equal((slopes != 0).any(dim=1), seen)


@given(sizes=SIZES, depth=DEPTHS, own=st.booleans(), seed=st.integers(0, 99))
@EXAMPLES
def test_2_learning_from_all_requests_at_once_is_asking_each_alone(
    sizes: list[list[int]], depth: int, own: bool, seed: int
) -> None:
    model, every = model_of(depth, own), shown(sizes, seed)
    alone = [answers(model, every.take(torch.tensor([request]).numpy())) for request in range(len(every))]
    torch.testing.assert_close(answers(model.train(), every), torch.cat(alone), atol=1e-12, rtol=1e-12)


def test_3_what_is_asked_about_changes_nothing_of_what_is_read() -> None:
    model, batch = model_of(), batch_of(shown([[2, 1, 3], [1, 2]]))
    before = model.begin(batch)
    model.judge(before, batch)
    after = model.begin(asking(batch, torch.zeros(0, dtype=torch.long)))
    for one, other in zip(before.layers, after.layers, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def asking(batch: RankingBatch, some: Tensor) -> RankingBatch:
    """The batch with some of its questions."""
    owners, at, times = batch.candidates
    assert times is not None
    return replace(
        batch,
        items=batch.items[some],
        candidates=Candidates(owners[some], at[some], times[some]),
        places=batch.places[some],
        order=batch.order[some],
        labels=None,
        features={name: values[some] for name, values in batch.features.items()},
    )


@given(sizes=SIZES, own=st.booleans(), seed=st.integers(0, 99))
@EXAMPLES
def test_4_candidates_do_not_know_of_each_other(sizes: list[list[int]], own: bool, seed: int) -> None:
    model, batch = model_of(own=own), batch_of(shown(sizes, seed))
    together = model.logits(batch)
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(batch.items), generator=rng)[: 1 + len(batch.items) // 2]
    some = drawn[batch.candidates.owners[drawn].argsort(stable=True)]  # mixed within each row
    torch.testing.assert_close(model.logits(asking(batch, some)), together[some], atol=1e-12, rtol=1e-12)


@given(depth=DEPTHS, first=st.lists(st.integers(0, 4), min_size=3, max_size=3), more=st.integers(0, 3))
@EXAMPLES
def test_5_a_history_that_grows_is_as_one_that_is_read_at_once(depth: int, first: list[int], more: int) -> None:
    model, rng = model_of(depth), torch.Generator().manual_seed(more)
    new = [more, 0, 2]
    lengths = torch.tensor([first, new])
    pieces = [events_of(lengths, piece, rng) for piece in range(2)]
    whole = merged(lengths, *pieces)
    at_once = model.begin(whole)
    grown = model.append(model.begin(pieces[0]), pieces[1])
    assert torch.equal(grown.rows.offsets, at_once.rows.offsets)
    for one, other in zip(grown.layers, at_once.layers, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(model.judge(grown, whole), model.logits(whole), atol=1e-12, rtol=1e-12)


def events_of(lengths: Tensor, piece: int, rng: torch.Generator) -> RankingBatch:
    """Some events of three rows, which need not be in the order of their lengths, and four questions."""
    counts = lengths[piece]
    tokens = int(counts.sum())
    template = batch_of(shown([[1], [1], [1]]))
    rows = Rows(torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)]))
    times = 10_000 * piece + torch.randint(100, 10_000, (tokens,), generator=rng)
    return replace(
        template,
        events=replace(template.events, items=torch.randint(7, (tokens,), generator=rng), rows=rows, timestamps=times),
        actions=torch.randint(2, (tokens, 2), generator=rng).double(),
        items=torch.randint(7, (4,), generator=rng),
        candidates=Candidates(torch.tensor([0, 0, 1, 2]), lengths.sum(0)[[0, 0, 1, 2]], torch.full((4,), 30_000)),
        places=torch.full((4,), -1),
        order=torch.arange(4),
        labels=None,
        features={"position": torch.randint(4, (4,), generator=rng)},
    )


def merged(lengths: Tensor, one: RankingBatch, other: RankingBatch) -> RankingBatch:
    """The rows of one, each followed by those of the other."""
    owners = torch.cat([one.events.rows.owners, other.events.rows.owners])
    order = owners.argsort(stable=True)
    assert one.events.timestamps is not None
    assert other.events.timestamps is not None
    rows = Rows(torch.cat([torch.zeros(1, dtype=torch.long), lengths.sum(0).cumsum(0)]))
    events = replace(
        one.events,
        items=torch.cat([one.events.items, other.events.items])[order],
        timestamps=torch.cat([one.events.timestamps, other.events.timestamps])[order],
        rows=rows,
    )
    return replace(other, events=events, actions=torch.cat([one.actions, other.actions])[order])


@given(sizes=SIZES, depth=DEPTHS, seed=st.integers(0, 99))
@EXAMPLES
def test_6_a_candidate_with_the_true_action_that_sees_itself_is_its_real_token(
    sizes: list[list[int]], depth: int, seed: int
) -> None:
    model, batch = model_of(depth, own=True), batch_of(shown(sizes, seed))
    rows, times, vectors = batch.events.rows, batch.events.timestamps, model._real(batch)
    context = model.trunk.read(vectors, rows, times, states=True)
    judged = model.trunk.judge(context, vectors, Candidates(rows.owners, rows.positions, times))
    torch.testing.assert_close(judged, context.states, atol=1e-12, rtol=1e-12)


def test_7_who_has_no_history_gets_a_finite_answer_that_times_do_not_move() -> None:
    model = model_of()
    first = shown([[2], [1]])
    found = answers(model, first)
    assert found.isfinite().all()
    later = replace(first.histories, asked_at=first.histories.asked_at + 99_999)
    assert torch.equal(answers(model, replace(first, histories=later)), found)
    batch = batch_of(first)
    batch = replace(batch, actions=batch.actions.requires_grad_())
    model.logits(batch).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_8_visible_pairs_are_half_a_square_for_each_flow() -> None:
    batch = batch_of(shown([[1] * 9]))  # the last one is asked and not read: 8 events
    assert int((batch.events.rows.positions + 1).sum()) == 8 * 9 // 2
    fakes = batch.candidates.at[batch.places >= 0]
    assert int(fakes.sum()) == 8 * 7 // 2


def attention_flops(model: torch.nn.Module, batch: RankingBatch) -> int:
    """Multiplications and additions of attention in the forward pass: all batched products are attention's."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.logits(batch)
    return sum(flops for op, flops in counter.get_flop_counts()["Global"].items() if op is torch.ops.aten.bmm)


def long_batch(events: int, candidates: int) -> RankingBatch:
    """One row whose every event is asked about, or some candidates after all of them."""
    template = batch_of(shown([[1]]))
    count = candidates or events
    at = torch.full((count,), events) if candidates else torch.arange(events)
    return replace(
        template,
        events=replace(
            template.events,
            items=torch.arange(events) % 7,
            rows=Rows(torch.tensor([0, events])),
            timestamps=torch.arange(events),
        ),
        actions=torch.zeros(events, 2, dtype=torch.float64),
        items=torch.arange(count) % 7,
        candidates=Candidates(torch.zeros(count, dtype=torch.long), at, at),
        places=torch.full((count,), -1) if candidates else torch.arange(events),
        order=torch.arange(count),
        labels=None,
        features={"position": torch.zeros(count, dtype=torch.long)},
    )


def test_10_attention_costs_half_of_the_interleaved_layout_to_learn_and_up_to_a_quarter_to_use() -> None:
    events = 512
    trunk = Hstu(width=8, depth=1, heads=1, head_width=8, dropout=0.0, own=False)
    dual = DualFlowRanker(width=4).build(trunk, SCHEMA, FACTS, events).double()
    interleaved = InterleavedRanker(width=4).build(trunk.changed({"own": True}), SCHEMA, FACTS, events).double()
    read = long_batch(events, 0)
    # One layer, whose real flow is not asked: only the candidates' half is left, so count that flow twice.
    learning = attention_flops(interleaved, read) / (2 * attention_flops(dual, read))
    assert 1.8 < learning < 2.1
    two = trunk.changed({"depth": 2})
    dual = DualFlowRanker(width=4).build(two, SCHEMA, FACTS, events).double()
    interleaved = InterleavedRanker(width=4).build(two.changed({"own": True}), SCHEMA, FACTS, events).double().eval()
    asked = long_batch(events, 8)
    assert 3.5 < attention_flops(interleaved, asked) / attention_flops(dual, asked) < 4.0


def test_the_control_knows_no_action() -> None:
    model, before = model_of(actions="none"), shown([[2, 1, 3], [1, 2]])
    assert torch.equal(answers(model, replace(before, actions=1 - before.actions)), answers(model, before))


def test_facts_about_user_and_place_move_the_answer_of_their_own_request_alone() -> None:
    model, before = model_of(), shown([[2, 1, 3], [1, 2]])
    features = {"position": before.features["position"].copy()}
    features["position"][0] = (features["position"][0] + 1) % 4
    moved = (answers(model, replace(before, features=features)) != answers(model, before)).any(dim=1)
    assert moved.tolist() == [True] + [False] * 8


def test_a_window_that_moves_on_is_the_same_while_learning_and_in_use() -> None:
    torch.manual_seed(0)
    batches = BATCHES.changed({"history": 3, "slack": 2})
    model, every = model_of(), shown([[2, 1, 3, 1, 2, 2]])
    together = batch_of(every, batches)
    wanted = in_order(together, model.logits(together))
    for request in range(len(every)):
        alone = batch_of(every.take(torch.tensor([request]).numpy()), batches)
        torch.testing.assert_close(
            in_order(alone, model.logits(alone)), wanted[requests_of(every) == request], atol=1e-12, rtol=1e-12
        )


def test_a_trunk_that_cannot_judge_is_refused() -> None:
    for backbone in (None, CausalTransformer(width=8, heads=2)):
        with pytest.raises(SettingsError, match="hstu"):
            DualFlowRanker().build(backbone, SCHEMA, FACTS, 10)
