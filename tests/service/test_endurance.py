"""While people ask and report, runs are swapped and processes are killed: nobody gets an error, and nothing is lost."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from segue.service.open_store import open_store
from service.child import Child
from service.postgres_server import PostgresServer

pytestmark = pytest.mark.slow


class Crowd:
    """Some people who report an event and ask for recommendations, over and over."""

    def __init__(self, url: str, people: int = 4) -> None:
        self.url, self.statuses, self.acknowledged, self.faults = url, Counter[int](), list[str](), list[str]()
        self.systems = Counter[str]()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._live, args=(number,)) for number in range(people)]
        for thread in self.threads:
            thread.start()

    def _live(self, number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for turn in range(100_000):
                if self.over.is_set():
                    return
                event = {"event_id": f"{number}-{turn}", "user_id": f"p{number}", "item_id": f"i{turn % 40:02d}"}
                try:
                    kept = client.post("/events", json=event)
                    if kept.status_code == 200:
                        self.acknowledged.append(event["event_id"])
                    told = client.post("/recommend", json={"user_id": f"p{number}", "k": 3, "seen": True})
                    self.statuses.update([kept.status_code, told.status_code])
                    self.faults += [one.text for one in (kept, told) if one.status_code != 200]
                except httpx.HTTPError as error:
                    self.faults.append(repr(error))

    def leave(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


@contextlib.contextmanager
def crowd_at(url: str) -> Iterator[Crowd]:
    crowd = Crowd(url)
    try:
        yield crowd
    finally:
        crowd.leave()


def kept_events(store: str, people: int = 4) -> Counter[str]:
    """How often each event lies in a store."""
    opened = open_store(store)
    try:
        found = opened.after({f"p{number}": 0 for number in range(people)})
    finally:
        opened.close()
    return Counter(event.event_id for events in found.values() for event in events)


def test_swapped_runs_and_a_killed_database_are_not_noticed(
    studio_shelf: Path, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    store = own_postgres.new_database()
    child = Child(
        studio_shelf / "sasrec", "--shelf", studio_shelf, "--store", store, "--deadline", 20, log=tmp_path / "log"
    ).start()
    try:
        with crowd_at(child.url) as crowd:
            for run in ("tokens", "sasrec", "tokens"):
                time.sleep(0.5)
                assert child.post("/systems/sasrec/swap", run=run)["now"] == run
            before = len(crowd.acknowledged)
            own_postgres.kill()
            time.sleep(0.5)
            own_postgres.start()
            until = time.monotonic() + 20
            while len(crowd.acknowledged) < before + 40 and time.monotonic() < until:
                time.sleep(0.1)
            assert child.post("/systems/sasrec/swap", run="popularity")["before"] == "tokens"
            time.sleep(0.5)
        assert crowd.faults == []
        assert set(crowd.statuses) == {200}
        assert len(crowd.acknowledged) >= before + 40
        assert child.stop() == 0
        kept = kept_events(store)
        assert set(kept.values()) == {1}
        assert set(crowd.acknowledged) <= kept.keys()
    finally:
        child.kill()


def test_what_was_acknowledged_survives_a_killed_service(studio_shelf: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'live.db'}"
    child = Child(studio_shelf / "sasrec", "--store", store, log=tmp_path / "log").start()
    with crowd_at(child.url) as crowd:
        while len(crowd.acknowledged) < 60:
            time.sleep(0.05)
        child.kill()
    acknowledged = set(crowd.acknowledged)
    child.start()
    try:
        assert acknowledged <= kept_events(store).keys()
        told = httpx.get(f"{child.url}/users/p1", params={"limit": 1000}).json()
        assert told["total"] >= sum(one.startswith("1-") for one in acknowledged)
        assert child.stop() == 0
    finally:
        child.kill()
