"""Ask a run again what a service was asked: the same history, the same rules, as if it were that moment."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segue.core.errors import DataError
from segue.core.ranking import NOTHING, Rules
from segue.core.served import Decision, ItemNote
from segue.data.continued_log import LATEST, ContinuedLog, Since, together
from segue.data.id_rows import IdRows
from segue.data.where import between, having
from segue.workflows.belonging import check_data
from segue.workflows.runs import dataset_of, open_run

log = logging.getLogger(__name__)
AT_ONCE = 256
"""Histories in one call of a system."""
ASKABLE = frozenset({"seen", "allow", "deny", "where"})
"""Rules that are followed here; a decision under another one cannot be asked again."""


@dataclass(frozen=True)
class Question:
    """A decision, and what its answer could know."""

    decision: Decision
    since: Since
    """The live events of the user, those that came later too."""
    withdrawn: frozenset[str]
    """Items that were not to be had then."""

    @property
    def together(self) -> str:
        """Questions for which this is equal can be answered by one call."""
        rules = {name: value for name, value in self.decision.rules.items() if name in ASKABLE}
        return json.dumps([self.decision.k, rules, sorted(self.withdrawn)], sort_keys=True)


class Replay:
    """A finished run that answers as the service would have: from its own log, continued by what the store knew."""

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        """
        Raises:
            RunError: the folder is not a finished run, or its data has changed.
        """
        experiment, self._recommender = open_run(folder, device)
        dataset, catalog = dataset_of(experiment), self._recommender.catalog
        grown = check_data(folder, dataset, catalog, strict=True)
        if grown:
            log.warning(
                "%s: its log has %s events more than when it was fitted; answers look back at them", folder, grown
            )
        self._continued, self._items = ContinuedLog(dataset.log, catalog), IdRows(catalog.ids)
        self._ids: list[str] = catalog.ids.to_list()
        self._table = catalog.table

    def lists(
        self, questions: Sequence[Question], advance: Callable[[int], None] = lambda steps: None
    ) -> list[tuple[str, ...]]:
        """The item ids that the run gives for each question, best first.

        Args:
            advance: is told how many questions more have been answered.
        """
        answers: list[tuple[str, ...]] = [()] * len(questions)
        keys = [one.together for one in questions]
        order = sorted(range(len(questions)), key=keys.__getitem__)
        for _, group in groupby(order, key=keys.__getitem__):
            places = list(group)
            for first in range(0, len(places), AT_ONCE):
                some = places[first : first + AT_ONCE]
                for place, found in zip(some, self._asked([questions[one] for one in some]), strict=True):
                    answers[place] = found
                advance(len(some))
        return answers

    def _asked(self, questions: Sequence[Question]) -> list[tuple[str, ...]]:
        first = questions[0]
        rows = self._continued.user_rows([one.decision.user_id or "" for one in questions])
        histories = together(
            [
                self._continued.past(int(row), one.since.until(one.decision.seen_place).latest(LATEST))
                for row, one in zip(rows, questions, strict=True)
            ]
        )
        if self._recommender.recipe.knows_target_time:
            histories = replace(histories, asked_at=np.array([one.decision.time for one in questions]))
        ranking = self._recommender.recommend(histories, first.decision.k, self._rules(first))
        return [tuple(self._ids[row] for row in rows.tolist() if row != NOTHING) for rows in ranking.items]

    def _rules(self, question: Question) -> Rules:
        rules, deny = question.decision.rules, set(question.withdrawn)
        deny.update(rules.get("deny", ()))
        allow = None if rules.get("allow") is None else self._known(rules["allow"])
        for one in rules.get("where", ()):
            rows = np.flatnonzero(self._where(one))
            allow = rows if allow is None else np.intersect1d(allow, rows)
        return Rules(seen=bool(rules.get("seen", False)), allow=allow, deny=self._known(sorted(deny)) if deny else None)

    def _where(self, one: Mapping[str, Any]) -> np.ndarray:
        """The rows that a filter lets through; none, where the run does not know such a column."""
        try:
            if "any_of" in one:
                return having(self._table, one["column"], one["any_of"])
            return between(self._table, one["column"], one.get("at_least"), one.get("at_most"))
        except DataError:
            return np.zeros(self._table.height, dtype=bool)

    def _known(self, ids: Sequence[str]) -> np.ndarray:
        rows = self._items.rows(ids)
        return np.unique(rows[rows >= 0])


class Withdrawn:
    """Which items were not to be had after a note of the store."""

    def __init__(self, notes: Sequence[ItemNote]) -> None:
        self._notes, self._known = notes, dict[int, frozenset[str]]()

    def at(self, place: int) -> frozenset[str]:
        """The items withdrawn by the notes up to this place."""
        if place not in self._known:
            newest: Mapping[str, bool] = {note.item_id: note.available for note in self._notes if note.place <= place}
            self._known[place] = frozenset(item for item, available in newest.items() if not available)
        return self._known[place]
