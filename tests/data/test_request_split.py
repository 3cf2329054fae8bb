"""Requests by time, and the last events of users against drawn items."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segue.core.errors import DataError
from segue.core.impressions import UNKNOWN, Field, Impressions
from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.data.request_split import LastEvent, RequestsByTime
from segue.simulation.world import World

Event = tuple[int, int, float, float]
"""Item, time, click, like."""


def dataset_of(users: list[list[Event]], items: int = 10, **columns: list[float]) -> Dataset:
    events = [event for user in users for event in user]
    lengths = [len(user) for user in users]
    table = np.array(events, dtype=np.float64).reshape(-1, 4)
    log = InteractionLog(
        items=table[:, 0].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        users=pl.DataFrame({"user_id": [f"u{user}" for user in range(len(users))], "age": [10.0] * len(users)}),
        timestamps=table[:, 1].astype(np.int64),
        columns={"click": table[:, 2], "like": table[:, 3]}
        | {name: np.array(values) for name, values in columns.items()},
    )
    table_of_items = {"item_id": [f"i{item}" for item in range(items)], "categories": [["even", "odd"]] * items}
    return Dataset("small", log, Catalog(pl.DataFrame(table_of_items)), "none")


SMALL = dataset_of(
    [
        # two requests before 100, then one that begins before 100 and ends after it, then one in the test
        [(0, 0, 1, 0), (1, 10, 0, 0), (2, 50, 1, 1), (3, 99, 0, 0), (4, 101, 1, 0), (5, 200, 0, 1)],
        # one in the test that has no history
        [(6, 150, 1, 0)],
    ]
)
RULE = RequestsByTime(gap=10, at=100, validation_ratio=0)


def shown(impressions: Impressions) -> list[list[int]]:
    """The items of each request."""
    return [impressions.items[low:high].tolist() for low, high in zip(*_bounds(impressions), strict=True)]


def seen(impressions: Impressions) -> list[list[int]]:
    """The items of each history."""
    histories = impressions.histories
    return [histories.items[low:high].tolist() for low, high in zip(histories.starts, histories.ends, strict=True)]


def _bounds(impressions: Impressions) -> tuple[np.ndarray, np.ndarray]:
    return impressions.bounds[:-1], impressions.bounds[1:]


def test_requests_are_not_cut_apart_and_look_back_at_everything_before_them():
    split = RULE.cut(SMALL, seed=0)
    assert shown(split.learnt) == [[0, 1], [2], [3, 4]]
    assert seen(split.learnt) == [[], [0, 1], [0, 1, 2]]
    assert shown(split.asked) == [[5], [6]]
    assert seen(split.asked) == [[0, 1, 2, 3, 4], []]
    assert split.asked.histories.asked_at.tolist() == [200, 150]
    assert split.asked.labels.tolist() == [[0, 1], [1, 0]]
    assert split.learnt.events.tolist() == [0, 1, 2, 3, 4]
    assert len(split.validated) == 0
    assert "history up to each request" in split.rule
    assert "tasks click, like" in split.rule


def test_actions_of_events_are_those_of_the_log():
    split = RULE.cut(SMALL, seed=0)
    assert split.schema.tasks == split.schema.actions == ("click", "like")
    assert split.learnt.actions.tolist() == [[1, 0], [0, 0], [1, 1], [0, 0], [1, 0], [0, 1], [1, 0]]
    other = RULE.changed({"actions": ["like == 0"]})
    assert other.cut(SMALL, 0).learnt.actions[:, 0].tolist() == [1, 1, 0, 1, 1, 0, 1]


def test_other_learning_ends_where_validation_begins():
    # Of five impressions before the test the newest two fifths are the last request.
    split = RULE.changed({"validation_ratio": 0.4}).cut(SMALL, seed=0)
    assert shown(split.validated) == [[3, 4]]
    assert shown(split.learnt) == [[0, 1], [2]]
    assert split.train.users.tolist() == [0]
    assert split.train.packed()[0].tolist() == [0, 1, 2]


def test_a_column_named_request_is_believed():
    users = [[(0, 0, 1, 0), (1, 0, 0, 1), (2, 900, 0, 0)], [(3, 5000, 1, 0)]]
    split = RULE.changed({"at": 5000}).cut(dataset_of(users, request=[4, 5, 5, 5]), 0)
    assert shown(split.learnt) == [[0], [1, 2]]
    assert shown(split.asked) == [[3]]
    assert "requests as logged" in split.rule


def test_exposures_come_before_the_log():
    taken = replace(SMALL.log, columns={}, items=SMALL.log.items[:0], timestamps=SMALL.log.timestamps[:0])
    taken = replace(taken, offsets=np.zeros(3, dtype=np.int64))
    split = RULE.cut(replace(SMALL, log=taken, exposures=SMALL.log), seed=0)
    assert shown(split.learnt) == [[0, 1], [2], [3, 4]]


def test_a_label_that_nobody_knows_is_neither_learnt_nor_done():
    nan = float("nan")
    dataset = dataset_of(
        [[(0, 0, nan, nan), (1, 100, nan, 1), (2, 200, 0, 0), (3, 300, 1, nan)], [(4, 400, 1, 1), (5, 900, 0, 0)]]
    )
    split = RequestsByTime(gap=10, at=900, validation_ratio=0).cut(dataset, 0)
    assert shown(split.learnt) == [[1], [2], [3], [4]]  # of item 0 nothing is known: it is history alone
    assert seen(split.learnt)[0] == [0]
    assert split.learnt.labels[:3].tolist() == [[UNKNOWN, 1], [0, 0], [1, UNKNOWN]]
    assert split.learnt.actions[:4].tolist() == [[0, 0], [0, 1], [0, 0], [1, 0]]
    other = RequestsByTime(gap=10, at=900, validation_ratio=0, actions=("like",))
    assert other.cut(dataset, 0).learnt.actions[:4, 0].tolist() == [0, 1, 0, 0]
    assert other.now(dataset, 0, np.array([5])).actions[:, 0].tolist() == [0, 1, 0, 0]


def test_earlier_events_are_history_and_are_not_asked():
    events = [(0, 0, 0, 1), (1, 0, 0, 0), (2, 5, 1, 0), (3, 100, 0, 1), (4, 200, 1, 0)]
    dataset = dataset_of([events], earlier=[1, 1, 0, 0, 0])
    split = RequestsByTime(gap=10, at=200, validation_ratio=0).cut(dataset, 0)
    assert shown(split.learnt) == [[2], [3]]  # not in one request with what came before it
    assert seen(split.learnt) == [[0, 1], [0, 1, 2]]
    assert split.learnt.actions[0].tolist() == [0, 1]
    assert split.train.packed()[0].tolist() == [0, 1, 2, 3]


def test_facts_of_items_users_and_places_reach_the_split():
    rule = RULE.changed({"facts": ["categories", "user:age", "place:position"]})
    dataset = dataset_of([[(0, 0, 1, 0), (1, 10, 0, 0), (2, 50, 1, 1)], [(6, 150, 1, 0)]], position=[3, 3, 4, 4])
    split = rule.cut(dataset, 0)
    fields = (Field("categories", "item", 2), Field("age", "user", 0), Field("position", "place", 3))
    assert split.schema.fields == fields
    assert split.item_features["categories"].tolist() == [1] * 10
    assert split.learnt.features["position"].tolist() == [1, 1, 2]
    assert split.asked.features["position"].tolist() == [2]
    assert split.asked.users["age"].tolist() == [0.0, 0.0]
    assert RULE.cut(SMALL, 0).schema.fields == (Field("categories", "item", 2),)


BROKEN = [
    (RULE.changed({"tasks": ["clik"]}), SMALL, "did you mean 'click'"),
    (RULE.changed({"facts": ["place:click"]}), SMALL, "'place:click' would tell the answer"),
    (RULE.changed({"at": 0}), SMALL, "nothing is learnt when the test begins at 1970-01-01T00:00:00Z"),
    (RULE.changed({"at": 999}), SMALL, "nothing is asked"),
    (
        RULE,
        dataset_of([[(0, 0, 1, 0), (1, 50, 1, 0), (2, 200, 0, 1)]]),
        "'click' says nothing in the 2 impressions that are learnt: it is 1 in all 2 of them",
    ),
    (
        RULE,
        dataset_of([[(0, 0, 1, 0)], [(0, 50, 0, 0), (1, 40, 1, 1), (2, 30, 0, 1)]]),
        r"backwards in 2 places; first for user 'u1', event 1: 1970-01-01T00:00:40Z comes after .*:50Z",
    ),
    (RULE, dataset_of([[(0, 0, float("nan"), float("nan"))]]), "known in none of them"),
    (RULE, replace(SMALL, log=replace(SMALL.log, timestamps=None)), "no clock times"),
    (RULE, dataset_of([[]]), "no events to split"),
    (RULE, replace(SMALL, log=replace(SMALL.log, columns={})), r"no column that is an action.*split=last_event"),
    (
        LastEvent(),
        Dataset("small", SMALL.log, Catalog(SMALL.catalog.table[:1]), "none"),
        "of two items or more",
    ),
    (LastEvent(shortest=6), SMALL, "users with more than 6 events .* longest history has 6"),
    (LastEvent(), dataset_of([[(0, 0, 1, 1)] * 3] * 4), "nobody is tested: of 4 users none has a last event after"),
]


@pytest.mark.parametrize(("rule", "dataset", "said"), BROKEN)
def test_what_cannot_be_cut_says_why(rule, dataset, said):
    with pytest.raises(DataError, match=said):
        rule.cut(dataset, seed=0)


EVENTS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 60), st.integers(0, 1), st.integers(0, 1)), min_size=4, max_size=12
    ),
    min_size=2,
    max_size=5,
)


@settings(max_examples=60)
@given(EVENTS, st.integers(0, 5), st.floats(0.2, 0.9), st.floats(0, 0.5))
def test_every_request_has_its_user_s_whole_past_and_time_parts_them(users, gap, ratio, validation):
    dataset = dataset_of([sorted(user, key=lambda event: event[1]) for user in users])
    try:
        split = RequestsByTime(gap=gap, ratio=ratio, validation_ratio=validation).cut(dataset, 0)
    except DataError:  # too small: constant labels, or all at one time
        assume(False)
    log, times = dataset.log, dataset.log.timestamps
    asked = []
    for part in (split.learnt, split.validated, split.asked):
        for row, (low, high) in enumerate(zip(*_bounds(part), strict=True)):
            events, histories = part.events[low:high], part.histories
            user = int(histories.users[row])
            assert log.offsets[user] == histories.starts[row]
            assert histories.ends[row] == events[0]
            assert (np.diff(events) == 1).all()
            assert (np.diff(times[events]) <= gap).all()
            assert events[0] == log.offsets[user] or times[events[0]] - times[events[0] - 1] > gap
            asked.extend(events.tolist())
    assert sorted(asked) == list(range(len(log)))
    newest = [part.histories.asked_at.max(initial=-1) for part in (split.learnt, split.validated)]
    assert newest[0] < split.validated.histories.asked_at.min(initial=99)
    assert max(newest) < split.asked.histories.asked_at.min()
    later = np.concatenate([split.validated.events, split.asked.events])
    assert not set(split.train.positions()[0].tolist()) & set(later.tolist())
    assert sorted(split.train.positions()[0].tolist()) == sorted(split.learnt.events.tolist())


def test_the_simulated_world_is_cut_as_it_was_logged():
    world = World(users=30, items=40).simulate().dataset("world")
    split = RequestsByTime(facts=("categories", "price", "place:position")).cut(world, 0)
    assert world.exposures is not None
    assert split.schema.tasks == ("click", "like", "purchase")
    requests = world.exposures.columns["request"]
    for part in (split.learnt, split.validated, split.asked):
        numbers = requests[part.events]
        assert (numbers == np.repeat(numbers[part.bounds[:-1]], part.sizes)).all()
    share = len(split.asked.items) / len(world.exposures)
    assert share == pytest.approx(0.2, abs=0.05)


# Users u0 to u9, whose last events come in this order, with 1 to 10 events each.
LADDER = dataset_of(
    [[(item % 7, 100 * user + item, 1, 0) for item in range(1 + user)] for user in range(10)],
    behavior=[event % 2 for user in range(10) for event in range(1 + user)],
)


def test_the_users_with_the_newest_last_events_are_asked():
    # u0 and u1 have too short a history; of the other eight, 0.7 of whom are five and a bit, u7 is the threshold.
    split = LastEvent().cut(LADDER, seed=0)
    assert split.asked.histories.users.tolist() == [8, 9]
    assert sorted([*split.learnt.histories.users, *split.validated.histories.users]) == [2, 3, 4, 5, 6, 7]
    assert len(split.validated) == 1  # a tenth of six
    assert split.asked.histories.lengths.tolist() == [8, 9]
    assert split.asked.items[::2].tolist() == [8 % 7, 9 % 7]
    assert split.asked.labels[:, 0].tolist() == [1, 0, 1, 0]
    assert split.asked.events.tolist() == [44, -1, 54, -1]
    assert split.asked.histories.asked_at.tolist() == [808, 909]
    assert split.schema.tasks == split.schema.actions == ("taken",)
    assert split.learnt.actions.tolist() == [[1]] * len(LADDER.log)
    assert "uniform, seed 0" in split.rule


def test_what_is_learnt_or_asked_as_taken_is_never_the_next_item():
    split = LastEvent().cut(LADDER, seed=0)
    positives = np.concatenate([part.events for part in (split.learnt, split.validated, split.asked)])
    assert not set(split.train.positions()[0].tolist()) & set(positives.tolist())
    # All users but u0, who has one event, are there with all events but the last.
    assert split.train.users.tolist() == list(range(1, 10))
    assert split.train.lengths.tolist() == list(range(1, 10))


def test_drawn_items_differ_from_the_taken_one_and_not_between_seeds():
    rule = LastEvent(negatives=50)
    split = rule.cut(LADDER, seed=0)
    drawn = split.asked.items.reshape(-1, 51)
    assert (drawn[:, 1:] != drawn[:, :1]).all()
    assert set(drawn[0, 1:].tolist()) == set(range(10)) - {int(drawn[0, 0])}
    other = rule.cut(LADDER, seed=3)
    assert other.asked.items.tolist() == split.asked.items.tolist()
    assert other.validated.histories.users.tolist() != split.validated.histories.users.tolist()
    one = {int(user): row for user, row in zip(split.learnt.histories.users, shown(split.learnt), strict=True)}
    two = {int(user): row for user, row in zip(other.learnt.histories.users, shown(other.learnt), strict=True)}
    both = set(one) & set(two)
    assert both
    assert all(one[user] == two[user] for user in both)


@pytest.mark.parametrize(
    ("events", "counts"), [(1, [1, 1, 1, 1, 1, 1]), (3, [1, 2, 3, 3, 3, 3]), (None, [1, 2, 3, 4, 5, 6])]
)
def test_more_events_of_training_users_may_be_learnt(events, counts):
    split = LastEvent(events=events, validation_users=0).cut(LADDER, seed=0)
    users, found = np.unique(split.learnt.histories.users, return_counts=True)
    assert users.tolist() == [2, 3, 4, 5, 6, 7]
    assert found.tolist() == counts
    assert (split.learnt.histories.lengths >= 2).all()
    taken = split.learnt.events[::2]
    assert (split.learnt.histories.ends == taken).all()
    assert len(split.asked) == 2


def test_a_column_of_words_tells_the_actions():
    dataset = replace(LADDER, origin={"words": {"behavior": ["pv", "buy"]}})
    split = LastEvent().cut(dataset, seed=0)
    assert split.schema.actions == ("behavior == 'pv'", "behavior == 'buy'")
    assert split.learnt.actions[1:3].tolist() == [[1, 0], [0, 1]]


def test_now_asks_after_everything_that_a_user_did():
    rule = RULE.changed({"facts": ["categories", "user:age", "place:number:like"], "tasks": ["click"]})
    asked = rule.now(SMALL, 0, np.array([7, 3, 9]), at=260)
    assert seen(asked) == [[0, 1, 2, 3, 4, 5]]
    assert shown(asked) == [[7, 3, 9]]
    assert asked.actions[:, 0].tolist() == [1, 0, 1, 0, 1, 0]
    assert asked.histories.asked_at.tolist() == [260]
    assert asked.histories.users.tolist() == [0]
    assert asked.labels.tolist() == [[UNKNOWN]] * 3
    assert asked.features["like"].tolist() == [0.0] * 3
    assert len(asked.users["age"]) == 2
    assert rule.now(SMALL, 1, np.array([7])).histories.asked_at.tolist() == [150]
    with pytest.raises(DataError, match=r"'u0' is asked at .*03:19Z, before the last of their events at .*03:20Z"):
        rule.now(SMALL, 0, np.array([7]), at=199)


def test_now_is_what_the_split_would_have_asked():
    """The request at the end of the log, taken from the split and asked anew after the log without it."""
    split = RULE.cut(SMALL, seed=0)
    before = replace(
        SMALL.log,
        items=SMALL.log.items[:5],
        offsets=np.array([0, 5, 5]),
        timestamps=SMALL.log.timestamps[:5],
        columns={name: values[:5] for name, values in SMALL.log.columns.items()},
    )
    asked = RULE.now(replace(SMALL, log=before), 0, np.array([5]), at=200)
    theirs = split.asked.take(np.array([0]))
    assert seen(asked) == seen(theirs)
    assert shown(asked) == shown(theirs)
    assert asked.histories.asked_at.tolist() == theirs.histories.asked_at.tolist()
    low, high = int(theirs.histories.starts[0]), int(theirs.histories.ends[0])
    assert asked.actions.tolist() == theirs.actions[low:high].tolist()


def test_the_schema_is_known_without_a_cut():
    for rule, dataset in ((RULE, SMALL), (LastEvent(), LADDER)):
        assert rule.schema_of(dataset) == rule.cut(dataset, 0).schema


def test_items_drawn_beside_one_taken_differ_from_it_and_from_each_other():
    walks = [[(user % 8, 1), ((user + 3) % 8, 2), ((user + 5) % 8, user + 3)] for user in range(60)]
    dataset = dataset_of([[(item, at, 1, 0) for item, at in walk] for walk in walks], items=8)
    for negatives in (2, 5, 7):
        split = LastEvent(negatives=negatives, events=None).cut(dataset, 0)
        for part in (split.learnt, split.asked):
            rows = part.items.reshape(-1, 1 + negatives)
            assert all(len(set(row)) == 1 + negatives for row in rows.tolist())
    counts = np.bincount(split.learnt.items, minlength=8)
    assert (counts == len(split.learnt)).all()  # seven others of eight are all of them
