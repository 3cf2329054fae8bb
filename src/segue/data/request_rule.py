"""What every way of cutting a log into requests shares: actions, facts, and the request of this moment."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import PositiveInt

from segue.core.errors import DataError
from segue.core.impressions import UNKNOWN, Impressions, RankingSplit, Schema
from segue.core.shapes import Int
from segue.core.tables import Cases, Dataset, Histories, InteractionLog
from segue.data.facts import Facts, Told, documented, fact_of, read_facts
from segue.data.moments import moment_text
from segue.data.split import SplitRule
from segue.data.tasks import Actions, answers, columns_of


class RequestRule(SplitRule):
    """A way to cut a dataset into requests; what they are about is the same when the fitted ranker is asked."""

    abstract: ClassVar[bool] = True

    actions: Actions = ()
    """What histories tell: columns of zeros and ones, or conditions such as `watch_time >= 10`. An unknown value
    counts as 0."""
    facts: Facts | None = None
    """What rankers are told: columns of the catalog, `user:COLUMN`, `place:COLUMN` of what was shown; [] for nothing.
    Unless given, what kind of item it is and the documented categories of known data. Text, lists and whole numbers are
    categories, other numbers are numbers; `number:COLUMN` and `category:COLUMN` say otherwise."""
    fewest: PositiveInt = 2
    """Values that fewer items (users, events) share count as unknown."""

    def cut(self, dataset: Dataset, seed: int) -> RankingSplit:
        """The dataset cut by this rule."""
        raise NotImplementedError

    @abstractmethod
    def log_of(self, dataset: Dataset) -> InteractionLog:
        """What histories are windows of."""

    @abstractmethod
    def named_tasks(self, dataset: Dataset) -> tuple[str, ...]:
        """What is predicted."""

    @abstractmethod
    def named_actions(self, dataset: Dataset) -> tuple[str, ...]:
        """What histories tell."""

    def schema_of(self, dataset: Dataset, told: Told | None = None) -> Schema:
        """What a ranker is built for."""
        fields = (told or self.told(dataset)).fields
        return Schema(len(dataset.catalog), self.named_tasks(dataset), self.named_actions(dataset), fields)

    def now(self, dataset: Dataset, user: int, items: Int[np.ndarray, " shown"], at: int | None = None) -> Impressions:
        """The one request that asks about these items after everything that a user did.

        Args:
            user: the user's row in the log.
            at: when it is asked (Unix seconds), where times are known; right after the user's last event unless given.

        Raises:
            DataError: `at` lies before the user's last event.
        """
        log = self.log_of(dataset)
        past = log.of_user(user)
        times = past.timestamps
        if times is not None:
            last = int(times[-1]) if len(times) else None
            if at is not None and last is not None and at < last:
                raise DataError(
                    f"{dataset.name}: user {log.users['user_id'][user]!r} is asked at {moment_text(at)}, before the "
                    f"last of their events at {moment_text(last)}; ask at that time or later."
                )
            at = last if at is None else at
        told = self.told(dataset)
        places = [one for one in told.fields if one.of == "place"]
        return Impressions(
            histories=Histories(
                items=past.items,
                starts=np.array([0]),
                ends=np.array([len(past)]),
                users=np.array([user]),
                timestamps=times,
                asked_at=None if at is None or times is None else np.array([at]),
            ),
            actions=self.known_actions(dataset, past),
            items=np.asarray(items),
            bounds=np.array([0, len(items)]),
            labels=np.full((len(items), len(self.named_tasks(dataset))), UNKNOWN, dtype=np.int8),
            events=np.full(len(items), -1),
            features={one.name: np.zeros(len(items), dtype=np.int32 if one.size else np.float32) for one in places},
            users=told.users,
        )

    def known_actions(self, dataset: Dataset, log: InteractionLog) -> Int[np.ndarray, "events actions"]:
        """1 where the user did it, 0 where not or where nobody knows."""
        found = answers(log, self.named_actions(dataset), words_of(dataset), dataset.name)
        return np.maximum(found, 0, out=found)

    def named_facts(self, dataset: Dataset) -> tuple[str, ...]:
        """The facts asked for, or those that are documented and that the answer cannot be read from."""
        if self.facts is not None:
            return self.facts
        answers_of = columns_of(self.named_tasks(dataset))
        facts = documented(dataset.catalog, self.log_of(dataset))
        return tuple(text for text in facts if (fact := fact_of(text)).of != "place" or fact.column not in answers_of)

    def settled(self, dataset: Dataset) -> RequestRule:
        """This rule with the facts by name."""
        return self.model_copy(update={"facts": self.named_facts(dataset)})

    def told(self, dataset: Dataset) -> Told:
        """The facts that rankers are told."""
        log = self.log_of(dataset)
        return read_facts(
            self.named_facts(dataset), dataset.catalog, log, words_of(dataset), fewest=self.fewest, name=dataset.name
        )


def words_of(dataset: Dataset) -> Mapping[str, Sequence[str]]:
    """What the numbers of columns of words stand for."""
    words: Mapping[str, Sequence[str]] = dataset.origin.get("words", {})
    return words


def clock(log: InteractionLog, name: str) -> Int[np.ndarray, " events"]:
    """The times, checked to run forward."""
    times = log.timestamps
    if times is None or not len(times):
        what = "no events to split" if times is not None else "no clock times (only the order of events is known)"
        raise DataError(f"{name} has {what}, and requests are cut by time. Prepare it from a log with a time column.")
    back = times[1:] < times[:-1]
    inner = log.offsets[1:-1]
    back[inner[(inner > 0) & (inner < len(log))] - 1] = False
    if back.any():
        place = int(np.argmax(back)) + 1
        user = int(np.searchsorted(log.offsets, place, side="right")) - 1
        raise DataError(
            f"{name}: times run backwards in {int(back.sum()):,} places; first for user "
            f"{log.users['user_id'][user]!r}, event {place - int(log.offsets[user])}: "
            f"{moment_text(int(times[place]))} comes after {moment_text(int(times[place - 1]))}. "
            "Mend the times, or prepare the log again with order=none, which sorts by time."
        )
    return times


def windows(log: InteractionLog, ends: Int[np.ndarray, " users"]) -> Histories:
    """The events of each user up to `ends`; users without any are left out."""
    whole = log.histories()
    return replace(whole, ends=ends).take(np.flatnonzero(ends > whole.starts))


def nothing(log: InteractionLog) -> Cases:
    """No cases: requests are asked instead."""
    return Cases(log.histories().take(slice(0, 0)), np.zeros(0, dtype=np.int64))
