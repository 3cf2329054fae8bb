"""Items come and go while the service answers, and what was said of them outlives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.served import problem, served


def listed(client: TestClient, system: str, **more: Any) -> list[str]:
    answer = client.post("/recommend", json={"user_id": "u07", "k": 60, "seen": True, "system": system, **more})
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'live.db'}"


def test_a_withdrawn_item_is_never_recommended_until_it_is_put_back(studio_shelf: Path, store: str) -> None:
    with served(studio_shelf, ["sasrec", "tokens"], store) as client:
        best = listed(client, "sasrec")[0]
        gone = client.put(f"/items/{best}/availability", json={"available": False}).json()
        assert (gone["item_id"], gone["available"]) == (best, False)
        for system in ("sasrec", "tokens"):
            assert best not in listed(client, system)
            assert listed(client, system, allow=[best]) == []
    with served(studio_shelf, ["sasrec", "tokens"], store) as client:
        assert best not in listed(client, "sasrec")
        assert client.put(f"/items/{best}/availability", json={"available": True}).json()["available"]
        assert listed(client, "sasrec")[0] == best
        problem(client.put("/items/nothing/availability", json={"available": True}), 404, "not-found")


def test_a_new_item_is_recommended_by_who_can_and_refused_with_a_reason_by_who_cannot(
    studio_shelf: Path, store: str
) -> None:
    with served(studio_shelf, ["tokens", "sasrec"], store) as client:
        alike = client.get("/items/i07").json()
        new = {"item_id": "new one", "title": alike["title"], "categories": alike["categories"], "price": 3}
        assert client.post("/events", json={"event_id": "1", "user_id": "v", "item_id": "new one"}).json()[
            "unknown_items"
        ] == ["new one"]
        assert client.get("/users/v").json()["total"] == 0
        added = client.post("/items", json={"items": [new]}).json()
        assert added["added"] == ["new one"]
        assert added["recommendable"] == {"tokens": ["new one"], "sasrec": []}
        assert list(added["not_recommendable"]["sasrec"]) == ["new one"]
        shown = client.get("/items/new one").json()
        assert (shown["title"], shown["added"], shown["price"]) == (alike["title"], True, 3)
        assert "new one" in listed(client, "tokens")
        assert "new one" not in listed(client, "sasrec")
        # An event that came before the item counts now, for who can read it.
        assert [one["item_id"] for one in client.get("/users/v?system=tokens").json()["events"]] == ["new one"]
        told = client.post("/recommend", json={"user_id": "v", "k": 3, "system": "tokens"}).json()
        assert told["answered_by"] == "model"
        again = client.post("/items", json={"items": [new]}).json()
        assert again["added"] == []
    with served(studio_shelf, ["tokens", "sasrec"], store) as client:
        assert "new one" in listed(client, "tokens")
        assert client.get("/users/v?system=tokens").json()["total"] == 1


def test_an_item_that_does_not_fit_changes_nothing(studio_shelf: Path, store: str) -> None:
    with served(studio_shelf, ["tokens"], store) as client:
        wrong = {"item_id": "wrong", "title": "A title", "categories": ["x"], "price": "cheap"}
        problem(client.post("/items", json={"items": [wrong]}), 422, "invalid")
        problem(client.post("/items", json={"items": [{"item_id": "wrong", "title": "  "}]}), 422, "refused")
        assert client.get("/items/wrong").status_code == 404
        assert client.post("/items", json={"items": [{"item_id": "right", "title": "A title"}]}).status_code == 200
    with served(studio_shelf, ["tokens"], store) as client:
        assert client.get("/items/wrong").status_code == 404
        assert client.get("/items/right").json()["added"]


def test_what_another_process_does_to_items_is_taken_over(studio_shelf: Path, store: str) -> None:
    with (
        served(studio_shelf, ["tokens"], store, refresh=0.05) as one,
        served(studio_shelf, ["tokens"], store, refresh=0.05) as other,
    ):
        best = listed(one, "tokens")[0]
        one.put(f"/items/{best}/availability", json={"available": False})
        for _ in range(200):
            if best not in listed(other, "tokens"):
                break
        else:
            pytest.fail(f"{best} was withdrawn by one process and is still recommended by the other")


def test_a_new_item_stands_behind_those_that_the_ranker_can_judge(studio_shelf: Path, store: str) -> None:
    with served(studio_shelf, ["tokens", "dfgr"], store, retriever="tokens", ranker="dfgr") as client:
        alike = client.get("/items/i07").json()
        client.post("/items", json={"items": [{"item_id": "new one", "title": alike["title"]}]})
        assert listed(client, "tokens+dfgr")[-1] == "new one"
        asked = {"user_id": "u07", "candidates": ["new one", "i03"], "system": "dfgr"}
        assert "cannot judge 'new one'" in problem(client.post("/rank", json=asked), 422, "refused")["detail"]
