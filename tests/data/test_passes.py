"""Requests share passes over histories, and each still sees exactly the events that the rule says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.core.impressions import UNKNOWN, Impressions
from segue.core.tables import NOBODY, Histories
from segue.data.passes import SharedHistory
from segue.testing.requests import parity_requests

SIZES = st.lists(st.lists(st.integers(1, 4), max_size=6), min_size=1, max_size=5)


def requests_of(sizes: list[list[int]]) -> Impressions:
    """The requests of some users by their sizes: event i has item 10 i, time 7 i and the action i % 2."""
    per_user = [sum(row) for row in sizes]
    events = sum(per_user)
    offsets = np.concatenate([[0], np.cumsum(per_user)]).astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum([size for row in sizes for size in row])]).astype(np.int64)
    users = np.repeat(np.arange(len(sizes)), [len(row) for row in sizes])
    actions = (np.arange(events) % 2).astype(np.int8)[:, None]
    return Impressions(
        histories=Histories(
            items=np.arange(events) * 10,
            starts=offsets[users],
            ends=bounds[:-1],
            users=users,
            timestamps=np.arange(events) * 7,
            asked_at=bounds[:-1] * 7,
        ),
        actions=actions,
        items=np.arange(events) * 10,
        bounds=bounds,
        labels=actions,
        events=np.arange(events),
        features={"event": np.arange(events) + 1},
        users={"number": np.arange(len(sizes)) + 100},
    )


@settings(max_examples=60)
@given(SIZES, st.integers(1, 5), st.integers(0, 5), st.integers(1, 6), st.randoms(use_true_random=False))
def test_every_request_sees_the_events_that_the_rule_says(sizes, history, slack, shown, random):
    every = requests_of(sizes)
    chosen = [row for row in range(len(every)) if random.random() < 0.7]
    random.shuffle(chosen)
    asked = every.take(np.array(chosen, dtype=np.int64))
    batches = SharedHistory(history=history, slack=slack, shown=shown)
    passes, chunks = batches.in_order(asked)
    answered = []
    for rows in chunks:
        batch = batches.batch(passes, rows)
        offsets, lengths = batch.events.rows.offsets.numpy(), batch.events.rows.lengths.numpy()
        assert (lengths <= history + slack).all()
        assert (np.diff(lengths) >= 0).all()
        assert (np.diff(batch.candidates.owners.numpy()) >= 0).all()
        for place in range(len(batch.items)):
            original = int(batch.order[place])
            answered.append(original)
            request, event = int(asked.owners[original]), int(asked.events[original])
            owner, at = int(batch.candidates.owners[place]), int(batch.candidates.at[place])
            begin = int(offsets[owner])
            # What it sees: the newest events before the request, `history` of them and at most `slack` more.
            start, end = int(asked.histories.starts[request]), int(asked.histories.ends[request])
            seen = batch.events.items[begin : begin + at].tolist()
            assert seen == [10 * one for one in range(end - at, end)]
            assert min(history, end - start) <= at <= min(history + slack, end - start)
            assert batch.actions[begin : begin + at, 0].tolist() == [one % 2 for one in range(end - at, end)]
            assert at <= lengths[owner]
            # What is asked, and what goes with it.
            assert int(batch.items[place]) == 10 * event
            assert int(batch.labels[place, 0]) == event % 2
            assert int(batch.candidates.times[place]) == 7 * end
            assert int(batch.features["event"][place]) == event + 1
            user = int(asked.histories.users[request])
            assert int(batch.events.users[owner]) == user
            assert int(batch.users["number"][owner]) == user + 100
            # The token of the very same impression, where the pass goes that far, and never a token that it sees.
            token = int(batch.places[place])
            inside = event < end - at + int(lengths[owner])
            assert token == (begin + event - (end - at) if inside else -1)
            assert token == -1 or token >= begin + at
    assert sorted(answered) == list(range(len(asked.items)))


def test_neighbours_share_a_pass_until_the_window_is_full():
    # One user with ten requests of one item; windows hold 2 events and at most 3 more.
    every = requests_of([[1] * 10])
    passes = SharedHistory(history=2, slack=3).passes(every)
    assert np.stack([passes.windows.starts, passes.windows.ends]).T.tolist() == [[0, 5], [4, 9]]
    assert passes.bounds.tolist() == [0, 6, 10]  # the requests after 0 to 5 events, and after 6 to 9
    assert len(SharedHistory(history=2, slack=0).passes(every)) == 8
    assert len(SharedHistory(history=9, slack=0).passes(every)) == 1


def test_users_never_share_a_pass():
    passes = SharedHistory(history=50).passes(requests_of([[1, 2], [], [3], [1, 1, 1]]))
    assert passes.windows.users.tolist() == [0, 2, 3]
    assert passes.windows.lengths.tolist() == [1, 0, 2]


def test_learning_from_the_latest_request_of_each_pass_alone():
    every = requests_of([[2, 1, 3], [1]])
    batches = SharedHistory(history=4, latest=True)
    passes, chunks = batches.epoch(every, np.random.default_rng(0))
    assert sorted(np.concatenate(chunks).tolist()) == [0, 1]
    batch = batches.batch(passes, np.array([0, 1]))
    assert batch.items.tolist() == [60, 30, 40, 50]
    assert batch.candidates.at.tolist() == [0, 3, 3, 3]
    assert batch.order.tolist() == [6, 3, 4, 5]
    assert batch.places.tolist() == [-1] * 4
    assert len(SharedHistory(history=4).in_order(every)[0].impressions) == 4  # all of them are asked


def test_an_epoch_learns_every_impression_once():
    learnt = parity_requests().learnt
    batches = SharedHistory(history=4, slack=4, users=7)
    passes, chunks = batches.epoch(learnt, np.random.default_rng(0))
    seen = np.concatenate([batches.batch(passes, rows).order.numpy() for rows in chunks])
    assert sorted(seen.tolist()) == list(range(len(learnt.items)))
    assert max(len(rows) for rows in chunks) == 7


def test_what_was_drawn_is_no_token_and_nobody_knows_strangers():
    history = Histories.from_lists([[], [10, 20]])
    strange = Impressions(
        histories=history,
        actions=np.ones((2, 1), dtype=np.int8),
        items=np.array([10, 20, 10]),
        bounds=np.array([0, 1, 3]),
        labels=np.full((3, 1), UNKNOWN, dtype=np.int8),
        events=np.full(3, -1),
        users={"number": np.array([5, 6])},
    )
    assert history.users.tolist() == [NOBODY] * 2
    batches = SharedHistory(history=3)
    passes, (rows,) = batches.in_order(strange)
    batch = batches.batch(passes, rows)
    assert batch.places.tolist() == [-1] * 3
    assert set(batch.users["number"].tolist()) == {0}
    assert batch.candidates.at.tolist() == [0, 2, 2]
    assert batch.candidates.times is None


def test_no_requests_are_no_batches():
    nothing = requests_of([[1, 2]]).take(np.zeros(0, dtype=np.int64))
    passes, chunks = SharedHistory().in_order(nothing)
    assert len(passes) == 0
    assert chunks == []


@pytest.mark.parametrize("slack", [0, 3])
def test_the_same_requests_one_by_one_see_the_same(slack):
    """What a request sees does not depend on which others are asked with it."""
    every = requests_of([[2, 3, 1, 2, 4], [1, 1, 5, 2]])
    batches = SharedHistory(history=3, slack=slack)
    together = batches.passes(every)
    batch = batches.batch(together, np.arange(len(together)))
    seen = dict(zip(batch.order.tolist(), batch.candidates.at.tolist(), strict=True))
    for row in range(len(every)):
        alone = every.take(np.array([row]))
        one = batches.batch(batches.passes(alone), np.array([0]))
        assert one.candidates.at.tolist() == [seen[place] for place in range(*every.bounds[row : row + 2])]
        assert one.events.rows.lengths.tolist() == one.candidates.at[:1].tolist()
