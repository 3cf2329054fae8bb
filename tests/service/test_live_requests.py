"""The requests of this moment are those that the longer log would give."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.impressions import Impressions
from segue.core.served import Event
from segue.core.tables import NOBODY, Dataset
from segue.data.request_split import LastEvent, RequestsByTime
from segue.service.live_requests import LiveRequests
from segue.service.recent_events import RecentEvents
from segue.service.sqlite_store import SqliteStore
from service.memories import dataset

RULE = RequestsByTime(tasks=("click", "like"), facts=("user:age", "place:slot"), fewest=1)


def asked() -> Dataset:
    """Users have an age, places a slot; all that was done was shown too, and i5 was shown to u1 at 45."""
    data = dataset()
    users = data.log.users.with_columns(age=pl.Series([3, 4, 3]))
    log = replace(data.log, users=users, columns={**data.log.columns, "slot": np.array([0, 1, 0, 1, 1])})
    shown = replace(
        log,
        items=np.append(log.items, np.int32(5)),
        offsets=np.array([0, 3, 6, 6]),
        timestamps=np.append(log.timestamps, 45),
        columns={name: np.append(values, 0) for name, values in log.columns.items()},
    )
    return replace(data, log=log, exposures=shown)


def longer(data: Dataset, events: list[Event]) -> Dataset:
    """The data with live events in its exposures, one by one."""
    log = data.exposures
    offsets, users = log.offsets, log.users["user_id"].to_list()
    columns: dict[str, list] = {"item": [], "time": [], "click": [], "like": [], "slot": []}
    bounds = [0]
    for row, user in enumerate(users):
        for place in range(offsets[row], offsets[row + 1]):
            columns["item"].append(log.items[place])
            columns["time"].append(log.timestamps[place])
            for name in ("click", "like", "slot"):
                columns[name].append(log.columns[name][place])
        newest = max(log.timestamps[offsets[row] : offsets[row + 1]], default=-1)
        own = [event for event in events if event.user_id == user and event.time > newest and event.item_id != "i6"]
        for event in sorted(own, key=lambda event: (event.time, event.place)):
            columns["item"].append(int(event.item_id[1:]))
            columns["time"].append(event.time)
            columns["click"].append(event.actions.get("click", 0) if event.actions else 1)
            columns["like"].append(event.actions.get("like", 0))
            columns["slot"].append(0)
        bounds.append(len(columns["item"]))
    arrays = {name: np.array(values) for name, values in columns.items()}
    grown = replace(
        log,
        items=arrays.pop("item").astype(np.int32),
        timestamps=arrays.pop("time"),
        offsets=np.array(bounds),
        columns=arrays,
    )
    return replace(data, exposures=grown)


def same(ours: Impressions, theirs: Impressions) -> None:
    for name in ("actions", "items", "bounds", "labels", "events"):
        assert getattr(ours, name).tolist() == getattr(theirs, name).tolist(), name
    one, other = ours.histories, theirs.histories
    for name in ("items", "starts", "ends", "users", "timestamps", "asked_at"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    for mine, yours in ((ours.features, theirs.features), (ours.users, theirs.users)):
        assert mine.keys() == yours.keys()
        assert all(mine[name].tolist() == yours[name].tolist() for name in mine)
        assert all(mine[name].dtype == yours[name].dtype for name in mine)


@pytest.mark.parametrize("at", [None, 100])
@pytest.mark.parametrize("user", ["u0", "u1", "u2"])
def test_without_live_events_it_is_the_request_of_the_log(user: str, at: int | None) -> None:
    data, items = asked(), np.array([4, 2, 2])
    requests = LiveRequests(data, data.catalog, RULE, RecentEvents(SqliteStore(None)))
    same(requests.impressions([user], [items], at).impressions, RULE.now(data, int(user[1]), items, at))


ONE = st.tuples(
    st.sampled_from(["u0", "u1", "u2"]),
    st.sampled_from([f"i{item}" for item in range(7)]),
    st.integers(0, 60),
    st.sampled_from([{}, {"click": 1}, {"click": 0}, {"click": 0, "like": 1}, {"other": 1}]),
)


@given(calls=st.lists(st.lists(ONE, max_size=4), max_size=5))
def test_with_live_events_it_is_the_request_of_a_log_that_has_them(calls) -> None:
    data, items, store = asked(), np.array([0, 3]), SqliteStore(None)
    requests = LiveRequests(data, data.catalog, RULE, RecentEvents(store))
    events: list[Event] = []
    for call in calls:
        new = [Event(str(len(events) + number), *one) for number, one in enumerate(call)]
        store.add(new)
        events += [Event(**{**vars(one), "place": len(events) + number}) for number, one in enumerate(new, start=1)]
        for user in range(3):
            expected = RULE.now(longer(data, events), user, items, 1000)
            same(requests.impressions([f"u{user}"], [items], 1000).impressions, expected)
    store.close()


def test_several_users_and_a_stranger_at_once() -> None:
    data, store = asked(), SqliteStore(None)
    requests = LiveRequests(data, data.catalog, RULE, RecentEvents(store))
    store.add([Event("a", "new", "i4", 7, {"like": 1}), Event("b", "new", "i1", 8)])
    found = requests.impressions(["new", "u0"], [np.array([5]), np.array([1, 2])], at=20)
    assert found.seen_places == [2, 0]
    assert not found.stale
    told = found.impressions
    assert told.histories.users.tolist() == [NOBODY, 0]
    assert told.histories.packed()[0].tolist() == [4, 1, 0, 1, 2]
    assert told.actions.tolist() == [[0, 1], [1, 0], [1, 0], [0, 0], [1, 1]]
    assert told.histories.asked_at.tolist() == [20, 30], "nobody is asked before their last event"
    assert told.items.tolist() == [5, 1, 2]
    assert told.bounds.tolist() == [0, 1, 3]


def test_for_a_ranker_of_what_is_taken_whatever_was_done_is_that() -> None:
    data, store = dataset(), SqliteStore(None)
    requests = LiveRequests(data, data.catalog, LastEvent(), RecentEvents(store))
    store.add([Event(str(number), "u0", "i4", 50, one) for number, one in enumerate(({}, {"like": 1}, {"like": 0}))])
    assert requests.impressions(["u0"], [np.array([1])]).impressions.actions.tolist() == [[1], [1], [1], [1], [1], [0]]
