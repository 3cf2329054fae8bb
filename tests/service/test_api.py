"""The service as its users meet it: over HTTP, with real runs behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from segue.workflows.experiment import new
from segue.workflows.fit import fit
from segue.workflows.rank import rank
from segue.workflows.recommend import recommend
from service.served import problem, served


@pytest.fixture(scope="module")
def client(studio_shelf: Path) -> Iterator[TestClient]:
    """Everything at once, whose answers do not depend on each other: each test has users of its own."""
    with served(studio_shelf, ["sasrec", "tokens", "popularity", "dfgr"], retriever="sasrec", ranker="dfgr") as client:
        yield client


def post(client: TestClient, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def report(client: TestClient, user: str, *items: str, **more: Any) -> None:
    events = [{"event_id": f"{user} {item}", "user_id": user, "item_id": item, **more} for item in items]
    post(client, "/events", events=events)


@pytest.mark.parametrize("system", ["sasrec", "tokens", "popularity"])
def test_a_user_gets_what_the_command_line_says(client: TestClient, studio_shelf: Path, system: str) -> None:
    offline = recommend(studio_shelf / system, user="u07", k=7)
    online = post(client, "/recommend", user_id="u07", k=7, system=system)
    assert [one["item_id"] for one in online["items"]] == [one["item_id"] for one in offline["items"]]
    assert [one["score"] for one in online["items"]] == pytest.approx([one["score"] for one in offline["items"]])
    assert online["history"] == offline["history"]
    assert (online["answered_by"], online["system"], online["stale"]) == ("model", system, False)


def test_what_a_user_did_a_moment_ago_counts(client: TestClient, studio_shelf: Path) -> None:
    report(client, "somebody new", "i07", "i11")
    report(client, "somebody new", "i12")
    told = post(client, "/recommend", user_id="somebody new", k=5, system="sasrec")
    offline = recommend(studio_shelf / "sasrec", history=["i07", "i11", "i12"], k=5)
    assert [one["item_id"] for one in told["items"]] == [one["item_id"] for one in offline["items"]]
    assert [one["item_id"] for one in told["history"]] == ["i07", "i11", "i12"]
    assert told == {**post(client, "/recommend", user_id="somebody new", k=5, system="sasrec"), **_ids(told)}


def _ids(answer: dict[str, Any]) -> dict[str, Any]:
    return {"request_id": answer["request_id"]}


def test_an_event_counts_once_however_often_it_is_reported(client: TestClient) -> None:
    event = {"event_id": "once", "user_id": "repeater", "item_id": "i03"}
    assert post(client, "/events", **event) == {"accepted": 1, "duplicates": 0, "unknown_items": []}
    assert post(client, "/events", events=[event, event]) == {"accepted": 0, "duplicates": 2, "unknown_items": []}
    assert client.get("/users/repeater").json()["total"] == 1


def test_events_on_unknown_items_are_kept_and_named(client: TestClient) -> None:
    answer = post(client, "/events", event_id="u1", user_id="early bird", item_id="not yet", time=5)
    assert answer["unknown_items"] == ["not yet"]
    assert client.get("/users/early bird").json()["events"] == []


def test_strangers_get_the_declared_fallback(client: TestClient) -> None:
    popular = post(client, "/recommend", user_id="nobody at all", k=3, system="sasrec")
    assert popular["answered_by"] == "fallback"
    counts = [one["score"] for one in popular["items"]]
    assert counts == sorted(counts, reverse=True)
    assert post(client, "/recommend", history=[], k=3, system="sasrec")["items"] == popular["items"]


def test_filters_hold(client: TestClient) -> None:
    def ids(**more: Any) -> list[str]:
        return [one["item_id"] for one in post(client, "/recommend", user_id="u05", system="sasrec", **more)["items"]]

    best = ids(k=5)
    assert ids(k=4, deny=best[:1]) == best[1:]
    assert ids(k=5, allow=[best[3], best[1]]) == [best[1], best[3]]
    seen = {one["item_id"] for one in client.get("/users/u05").json()["events"]}
    assert not seen & set(ids(k=40))
    assert set(ids(k=40, seen=True)) == {f"i{row:02d}" for row in range(40)}

    every = client.get("/items?limit=500").json()["items"]
    cheap = {one["item_id"] for one in every if one["price"] <= 20}
    kind = every[0]["categories"][0]
    assert set(ids(k=40, seen=True, where=[{"column": "price", "at_most": 20}])) == cheap
    wanted = {one["item_id"] for one in every if kind in one["categories"]}
    assert set(ids(k=40, seen=True, where=[{"column": "categories", "any_of": [kind]}])) == wanted


def test_a_ranker_answers_as_the_command_line_does(client: TestClient, studio_shelf: Path) -> None:
    candidates = ["i03", "i17", "i30"]
    offline = rank(studio_shelf / "dfgr", candidates, user="u09")
    online = post(client, "/rank", user_id="u09", candidates=candidates, system="dfgr")
    assert [one["item_id"] for one in online["items"]] == [one["item_id"] for one in offline["items"]]
    for one, other in zip(online["items"], offline["items"], strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    assert online["by"] == offline["by"]


def test_what_was_done_a_moment_ago_moves_a_ranker(client: TestClient) -> None:
    def chances() -> list[float]:
        items = post(client, "/rank", user_id="u10", candidates=["i03", "i17"], system="dfgr")["items"]
        return [one["probabilities"]["click"] for one in sorted(items, key=lambda one: one["item_id"])]

    before = chances()
    report(client, "u10", "i05", "i06", actions={"click": 1})
    assert not np.allclose(before, chances(), atol=1e-7)


def test_two_stages_name_by_one_system_and_sort_by_the_other(client: TestClient) -> None:
    named = {one["item_id"] for one in post(client, "/recommend", user_id="u11", k=40, system="sasrec")["items"]}
    judged = post(client, "/rank", user_id="u11", candidates=sorted(named), system="dfgr")
    both = post(client, "/recommend", user_id="u11", k=6, system="sasrec+dfgr")
    assert [one["item_id"] for one in both["items"]] == [one["item_id"] for one in judged["items"]][:6]
    assert [one["score"] for one in both["items"]] == pytest.approx(
        [one["probabilities"]["click"] for one in judged["items"]][:6], abs=1e-5
    )
    assert post(client, "/rank", user_id="u11", candidates=["i01", "i02"], system="sasrec+dfgr")["by"] == "click"


def test_an_explanation_names_the_score_of_the_list(client: TestClient) -> None:
    best = post(client, "/recommend", user_id="u12", k=1, system="tokens")["items"][0]
    why = post(client, "/explain", user_id="u12", item_id=best["item_id"], system="tokens")
    assert (why["place"], why["system"]) == (1, "tokens")
    assert why["score"] == pytest.approx(best["score"], abs=1e-5)
    assert len(why["path"]) >= 2
    chance = np.prod([step["probability"] for step in why["path"]]) * why["share"]
    assert chance == pytest.approx(np.exp(why["score"]), rel=1e-4)


def test_users_and_items_are_found(client: TestClient) -> None:
    assert client.get("/users?begins=u0&limit=3").json()["users"] == ["u00", "u01", "u02"]
    report(client, "u0 and more", "i01")
    assert "u0 and more" in client.get("/users?begins=u0&limit=500").json()["users"]
    first = client.get("/items?limit=1").json()["items"][0]
    word = first["title"].split()[0].lower()
    found = client.get("/items", params={"query": word}).json()
    assert first["item_id"] in [one["item_id"] for one in found["items"]]
    assert client.get(f"/items/{first['item_id']}").json() == first


def test_a_history_shows_which_events_are_live(client: TestClient) -> None:
    before = client.get("/users/u13").json()
    assert not any(one["live"] for one in before["events"])
    report(client, "u13", "i02", actions={"click": 1})
    after = client.get("/users/u13").json()
    assert after["total"] == before["total"] + 1
    assert (after["events"][0]["item_id"], after["events"][0]["live"]) == ("i02", True)
    assert after["events"][0]["actions"] == {"click": 1}


def test_systems_say_what_they_are(client: TestClient) -> None:
    systems = {one["name"]: one for one in client.get("/systems").json()["systems"]}
    assert {name: one["form"] for name, one in systems.items()} == {
        "sasrec+dfgr": "pipeline", "sasrec": "scores", "tokens": "codes", "popularity": "scores", "dfgr": "ranks",
    }  # fmt: skip
    assert systems["sasrec+dfgr"]["share"] == 1
    assert systems["dfgr"]["tasks"] == ["click", "like", "purchase"]


def test_errors_are_problems_that_name_the_field(client: TestClient) -> None:
    wrong = problem(client.post("/recommend", json={"user_id": "u1", "k": 0}), 422, "invalid")
    assert wrong["errors"] == [{"field": "body.k", "message": "Input should be greater than or equal to 1 (came: 0)"}]
    both = problem(client.post("/recommend", json={"user_id": "u1", "history": []}), 422, "invalid")
    assert "either user_id or history" in both["detail"]
    for body in ({"user_id": "u1", "deny": ["nothing"]}, {"history": ["nothing"]}):
        unknown = problem(client.post("/recommend", json=body), 422, "unknown-item")
        assert unknown["errors"][0]["field"] == f"body.{list(body)[-1]}"
    where = {"user_id": "u1", "system": "sasrec", "where": [{"column": "colour", "any_of": ["red"]}]}
    column = problem(client.post("/recommend", json=where), 422, "invalid")
    assert "it has: item_id, title" in column["detail"]
    bounds = {"user_id": "u1", "system": "sasrec", "where": [{"column": "title", "at_least": 3}]}
    assert "bounds need numbers" in problem(client.post("/recommend", json=bounds), 422, "invalid")["detail"]
    problem(client.post("/recommend", json={"user_id": "u1", "system": "other"}), 404, "not-found")
    problem(client.post("/rank", json={"user_id": "u1", "candidates": ["i01"], "system": "sasrec"}), 422, "wrong-form")
    problem(client.post("/explain", json={"user_id": "u1", "item_id": "nothing"}), 404, "not-found")
    problem(client.get("/items/nothing"), 404, "not-found")
    problem(client.get("/nothing"), 404, "not-found")
    problem(client.delete("/events"), 405, "method")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"[]", 422),
        (b"\xff\xfe", 400),
        (b'{"user_id": NaN}', 422),
        (b'{"event_id": "\\ud800", "user_id": "u", "item_id": "i"}', 422),
        (b'{"event_id": "a\\u0000b", "user_id": "u", "item_id": "i"}', 422),
        (b'{"event_id": "a", "user_id": "u", "item_id": "i", "time": 1e400}', 422),
        (b'{"event_id": "a", "user_id": "u", "item_id": "i", "time": 99999999999999999999999}', 422),
        (b'{"events": []}', 422),
        (b'{"events": ' + b"[" * 100_000, 400),
        (b'{"event_id": "a", "user_id": "u", "item_id": "i", "actions": {"click": 2}}', 422),
    ],
)
def test_hostile_bodies_are_refused(client: TestClient, body: bytes, status: int) -> None:
    answer = client.post("/events", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_large_body_is_refused_whether_its_length_is_told_or_not(client: TestClient) -> None:
    large = b'{"event_id": "' + b"a" * 2_000_000
    problem(client.post("/events", content=large), 413, "too-large")
    problem(client.post("/events", content=iter([large])), 413, "too-large")


def test_metrics_count(client: TestClient) -> None:
    post(client, "/recommend", user_id="u05", system="sasrec")
    text = client.get("/metrics").text
    assert 'segue_requests_total{method="POST",route="/recommend",status="200"}' in text
    assert 'segue_answers_total{by="model",system="sasrec"}' in text


@pytest.mark.slow
def test_a_language_model_is_served_as_any_other(tmp_path: Path) -> None:
    small = {
        "data.users": 60, "data.items": 30, "procedure.loop.epochs": 1, "backbone.tiny.steps": 20,
        "backbone.corpus.sentences": 50, "batches.samples": 64, "evaluation.users": 5,
    }  # fmt: skip
    fit(new("bigrec_small", "world", small, 0), tmp_path / "words", baselines=())
    offline = recommend(tmp_path / "words", user="u07", k=4)
    with served(tmp_path, ["words"]) as client:
        online = post(client, "/recommend", user_id="u07", k=4)
        assert [one["item_id"] for one in online["items"]] == [one["item_id"] for one in offline["items"]]
        assert post(client, "/explain", user_id="u07", item_id="i07")["path"] is None
        assert client.get("/systems").json()["systems"][0]["form"] == "words"
        added = post(client, "/items", items=[{"item_id": "kettle", "title": "A brand new kettle"}])
        assert added["recommendable"] == {"words": ["kettle"]}
        assert post(client, "/recommend", user_id="u07", k=1, allow=["kettle"])["items"][0]["item_id"] == "kettle"


def test_a_service_says_when_it_is_not_ready_yet(studio_shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    for name in ("recipe.yaml", "catalog.parquet"):
        (tmp_path / "broken" / name).write_bytes((studio_shelf / "sasrec" / name).read_bytes())
    (tmp_path / "broken" / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(AssertionError, match="weights"), served(tmp_path, ["broken"]):
        pass
