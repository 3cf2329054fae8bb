"""Whatever users do and in whatever order, the service answers as an offline question with the same history does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.core.ranking import NOTHING, Rules
from segue.core.tables import Histories
from segue.workflows.runs import dataset_of, open_run
from service.served import served

SYSTEMS = ("sasrec", "tokens")
ITEMS, USERS, LATER = 40, 60, 1_740_000_000
NUMBERS = count()
"""So that each example has users and events of its own."""

happenings = st.lists(
    st.tuples(
        st.sampled_from(["event", "event", "event", "repeat", "ask"]),
        st.integers(0, 2),  # who: a user of the log, or somebody new
        st.integers(0, ITEMS - 1),
        st.integers(0, 5),  # when: events may come late
    ),
    min_size=1,
    max_size=25,
)


@pytest.fixture(scope="module")
def client(studio_shelf: Path) -> Iterator[TestClient]:
    with served(studio_shelf, SYSTEMS, kept_megabytes=1) as client:
        yield client


@pytest.fixture(scope="module")
def offline(studio_shelf: Path) -> dict[str, tuple]:
    return {name: open_run(studio_shelf / name) for name in SYSTEMS}


@settings(max_examples=25)
@given(happenings)
def test_online_is_offline(client: TestClient, offline: dict[str, tuple], stream: list[tuple]) -> None:
    number = next(NUMBERS)
    dataset = dataset_of(offline["sasrec"][0])
    known = dataset.log.users["user_id"][number % USERS]
    people = {0: known, 1: f"new {number}", 2: f"newer {number}"}
    # What each did here: (time, place, item); the log's own events come before all of it. A user of the log may have
    # events from earlier examples, which the service tells us of.
    before = {who: _told(client, user) for who, user in people.items()}
    done: dict[int, list[tuple[int, int, int]]] = {who: [] for who in people}
    reported: list[dict[str, object]] = []
    for place, (what, who, item, late) in enumerate(stream):
        if what == "event" or (what == "repeat" and not reported):
            time = LATER + 100 * number + late
            event = {"event_id": f"{number}-{place}", "user_id": people[who], "item_id": f"i{item:02d}", "time": time}
            assert client.post("/events", json=event).json()["accepted"] == 1
            reported.append(event)
            done[who].append((time, place, item))
        elif what == "repeat":
            assert client.post("/events", json=reported[item % len(reported)]).json()["duplicates"] == 1
        else:
            for name in SYSTEMS:
                history = before[who] + [item for _, _, item in sorted(done[who])]
                _compare(client, offline[name][1], name, people[who], history, k=1 + item % 12)
    for who, user in people.items():
        history = before[who] + [item for _, _, item in sorted(done[who])]
        assert _told(client, user) == history
        for name in SYSTEMS:
            _compare(client, offline[name][1], name, user, history, k=10)


def _told(client: TestClient, user: str) -> list[int]:
    """A user's history by rows, oldest first."""
    events = client.get(f"/users/{user}", params={"limit": 1000}).json()["events"]
    return [int(one["item_id"][1:]) for one in reversed(events)]


def _compare(client: TestClient, system: object, name: str, user: str, history: list[int], k: int) -> None:
    """The same scores in the same order; items only where no other has that score, but for rounding."""
    online = client.post("/recommend", json={"user_id": user, "k": k, "system": name}).json()
    if not history:
        assert online["answered_by"] == "fallback"
        return
    ranking = system.recommend(Histories.from_lists([history]), k, Rules())  # type: ignore[attr-defined]
    chosen = ranking.items[0] != NOTHING
    scores = np.array([one["score"] for one in online["items"]])
    np.testing.assert_allclose(scores, ranking.scores[0][chosen], atol=2e-5)
    alone = np.ones(len(scores), dtype=bool)
    near = np.abs(np.diff(scores)) < 1e-4
    alone[1:] &= ~near
    alone[:-1] &= ~near
    alone[-1:] = False  # the next one behind the list is not known
    rows = np.array([int(one["item_id"][1:]) for one in online["items"]])
    np.testing.assert_array_equal(rows[alone], ranking.items[0][chosen][alone])
