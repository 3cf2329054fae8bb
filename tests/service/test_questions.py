"""Questions that wait together are one call of the system, and answered as if each had come alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from segue.core.ranking_recipe import FittedRanker
from segue.service.host import Host
from segue.service.open_store import open_store
from segue.service.pipeline import Pipeline
from segue.service.problems import Problem
from segue.service.questions import ForItems, ForProbabilities, Items, Probabilities, answers
from segue.service.recent_events import RecentEvents
from segue.service.warm import Asked, Warm


@pytest.fixture
def recent() -> Iterator[RecentEvents]:
    store = open_store("sqlite://:memory:")
    yield RecentEvents(store)
    store.close()


def opened(shelf: Path, run: str, recent: RecentEvents) -> Warm:
    return Warm.open(run, shelf / run, recent, [], kept_megabytes=0, device=torch.device("cpu"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each call of a ranker has asked about."""
    seen: list[int] = []
    real = FittedRanker.probabilities

    def counted(self: FittedRanker, impressions: Any) -> Any:
        seen.append(len(impressions))
        return real(self, impressions)

    monkeypatch.setattr(FittedRanker, "probabilities", counted)
    return seen


JUDGED = [
    ForProbabilities(Asked("u01"), ("i03", "i17", "i30")),
    ForProbabilities(Asked("u02"), ("i05",), by="click"),
    ForProbabilities(Asked("nobody"), ("i01", "i02")),
    ForProbabilities(Asked(None, ("i04", "i09")), ("i03", "i17")),
    ForProbabilities(Asked(None, ()), ("i30", "i03", "i11", "i12")),
]


def test_rankers_are_asked_once_about_all_who_wait(studio_shelf: Path, recent: RecentEvents, calls: list[int]) -> None:
    warm = opened(studio_shelf, "dfgr", recent)
    together = answers(warm, JUDGED)
    assert calls == [3, 2], "those with an id, and those with a history of their own"
    for question, answer in zip(JUDGED, together, strict=True):
        (alone,) = answers(warm, [question])
        assert isinstance(alone, Probabilities)
        assert isinstance(answer, Probabilities)
        assert [one.item_id for one in answer.items] == [one.item_id for one in alone.items]
        assert sorted(one.item_id for one in answer.items) == sorted(question.candidates)
        for one, other in zip(answer.items, alone.items, strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert (answer.by, answer.history) == (alone.by, alone.history)


def test_a_question_at_fault_leaves_the_others_of_its_batch_alone(studio_shelf: Path, recent: RecentEvents) -> None:
    warm = opened(studio_shelf, "dfgr", recent)
    wrong = ForProbabilities(Asked("u03"), ("i03", "no item"))
    other = ForProbabilities(Asked("u03"), ("i03",), by="no action")
    found = answers(warm, [JUDGED[0], wrong, other, JUDGED[1]])
    assert [isinstance(one, Probabilities) for one in found] == [True, False, False, True]
    assert isinstance(found[1], Problem)
    assert "no item" in str(found[1])
    assert isinstance(found[2], Problem)
    assert "no action" in str(found[2])


def test_two_stages_judge_the_candidates_of_all_who_wait_in_one_call(
    studio_shelf: Path, recent: RecentEvents, calls: list[int]
) -> None:
    hosts = {}
    for name in ("sasrec", "dfgr"):
        hosts[name] = Host(name, opened(studio_shelf, name, recent), batch=8, waiting=8, watch=lambda *_: None)
    both = Pipeline(hosts["sasrec"], hosts["dfgr"], candidates=12, batch=8, waiting=8, watch=lambda *_: None)
    questions = [
        ForItems(Asked("u01"), k=3),
        JUDGED[0],
        ForItems(Asked("nobody"), k=4),
        ForItems(Asked("u02"), k=20),
        ForItems(Asked(None, ("i04", "i09")), k=2),
        ForItems(Asked("u05"), k=3, allow=("no item",)),
    ]
    calls.clear()
    found = both._answer(questions)
    assert calls == [1, 2, 1], "what /rank asks; the two users with a past; the history of its own"
    assert isinstance(found[5], Problem)
    for place in (0, 3, 4):
        (alone,) = both._answer([questions[place]])
        assert [one.item_id for one in found[place].items] == [one.item_id for one in alone.items]
    assert isinstance(found[1], Probabilities)
    named = answers(hosts["sasrec"].warm, [ForItems(Asked("u01"), k=12)])[0]
    assert isinstance(named, Items)
    ids = tuple(one.item_id for one in named.items)
    (sorted_by_ranker,) = answers(hosts["dfgr"].warm, [ForProbabilities(Asked("u01"), ids)])
    assert isinstance(sorted_by_ranker, Probabilities)
    assert [one.item_id for one in found[0].items] == [one.item_id for one in sorted_by_ranker.items[:3]]
    assert len(found[3].items) == 20
    (fallen,) = answers(hosts["sasrec"].warm, [ForItems(Asked("nobody"), k=12)])
    assert isinstance(fallen, Items)
    assert found[2].items == fallen.items[:4], "of a stranger the retriever's answer stands"
    for one in (both, *hosts.values()):
        one.close()
