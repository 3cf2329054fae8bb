"""What every event store promises, asked of SQLite and of PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.core.errors import DataError
from segue.service.event_store import Decision, Event, EventStore, ItemNote, StoreAway
from segue.service.open_store import open_store

STRANGE = ["", " ", "a'b\"c", "%_\\", "ünïcode", "日本", "🙂", "a\nb", "\x01", "\U0010ffff", "\ue000", "é"]


def some(*keys: str, user: str = "u", item: str = "i", time: int = 100) -> list[Event]:
    return [Event(key, user, item, time) for key in keys]


def kept(store: EventStore, user: str = "u", after: int = 0) -> list[str]:
    return [event.event_id for event in store.after({user: after}).get(user, [])]


def test_what_was_added_comes_back_in_order_of_its_places(store: EventStore) -> None:
    first = Event("a", "u", "i1", 200, {"click": 1, "like": 0})
    second = Event("b", "u", "i2", 100)
    assert store.add([first, second]) == [True, True]
    found = store.after({"u": 0})["u"]
    assert [(event.event_id, event.item_id, event.time, dict(event.actions), event.place) for event in found] == [
        ("a", "i1", 200, {"click": 1, "like": 0}, 1),
        ("b", "i2", 100, {}, 2),
    ]
    assert store.count() == 2


def test_an_id_is_kept_once_and_the_first_holds(store: EventStore) -> None:
    assert store.add([*some("a", item="first"), *some("a", item="second"), *some("b")]) == [True, False, True]
    assert store.add([*some("c"), *some("b", item="third"), *some("c")]) == [True, False, False]
    assert [(event.event_id, event.item_id, event.place) for event in store.after({"u": 0})["u"]] == [
        ("a", "first", 1),
        ("b", "i", 2),
        ("c", "i", 3),
    ]
    assert store.count() == 3
    assert store.add([]) == []


def test_an_id_has_the_place_where_it_came_first(store: EventStore) -> None:
    assert store.add(some("b", "ab", "b", "ba", "ab")) == [True, True, False, True, False]
    assert kept(store) == ["b", "ab", "ba"]
    one, other = (Decision(name, 1, "u", "a", 1.0, 1, ("i",)) for name in ("r1", "r2"))
    store.note_decisions([one, other, one])
    assert [decision.request_id for decision in store.decisions()] == ["r1", "r2"]


def test_only_what_is_later_is_told_and_of_whom_it_was_asked(store: EventStore) -> None:
    store.add([*some("a", "b", "c"), *some("d", "e", user="v"), *some("f", user="w")])
    found = store.after({"u": 2, "v": 0, "nobody": 0, "w": 6})
    assert {user: [event.event_id for event in events] for user, events in found.items()} == {
        "u": ["c"],
        "v": ["d", "e"],
    }
    assert store.after({}) == {}
    newest = store.after({"u": 0, "v": 4}, newest=2)
    assert {user: [event.event_id for event in events] for user, events in newest.items()} == {
        "u": ["b", "c"],
        "v": ["e"],
    }


def test_many_users_are_asked_at_once(store: EventStore) -> None:
    store.add([Event(f"e{number}", f"u{number % 7}", "i", 0) for number in range(100)])
    found = store.after({f"u{number}": 0 for number in range(25_000)})
    assert sorted(found) == [f"u{number}" for number in range(7)]
    assert sum(map(len, found.values())) == 100


def test_ids_may_be_any_text(store: EventStore) -> None:
    events = [Event(f"{one}-{number}", one, one, -5, {one: 1}) for number, one in enumerate(STRANGE)]
    assert all(store.add(events))
    for one in STRANGE:
        (event,) = store.after({one: 0})[one]
        assert (event.user_id, event.item_id, event.time, dict(event.actions)) == (one, one, -5, {one: 1})
    assert store.users("", 100) == sorted(STRANGE)


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", "x\udfff"])
def test_text_that_cannot_be_kept_is_refused_and_nothing_with_it(store: EventStore, bad: str) -> None:
    for event in (Event(bad, "u", "i", 0), Event("a", bad, "i", 0), Event("a", "u", bad, 0)):
        with pytest.raises(DataError, match="NUL"):
            store.add([*some("fine"), event])
    with pytest.raises(DataError, match="64 bits"):
        store.add([*some("fine"), Event("far", "u", "i", 2**63)])
    with pytest.raises(DataError, match="NUL"):
        store.note_items([ItemNote(bad)])
    assert store.count() == 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.lists(st.tuples(st.text("ab\u00e9", max_size=2), st.sampled_from("uv")), max_size=6), max_size=6)
)
def test_the_store_is_a_dictionary_that_remembers_its_order(store_url: str, calls) -> None:
    store = open_store(store_url)
    offset = store.count()  # the file is the same for all examples
    before = {event.event_id for events in store.after({"u": 0, "v": 0}).values() for event in events}
    expected: dict[str, str] = {}
    try:
        for call in calls:
            answers = []
            for key, user in call:
                answers.append(key not in expected and key not in before)
                if answers[-1]:
                    expected[key] = user
            assert store.add([Event(key, user, "i", 1) for key, user in call]) == answers
        found = store.after({"u": offset, "v": offset})
        places = sorted((event.place, event.event_id) for events in found.values() for event in events)
        assert places == [(offset + number, key) for number, key in enumerate(expected, start=1)]
        assert store.count() == offset + len(expected)
    finally:
        store.close()


def test_users_are_listed_in_order_by_how_they_begin(store: EventStore) -> None:
    store.add([Event(f"{user}{number}", user, "i", 0) for user in ("ab", "a", "b", "aé", "B") for number in range(3)])
    assert store.users() == ["B", "a", "ab", "aé", "b"]
    assert store.users("a") == ["a", "ab", "aé"]
    assert store.users("a", most=2) == ["a", "ab"]
    assert store.users("c") == []


def test_notes_of_items_are_told_oldest_first(store: EventStore) -> None:
    assert store.items() == []
    store.note_items([ItemNote("i1", facts={"title": "Ünder", "price": 3.5}), ItemNote("i2", available=False)])
    store.note_items([ItemNote("i2")])
    assert store.items() == [
        ItemNote("i1", True, {"title": "Ünder", "price": 3.5}, 1),
        ItemNote("i2", False, None, 2),
        ItemNote("i2", True, None, 3),
    ]
    assert [note.place for note in store.items(after=2)] == [3]


def test_decisions_come_back_whole_and_once(store: EventStore) -> None:
    one = Decision(
        request_id="r1", time=5, user_id="u", system="a", chance=0.9, k=2, items=("i1", "日本"), seen_place=7,
        rules={"seen": True, "deny": ["i9"]}, run="a-2", shares={"a-2": 0.9, "b": 0.1}, noted_place=3,
    )  # fmt: skip
    other = Decision("r2", 6, None, "b", 0.1, 1, (), history=("i3", "i4"), answered_by="fallback")
    store.note_decisions([one])
    store.note_decisions([other, one])
    found = store.decisions()
    assert [decision.place for decision in found] == [1, 2]
    assert found == [Decision(**{**vars(one), "place": 1}), Decision(**{**vars(other), "place": 2})]
    assert store.decisions(after=1) == found[1:]
    assert store.decisions(most=1) == found[:1]
    assert store.decision_count() == 2


def test_another_store_on_the_same_place_sees_the_same(store: EventStore, store_url: str) -> None:
    store.add(some("a"))
    other = open_store(store_url)
    assert kept(other) == ["a"]
    assert other.add(some("a", "b")) == [False, True]
    assert kept(store) == ["a", "b"]
    other.close()


def test_a_closed_store_says_so(store: EventStore) -> None:
    store.close()
    store.close()
    for call in (store.ping, store.count, lambda: store.add(some("a")), lambda: store.after({"u": 0})):
        with pytest.raises(StoreAway, match="closed"):
            call()


def test_threads_that_report_the_same_are_counted_once(store: EventStore) -> None:
    """Eight threads report the same 200 events in batches that overlap: exactly one of them hears that each was new."""
    start = threading.Barrier(8)

    def report(offset: int) -> list[str]:
        start.wait()
        new = []
        for first in range(0, 200, 10):
            keys = [f"e{(first + offset * 25 + step) % 200}" for step in range(10)]
            new += [key for key, fresh in zip(keys, store.add(some(*keys)), strict=True) if fresh]
        return new

    with ThreadPoolExecutor(8) as threads:
        new = [key for keys in threads.map(report, range(8)) for key in keys]
    assert sorted(new) == sorted(f"e{number}" for number in range(200))
    assert sorted(kept(store)) == sorted(new)


def test_a_reader_never_misses_a_place_that_comes_later(store: EventStore, store_url: str) -> None:
    """Four writers with connections of their own; a reader who goes on from the newest place it saw misses nothing."""
    writers = [open_store(store_url) for _ in range(4)]
    running = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while True:
            last = running.is_set()
            seen.extend(event.place for event in store.after({"u": seen[-1] if seen else 0}).get("u", []))
            if last:
                return

    def write(number: int) -> None:
        for step in range(40):
            writers[number].add(some(f"{number}-{step}-a", f"{number}-{step}-b"))

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    running.set()
    reader.join()
    assert seen == list(range(1, 321))
    for writer in writers:
        writer.close()
