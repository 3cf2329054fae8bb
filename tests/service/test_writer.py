"""Many callers who wait, few transactions, and nobody is told what is not so."""

import asyncio
import threading

import pytest

from segue.core.errors import DataError
from segue.core.served import Decision, Event
from segue.service.decision_log import DecisionLog
from segue.service.event_store import EventStore, StoreAway
from segue.service.problems import Problem
from segue.service.sqlite_store import SqliteStore
from segue.service.writer import Writer


class Watched(SqliteStore):
    """A store in memory that counts, can be held up, taken away, or be made to fail for an id."""

    def __init__(self) -> None:
        super().__init__(None)
        self.transactions: list[list[str]] = []
        self.away, self.fails_for = False, ""
        self.passing = threading.Event()
        self.passing.set()

    def add(self, events):
        self.passing.wait(10)
        if self.away:
            raise StoreAway("unplugged")
        if any(event.event_id == self.fails_for for event in events):
            raise RuntimeError("not this one")
        self.transactions.append([event.event_id for event in events])
        return super().add(events)

    def note_decisions(self, decisions):
        self.passing.wait(10)
        if self.away:
            raise StoreAway("unplugged")
        if any(one.request_id == self.fails_for for one in decisions):
            raise RuntimeError("not this one")
        super().note_decisions(decisions)


def some(*keys: str) -> list[Event]:
    return [Event(key, "u", "i", 1) for key in keys]


def kept(store: EventStore) -> list[str]:
    return [event.event_id for event in store.after({"u": 0}).get("u", [])]


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_those_who_come_while_a_transaction_is_on_its_way_share_the_next() -> None:
    async def go() -> None:
        store = Watched()
        writer = Writer(store)
        store.passing.clear()
        first = asyncio.create_task(writer.add(some("a")))
        await until(lambda: writer.waiting == 1 and not writer._queue)
        others = [asyncio.create_task(writer.add(some(f"b{number}", "a"))) for number in range(50)]
        await until(lambda: writer.waiting == 101)
        assert not first.done(), "nobody is answered before it is durable"
        store.passing.set()
        assert await first == [True]
        assert await asyncio.gather(*others) == [[True, False]] * 50
        assert len(store.transactions) == writer.counts.transactions == 2
        assert kept(store) == ["a", *(f"b{number}" for number in range(50))]
        assert (writer.counts.accepted, writer.counts.duplicates, writer.waiting) == (51, 50, 0)
        await writer.close()

    asyncio.run(go())


def test_a_transaction_has_a_size() -> None:
    async def go() -> None:
        store = Watched()
        writer = Writer(store, at_once=4)
        await asyncio.gather(*(writer.add(some(f"{number}a", f"{number}b")) for number in range(5)), writer.add([]))
        assert max(map(len, store.transactions)) <= 4
        await writer.add(some(*"abcdefgh"))
        assert store.transactions[-1] == list("abcdefgh"), "one caller is never cut apart"
        await writer.close()

    asyncio.run(go())


def test_who_comes_while_the_store_is_away_waits_until_it_is_back() -> None:
    async def go() -> None:
        store = Watched()
        store.away = True
        writer = Writer(store, deadline=30, pauses=(0.001, 0.002))
        waiting = [asyncio.create_task(writer.add(some(key))) for key in "abc"]
        await until(lambda: writer.counts.failures >= 5)
        store.away = False
        assert await asyncio.gather(*waiting) == [[True]] * 3
        assert kept(store) == ["a", "b", "c"], "in the order in which they came"
        await writer.close()

    asyncio.run(go())


def test_at_the_deadline_the_caller_hears_503_and_may_report_again() -> None:
    async def go() -> None:
        store = Watched()
        store.away = True
        writer = Writer(store, deadline=0.05, pauses=(0.001, 0.01))
        with pytest.raises(Problem, match="does not answer in time") as caught:
            await writer.add(some("a"))
        assert caught.value.details.status == 503
        assert caught.value.headers["Retry-After"] == "1"
        await until(lambda: writer.waiting == 0)
        store.away = False
        assert await writer.add(some("a"), deadline=10) == [True]
        assert writer.counts.refused == 1
        store.passing.clear()
        with pytest.raises(Problem, match="does not answer in time"):  # also while a transaction hangs
            await writer.add(some("b"))
        store.passing.set()
        assert await writer.add(some("b"), deadline=10) == [False], "it was kept after all, and is kept once"
        await writer.close()

    asyncio.run(go())


