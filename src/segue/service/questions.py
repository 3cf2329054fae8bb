"""What a system is asked, and how a batch of questions is answered in as few calls of it as can be."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from segue.core.errors import SegueError
from segue.core.ranking import Rules
from segue.core.ranking_recipe import Ranker, shown
from segue.service.problems import Problem, invalid
from segue.service.schemas import AnyOf, Between, ItemTitle, Judged, Recommended
from segue.service.warm import Asked, Past, Warm, chosen_rows
from segue.workflows.explain import Explanation, explain

SHOWN = 5
"""Newest events that an answer repeats."""
One = TypeVar("One")


@dataclass(frozen=True)
class ForItems:
    """What should this one get?"""

    asked: Asked
    k: int
    seen: bool = False
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    where: tuple[AnyOf | Between, ...] = ()

    @property
    def together(self) -> Hashable:
        """Questions for which this is equal can be answered by one call."""
        return self.asked.user_id is None, self.k, self.seen, self.allow, self.deny, self.where


@dataclass(frozen=True)
class ForProbabilities:
    """How likely is each action on these items?"""

    asked: Asked
    candidates: tuple[str, ...]
    by: str | None = None

    @property
    def together(self) -> Hashable:
        """Questions for which this is equal can be answered by one call."""
        return self.asked.user_id is None


@dataclass(frozen=True)
class ForReasons:
    """Why this item?"""

    asked: Asked
    item_id: str


Question = ForItems | ForProbabilities | ForReasons


@dataclass(frozen=True)
class Items:
    """The answer to `ForItems`."""

    items: list[Recommended]
    history: list[ItemTitle]
    known: int
    """Events that the system knew."""
    place: int
    """The newest live event among them, by its place in the store."""
    stale: bool


@dataclass(frozen=True)
class Probabilities:
    """The answer to `ForProbabilities`."""

    items: list[Judged]
    by: str
    history: list[ItemTitle]
    stale: bool


def answers(warm: Warm, questions: Sequence[Question]) -> list[Items | Probabilities | Explanation | Exception]:
    """The answer to each question, or why there is none."""
    found: list[Any] = [_unanswered()] * len(questions)
    with warm.lock:
        lists = [(place, one) for place, one in enumerate(questions) if isinstance(one, ForItems)]
        for some in _grouped(lists, lambda one: one.together):
            _fill(found, some, lambda asked: recommended(warm, asked))
        judgements = [(place, one) for place, one in enumerate(questions) if isinstance(one, ForProbabilities)]
        for few in _grouped(judgements, lambda one: one.together):
            _fill(found, few, lambda asked: judged(warm, asked))
        for place, one in enumerate(questions):
            if isinstance(one, ForReasons):
                _fill(found, [(place, one)], lambda asked: [explained(warm, asked[0])])
    return found


def recommended(warm: Warm, questions: Sequence[ForItems]) -> list[Items]:
    """One call of the system for questions that differ in nothing but their history."""
    first = questions[0]
    rules = rules_of(warm, first)
    past = warm.past([one.asked for one in questions])
    ranking = warm.recommender.recommend(past.histories, first.k, rules)
    lengths = past.histories.lengths
    return [
        Items(
            items=[
                Recommended(item_id=warm.ids[row], title=warm.titles[row], score=float(score))
                for row, score in zip(chosen_rows(ranking.items[place]), ranking.scores[place], strict=False)
            ],
            history=newest(warm, past, place),
            known=int(lengths[place]),
            place=int(past.places[place]),
            stale=past.stale,
        )
        for place in range(len(questions))
    ]


def popular(warm: Warm, question: ForItems) -> list[Recommended]:
    """What the run's log has most of, among what may be recommended."""
    rules = rules_of(warm, question)
    rows = warm.popularity[rules.allows(warm.popularity, warm.catalog_size)][: question.k]
    return [
        Recommended(item_id=warm.ids[row], title=warm.titles[row], score=float(warm.popular_counts[row]))
        for row in rows.tolist()
    ]


