"""The histories of this moment are what the log has, and what was done since."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.served import Event
from segue.core.tables import NOBODY, Catalog, Histories
from segue.service.event_store import StoreAway
from segue.service.live_memory import LiveMemory
from segue.service.recent_events import RecentEvents
from segue.service.sqlite_store import SqliteStore
from service.memories import dataset, history


class Interrupted(SqliteStore):
    """A store that can be taken away."""

    def __init__(self) -> None:
        super().__init__(None)
        self.away, self.asked = False, 0

    def after(self, places, newest=None):
        self.asked += 1
        self.ping()
        return super().after(places, newest)

    def ping(self) -> None:
        if self.away:
            raise StoreAway("unplugged")


@pytest.fixture
def store():
    store = Interrupted()
    yield store
    store.close()


def rows(histories: Histories) -> list[list[tuple[int, int | None]]]:
    items, bounds = histories.packed()
    positions, _ = histories.positions()
    times = [None] * len(items) if histories.timestamps is None else histories.timestamps[positions].tolist()
    together = list(zip(items.tolist(), times, strict=True))
    return [together[bounds[row] : bounds[row + 1]] for row in range(len(histories))]


def test_by_hand(store) -> None:
    memory = LiveMemory(dataset(), dataset().catalog, RecentEvents(store))
    store.add(
        [
            Event("late", "u0", "i5", 99),
            Event("early", "u0", "i4", 50),
            Event("known already", "u0", "i2", 30),
            Event("no such item", "u0", "i9", 60),
            Event("only shown", "u0", "i3", 70, {"click": 0}),
            Event("new", "stranger", "i1", 1, {"click": 1}),
        ]
    )
    known = memory.histories(["u0", "u1", "u2", "stranger", "nobody"])
    assert rows(known.histories) == [
        [(0, 10), (1, 20), (2, 30), (4, 50), (5, 99)],
        [(3, 40), (3, 40)],
        [],
        [(1, 1)],
        [],
    ]
    assert known.histories.users.tolist() == [0, 1, 2, NOBODY, NOBODY]
    assert known.seen_places == [5, 0, 0, 6, 0]
    assert not known.stale


def test_without_times_every_live_event_counts_and_comes_last(store) -> None:
    memory = LiveMemory(dataset(timed=False), dataset().catalog, RecentEvents(store))
    store.add([Event("b", "u0", "i2", 9), Event("a", "u0", "i1", 5)])
    known = memory.histories(["u0"]).histories
    assert known.timestamps is None
    assert known.packed()[0].tolist() == [0, 1, 2, 1, 2]


USERS = ("u0", "u1", "u2", "x", "y")
EVENTS = st.builds(
    lambda user, item, time, actions: (user, item, time, actions),
    st.sampled_from(USERS),
    st.sampled_from([f"i{item}" for item in range(7)]),
    st.integers(0, 60),
    st.sampled_from([{}, {"click": 1}, {"click": 0}, {"click": 0, "like": 1}]),
)
STEPS = st.lists(
    st.one_of(st.lists(EVENTS, max_size=4), st.lists(st.sampled_from(USERS), min_size=1, max_size=4).map(tuple)),
    max_size=12,
)


@given(steps=STEPS, timed=st.booleans(), bound=st.sampled_from([10, 30, 10_000]))
def test_whatever_comes_it_is_what_going_through_all_events_gives(steps, timed, bound) -> None:
    """Two services on one store, with room for hardly a user or for all of them, answer as the obvious code does."""
    store, data = SqliteStore(None), dataset(timed)
    memories = [LiveMemory(data, data.catalog, RecentEvents(store, events=bound), events=bound) for _ in range(2)]
    events: list[Event] = []
    for step in steps:
        if isinstance(step, list):
            new = [Event(str(len(events) + number), *one) for number, one in enumerate(step)]
            store.add(new)
            events += [Event(**{**vars(one), "place": len(events) + number}) for number, one in enumerate(new, start=1)]
            continue
        for memory in memories:
            known = memory.histories(step)
            assert rows(known.histories) == [history(data, user, events) for user in step]
            assert known.seen_places == [
                max((event.place for event in events if event.user_id == user), default=0) for user in step
            ]
    store.close()


def test_one_query_for_all_and_only_for_what_is_new(store) -> None:
    memory = LiveMemory(dataset(), dataset().catalog, RecentEvents(store))
    store.add([Event(str(number), f"x{number}", "i1", 5) for number in range(5)])
    memory.histories([f"x{number}" for number in range(5)])
    assert store.asked == 1


def test_while_the_store_is_away_it_answers_from_what_it_holds(store) -> None:
    recent = RecentEvents(store, again=0.01)
    memory = LiveMemory(dataset(), dataset().catalog, recent)
    store.add([Event("a", "x", "i1", 5)])
    assert not memory.histories(["x"]).stale
    store.add([Event("b", "x", "i2", 6)])
    store.away = True
    for _ in range(3):
        known = memory.histories(["x", "u1"])
        assert known.stale
        assert rows(known.histories) == [[(1, 5)], [(3, 40), (3, 40)]]
        assert known.seen_places == [1, 0]
    assert store.asked == 2, "whoever finds it away says so to the others"
    store.away = False
    while recent.away:
        pass
    known = memory.histories(["x"])
    assert not known.stale
    assert rows(known.histories) == [[(1, 5), (2, 6)]]


def test_items_that_were_added_count_from_then_on(store) -> None:
    data = dataset()
    memory = LiveMemory(data, data.catalog, RecentEvents(store))
    store.add([Event("a", "u0", "new", 50), Event("b", "u0", "i5", 60)])
    assert rows(memory.histories(["u0"]).histories)[0][3:] == [(5, 60)]
    memory.know(Catalog(pl.concat([data.catalog.table, pl.DataFrame({"item_id": ["new"]})])))
    assert rows(memory.histories(["u0"]).histories)[0][3:] == [(6, 50), (5, 60)]


def test_only_the_newest_events_of_somebody_who_never_stops(store) -> None:
    memory = LiveMemory(dataset(), dataset().catalog, RecentEvents(store, of_one_user=3))
    for first in range(0, 10, 2):
        store.add([Event(str(first + step), "x", "i1", first + step) for step in range(2)])
        known = memory.histories(["x"])
        assert [time for _, time in rows(known.histories)[0]] == list(range(first + 2))[-3:]
        assert known.seen_places == [first + 2]


def test_a_log_on_disk_is_read_where_it_lies(store, tmp_path: Path) -> None:
    from segue.data.store import save

    data = save(dataset(), tmp_path / "data")
    assert isinstance(data.log.items, np.memmap)
    memory = LiveMemory(data, data.catalog, RecentEvents(store))
    store.add([Event("a", "u0", "i4", 50)])
    assert rows(memory.histories(["u0"]).histories) == [[(0, 10), (1, 20), (2, 30), (4, 50)]]


def test_threads_that_ask_while_events_come_see_each_in_its_order(tmp_path: Path) -> None:
    """Whatever a thread is told is the beginning of what is true, up to the place it is told, and never shrinks."""
    store, data = SqliteStore(tmp_path / "events.db"), dataset()
    memory = LiveMemory(data, data.catalog, RecentEvents(store, events=40))  # hardly room for two users
    done = threading.Event()
    users = ["x", "y", "z", "u0"]

    def ask(first: int) -> None:
        before = dict.fromkeys(users, 0)
        while not done.is_set():
            asked = users[first:] + users[:first]
            known = memory.histories(asked)
            for user, row, place in zip(asked, rows(known.histories), known.seen_places, strict=True):
                live = [time for _, time in row if time is not None and time >= 1000]
                assert live == [1000 + number for number in range(place) if users[number % 4] == user]
                assert place >= before[user]
                before[user] = place

    with ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask, first) for first in range(3)]
        for number in range(120):
            store.add([Event(str(number), users[number % 4], "i1", 1000 + number)])
        done.set()
        for one in asking:
            one.result()
    store.close()