def test_a_caller_who_gives_up_takes_nobody_along() -> None:
    async def go() -> None:
        store = Watched()
        writer = Writer(store)
        store.passing.clear()
        on_its_way = asyncio.create_task(writer.add(some("on its way")))
        await until(lambda: writer.waiting == 1 and not writer._queue)
        gone, stays = asyncio.create_task(writer.add(some("gone"))), asyncio.create_task(writer.add(some("stays")))
        await until(lambda: writer.waiting == 3)
        gone.cancel()
        on_its_way.cancel()
        await asyncio.gather(gone, on_its_way, return_exceptions=True)
        store.passing.set()
        assert await stays == [True]
        assert kept(store) == ["on its way", "stays"]
        assert writer.waiting == 0
        await writer.close()

    asyncio.run(go())


def test_events_that_the_store_cannot_take_fail_alone() -> None:
    async def go() -> None:
        store = Watched()
        store.fails_for = "bad"
        writer = Writer(store)
        store.passing.clear()
        first = asyncio.create_task(writer.add(some("a")))
        await until(lambda: writer.waiting == 1 and not writer._queue)
        others = [asyncio.create_task(writer.add(some(key))) for key in ("b", "bad", "c")]
        await until(lambda: writer.waiting == 4)
        store.passing.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        assert [answers[0], answers[1], answers[3]] == [[True]] * 3
        assert isinstance(answers[2], RuntimeError)
        with pytest.raises(DataError, match="NUL"):
            await writer.add(some("\0"))
        assert kept(store) == ["a", "b", "c"]
        await writer.close()

    asyncio.run(go())


def test_a_full_queue_turns_callers_away_at_once() -> None:
    async def go() -> None:
        store = Watched()
        writer = Writer(store, most_waiting=3)
        store.passing.clear()
        waiting = asyncio.create_task(writer.add(some("a", "b")))
        await until(lambda: writer.waiting == 2)
        with pytest.raises(Problem) as caught:
            await writer.add(some("c", "d"))
        assert (caught.value.details.status, caught.value.details.type) == (503, "urn:segue:problem:overloaded")
        fits = asyncio.create_task(writer.add(some("e")))
        await until(lambda: writer.waiting == 3)
        store.passing.set()
        assert await waiting == [True, True]
        assert await fits == [True]
        await writer.close()

    asyncio.run(go())


def test_closing_waits_for_those_who_wait_and_takes_in_no_more() -> None:
    async def go() -> None:
        store = Watched()
        writer = Writer(store)
        store.passing.clear()
        waiting = [asyncio.create_task(writer.add(some(key))) for key in "abc"]
        await until(lambda: writer.waiting == 3)
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="closing"):
            await writer.add(some("d"))
        store.passing.set()
        await closing
        assert await asyncio.gather(*waiting) == [[True]] * 3
        assert kept(store) == ["a", "b", "c"]

    asyncio.run(go())
    asyncio.run(Writer(Watched()).close())


def decision(number: int) -> Decision:
    return Decision(f"r{number}", number, "u", "a", 1.0, 1, ("i",))


def test_decisions_are_written_behind_everybodys_back() -> None:
    store = Watched()
    decisions = DecisionLog(store, at_once=7, every=0.001)
    for number in range(100):
        decisions.note(decision(number))
    decisions.close()
    assert [one.request_id for one in store.decisions()] == [f"r{number}" for number in range(100)]
    assert (decisions.counts.written, decisions.counts.dropped, decisions.waiting) == (100, 0, 0)
    decisions.note(decision(100))
    assert decisions.counts.dropped == 1, "after closing"


def test_under_pressure_decisions_are_dropped_and_counted() -> None:
    store = Watched()
    store.passing.clear()
    decisions = DecisionLog(store, most_waiting=10, every=0.001)
    for number in range(25):
        decisions.note(decision(number))
    assert (decisions.waiting, decisions.counts.dropped) == (10, 15)
    store.passing.set()
    decisions.close()
    assert [one.request_id for one in store.decisions()] == [f"r{number}" for number in range(10)]
    assert decisions.counts.written == 10


def test_decisions_wait_for_a_store_that_is_away_but_not_for_ever() -> None:
    store = Watched()
    store.away = True
    decisions = DecisionLog(store, every=0.001)
    decisions.note(decision(0))
    decisions.close(seconds=0.05)
    assert (decisions.counts.written, decisions.counts.dropped) == (0, 1)
    again = DecisionLog(store, every=0.001)
    again.note(decision(1))
    store.away = False
    again.close()
    assert again.counts.written == 1


def test_a_decision_that_cannot_be_kept_takes_no_other_with_it() -> None:
    store = Watched()
    store.fails_for = "r1"
    decisions = DecisionLog(store, every=0.001)
    for number in range(3):
        decisions.note(decision(number))
    decisions.close()
    assert [one.request_id for one in store.decisions()] == ["r0", "r2"]
    assert (decisions.counts.written, decisions.counts.dropped) == (2, 1)