def judged(warm: Warm, questions: Sequence[ForProbabilities]) -> list[Probabilities]:
    """One call of the system for all: the candidates of each question by the probability of one action.

    Raises:
        Problem: the system does not judge, or knows no such action.
    """
    tasks = warm.tasks
    if not isinstance(warm.recommender, Ranker):
        raise invalid(
            f"{warm.run} is a run of {warm.system}, which does not judge candidates; ask it with POST /recommend.",
            field="body.system",
            name="wrong-form",
            title="This system answers other questions",
        )
    for by in {question.by for question in questions if question.by is not None}:
        if by not in tasks:
            raise invalid(f"The system predicts {', '.join(tasks)}; {by!r} is none of them.", field="body.by")
    rows = [warm.rows(question.candidates, "body.candidates") for question in questions]
    chances, past = _probabilities(warm, warm.recommender, [question.asked for question in questions], rows)
    found = []
    for place, (question, items, likely) in enumerate(zip(questions, rows, chances, strict=True)):
        by = question.by or tasks[0]
        ordered = [
            Judged(
                item_id=warm.ids[items[one]],
                title=warm.titles[items[one]],
                probabilities={task: float(likely[one, column]) for column, task in enumerate(tasks)},
            )
            for one in np.argsort(-likely[:, tasks.index(by)], kind="stable").tolist()
        ]
        found.append(Probabilities(ordered, by, newest(warm, past, place), past.stale))
    return found


def _probabilities(
    warm: Warm, ranker: Ranker, asked: Sequence[Asked], rows: Sequence[Sequence[int]]
) -> tuple[list[np.ndarray], Past]:
    """P(action) of the items of each who asks, all by id or all by a history given on the spot."""
    items = [np.asarray(some, dtype=np.int64) for some in rows]
    if asked[0].user_id is None or warm.requests is None:
        past = warm.past(asked)  # which does not say what was done: each event counts as the first of the actions
        impressions = shown(past.histories, items, ranker.schema)
    else:
        impressions, places, stale = warm.requests.impressions([str(one.user_id) for one in asked], items)
        past = Past(impressions.histories, places, stale)
    return np.split(ranker.probabilities(impressions), impressions.bounds[1:-1]), past


def explained(warm: Warm, question: ForReasons) -> Explanation:
    """Which events moved an item, and where it stands."""
    row = warm.item(question.item_id)
    past = warm.past([question.asked])
    # Asked of the system itself: histories without one of their events are nobody's, and nothing to keep.
    return explain(warm.own, past.histories, row, rules=warm.rules(False, None, ()), terms=warm.terms)


def rules_of(warm: Warm, question: ForItems) -> Rules:
    """What may be recommended.

    Raises:
        Problem: an item or a column is unknown.
    """
    allow = None if question.allow is None else warm.rows(question.allow, "body.allow")
    if question.where:
        rows = warm.where(question.where)
        allow = rows.tolist() if allow is None else np.intersect1d(rows, allow).tolist()
    return warm.rules(question.seen, allow, warm.rows(question.deny, "body.deny"))


def newest(warm: Warm, past: Past, place: int) -> list[ItemTitle]:
    """The newest events of one history, the newest last."""
    end = int(past.histories.ends[place])
    rows = past.histories.items[max(int(past.histories.starts[place]), end - SHOWN) : end]
    return [ItemTitle(item_id=warm.ids[row], title=warm.titles[row]) for row in rows.tolist()]


def _grouped(numbered: Iterable[tuple[int, One]], key: Callable[[One], Hashable]) -> list[list[tuple[int, One]]]:
    groups: dict[Hashable, list[tuple[int, One]]] = {}
    for place, one in numbered:
        groups.setdefault(key(one), []).append((place, one))
    return list(groups.values())


def _fill(
    found: list[Any], numbered: Sequence[tuple[int, One]], answer: Callable[[Sequence[One]], Sequence[Any]]
) -> None:
    """Answer some questions together. Where one of them is at fault, each is asked alone, so that only it fails."""
    try:
        for (place, _), one in zip(numbered, answer([question for _, question in numbered]), strict=True):
            found[place] = one
    except (Problem, SegueError) as problem:
        if len(numbered) == 1:
            found[numbered[0][0]] = problem
            return
        for single in numbered:
            _fill(found, [single], answer)


def _unanswered() -> Exception:
    return RuntimeError("a question was left without an answer")
