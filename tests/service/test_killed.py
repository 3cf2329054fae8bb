"""What was acknowledged is there, whoever is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from segue.core.served import Event
from segue.service.event_store import EventStore, StoreAway
from segue.service.open_store import open_store
from segue.service.postgres_store import PostgresStore
from segue.service.recent_events import RecentEvents
from segue.service.writer import Writer
from service.postgres_server import PostgresServer

REPORTER = Path(__file__).with_name("reporter.py")


def reporter(url: str, prefix: str, count: int = 0, overlap: str = "apart") -> subprocess.Popen:
    command = [sys.executable, str(REPORTER), url, prefix, str(count), overlap]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def everything(store: EventStore) -> list[str]:
    found = store.after(dict.fromkeys(store.users("", 1000), 0))
    return [event.event_id for events in found.values() for event in events]


@pytest.mark.slow
def test_what_a_killed_process_acknowledged_is_there(store_url: str) -> None:
    process = reporter(store_url, "a")
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().split()[0] for _ in range(60)]
    process.send_signal(signal.SIGKILL)
    lines = process.stdout.read().splitlines(keepends=True)
    acknowledged += [line.split()[0] for line in lines if line.endswith("\n")]
    process.wait()
    store = open_store(store_url)
    kept = everything(store)
    assert len(acknowledged) >= 60
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept)) == store.count()
    assert store.add([Event(acknowledged[0], "u0", "i", 0), Event("after", "u0", "i", 0)]) == [False, True]
    store.close()


@pytest.mark.slow
def test_processes_that_report_the_same_are_counted_once(store_url: str) -> None:
    processes = [reporter(store_url, str(number), 150, "overlap") for number in range(3)]
    lines = [line.split() for process in processes for line in process.communicate()[0].splitlines()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    store = open_store(store_url)
    assert Counter(key for key, _ in lines) == Counter({f"all-{number}": 3 for number in range(150)})
    assert sorted(key for key, new in lines if new == "1") == sorted(f"all-{number}" for number in range(150))
    assert sorted(everything(store)) == sorted({key for key, _ in lines})
    store.close()


@pytest.mark.slow
def test_postgresql_is_killed_and_started_while_callers_go_on(own_postgres: PostgresServer) -> None:
    """Nobody hears an error, answers go on from what is known, and every acknowledged event is there once."""
    store = open_store(own_postgres.new_database())
    acknowledged: list[str] = []
    recent = RecentEvents(store, again=0.05)
    store.add([Event("first", "reader", "i", 1)])
    stale: list[bool] = []

    async def go() -> None:
        writer = Writer(store, deadline=60)
        running = True

        async def call(number: int) -> None:
            step = 0
            while running:
                key = f"{number}-{step}"
                await writer.add([Event(key, f"u{number}", "i", step)])
                acknowledged.append(key)
                step += 1

        async def read() -> None:
            while running:
                (since,), old = await asyncio.to_thread(recent.of, ["reader"])
                assert since.items == ("i",)
                stale.append(old)
                await asyncio.sleep(0.01)

        async def grown() -> None:
            wanted = len(acknowledged) + 50
            while len(acknowledged) < wanted:
                await asyncio.sleep(0.01)

        assert not recent.of(["reader"])[1]
        tasks = [asyncio.create_task(call(number)) for number in range(8)]
        tasks.append(asyncio.create_task(read()))
        for _ in range(2):
            await grown()
            await asyncio.to_thread(own_postgres.kill)
            failures = writer.counts.failures
            while writer.counts.failures < failures + 2 or not stale[-1]:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(own_postgres.start)
            await grown()
            while stale[-1]:
                await asyncio.sleep(0.01)
        running = False
        await asyncio.gather(*tasks)
        await writer.close()
        assert writer.counts.refused == 0

    asyncio.run(go())
    kept = everything(store)
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept)) == store.count()
    assert sorted(kept) == sorted(["first", *acknowledged])
    recent.close()
    store.close()


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up_in_time(own_postgres: PostgresServer) -> None:
    store = PostgresStore(own_postgres.new_database(), patience=20, reading=0.3)
    store.add([Event("a", "u", "i", 1)])
    with store._connections.one(5) as connection:
        (backend,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(StoreAway):
            store.ping()
    finally:
        os.kill(backend, signal.SIGCONT)
    assert store.add([Event("a", "u", "i", 1), Event("b", "u", "i", 1)]) == [False, True]
    store.close()


@pytest.mark.slow
def test_a_writer_that_falls_asleep_holds_nobody_up_for_long(own_postgres: PostgresServer) -> None:
    """Somebody holds the lock of the places: others give up in time, and are served when it is free."""
    url = own_postgres.new_database()
    store, patient = PostgresStore(url, patience=0.3, reading=20), PostgresStore(url, patience=20)
    patient.ping()
    import psycopg

    from segue.service.postgres_store import LOCKS

    with psycopg.connect(url) as sleeper:
        sleeper.execute("SELECT pg_advisory_xact_lock(%s)", (LOCKS["events"],))
        with pytest.raises(StoreAway):
            store.add([Event("a", "u", "i", 1)])
        assert store.count() == 0, "readers do not wait"
    assert patient.add([Event("a", "u", "i", 1)]) == [True]
    store.close()
    patient.close()


def test_another_process_that_writes_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    import sqlite3

    from segue.service.sqlite_store import SqliteStore

    path = tmp_path / "events.db"
    patient, hasty = SqliteStore(path, patience=30), SqliteStore(path, patience=0.05)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreAway, match="locked"):
        hasty.add([Event("a", "u", "i", 1)])
    assert hasty.count() == 0, "readers do not wait"
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.extend(patient.add([Event("a", "u", "i", 1)])))
    thread.start()
    time.sleep(0.02)
    other.execute("COMMIT")
    thread.join()
    assert answers == [True]
    for one in (patient, hasty, other):
        one.close()
