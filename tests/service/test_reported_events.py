"""What is wrong with a reported event is said of the field at fault, and nothing is kept then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.served import problem, served

EVENT = {"event_id": "1", "user_id": "v", "item_id": "i03"}


@pytest.fixture(scope="module")
def client(studio_shelf: Path) -> Iterator[TestClient]:
    with served(studio_shelf, ["popularity"]) as client:
        yield client


def refused(client: TestClient, body: Any) -> list[dict[str, str]]:
    """The faults by field, none of which names a form of the body."""
    told = problem(client.post("/events", json=body), 422, "invalid")
    assert told["detail"].startswith(f"{told['errors'][0]['field']}: ")
    faults: list[dict[str, str]] = told["errors"]
    return faults


WRONG: dict[str, tuple[Any, str]] = {
    "milliseconds": (1_700_000_000_000, "this seems to be milliseconds (came: 1700000000000)"),
    "microseconds": (1_700_000_000_000_000, "this seems to be microseconds"),
    "nanoseconds": (1_700_000_000_000_000_000, "this seems to be nanoseconds"),
    "a date": (
        "2024-01-01T00:00:00Z",
        "expected whole Unix seconds, such as 1700000000 (came: '2024-01-01T00:00:00Z')",
    ),
    "parts of a second": (1_700_000_000.5, "expected whole Unix seconds"),
    "a truth": (True, "expected whole Unix seconds"),
    "before 1970": (-1, "greater than or equal to 0"),
    "the year 9999": (253_402_300_799, "seems to be milliseconds"),
    "in two days": (int(time.time()) + 172_800, "at most a day ahead of now"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_time_is_named_with_what_came_in_one_event_and_in_several(client: TestClient, what: str) -> None:
    wrong, said = WRONG[what]
    (alone,) = refused(client, EVENT | {"time": wrong})
    assert alone["field"] == "body.time"
    assert said in alone["message"]
    (listed,) = refused(client, {"events": [EVENT, EVENT | {"event_id": "2", "time": wrong}]})
    assert listed == {"field": "body.events.1.time", "message": alone["message"]}
    assert client.get("/users/v").json()["total"] == 0


@pytest.mark.parametrize("right", [0, 1_700_000_000, 1.7e9, "1700000000", None])
def test_a_right_time_is_taken(client: TestClient, right: Any) -> None:
    told = client.post("/events", json=EVENT | {"event_id": f"right {right!r}", "user_id": "right", "time": right})
    assert (told.status_code, told.json()["accepted"]) == (200, 1)


def test_a_clock_that_is_an_hour_ahead_is_no_reason_to_refuse(client: TestClient) -> None:
    soon = EVENT | {"event_id": "soon", "user_id": "soon", "time": int(time.time()) + 3600}
    assert client.post("/events", json=soon).json()["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_id": "1", "user_id": "v"}, "body.item_id"),
        (EVENT | {"colour": "red"}, "body.colour"),
        ({"events": [{"event_id": "1", "user_id": "v"}]}, "body.events.0.item_id"),
        ({"events": []}, "body.events"),
        (EVENT | {"events": [EVENT]}, "body.event_id"),
        ([EVENT], "body"),
    ],
)
def test_the_form_that_was_meant_is_the_one_that_is_judged(client: TestClient, body: Any, field: str) -> None:
    assert refused(client, body)[0]["field"] == field


def test_a_filter_is_judged_by_the_form_that_was_meant(client: TestClient) -> None:
    def fault(one: dict[str, Any]) -> dict[str, str]:
        told = client.post("/recommend", json={"user_id": "u07", "where": [one]})
        (found,) = problem(told, 422, "invalid")["errors"]
        return dict(found)

    assert fault({"column": "price", "at_most": "cheap"})["field"] == "body.where.0.at_most"
    assert fault({"column": "categories", "any_of": []})["field"] == "body.where.0.any_of"
    assert fault({"column": "price"})["field"] == "body.where.0"


def test_an_event_on_an_item_that_nobody_knows_says_so(client: TestClient) -> None:
    told = client.post("/events", json=EVENT | {"event_id": "x", "user_id": "x", "item_id": "i0042"}).json()
    assert (told["accepted"], told["unknown_items"]) == (1, ["i0042"])
    assert told["note"].startswith("item 'i0042' is in the catalog of no system")
    known = client.post("/events", json=EVENT | {"event_id": "y", "user_id": "x"}).json()
    assert known == {"accepted": 1, "duplicates": 0, "unknown_items": []}


def test_a_withdrawn_item_that_is_posted_again_comes_back_and_that_is_said(studio_shelf: Path) -> None:
    with served(studio_shelf, ["popularity"]) as client:
        gone, there = client.get("/items?limit=2").json()["items"]
        client.put(f"/items/{gone['item_id']}/availability", json={"available": False})
        bodies = [{"item_id": one["item_id"], "title": "Another title"} for one in (gone, there)]
        told = client.post("/items", json={"items": bodies}).json()
        assert (told["added"], told["returned"], told["unchanged"]) == ([], [gone["item_id"]], [there["item_id"]])
        assert client.get(f"/items/{gone['item_id']}").json() == gone
