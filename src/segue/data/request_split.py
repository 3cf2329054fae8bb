"""Cutting a log into requests that rankers learn from and requests that they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt
from pydantic_core import PydanticCustomError

from segue.core.errors import DataError
from segue.core.impressions import UNKNOWN, Impressions, RankingSplit
from segue.core.seeding import numpy_generator
from segue.core.shapes import Bool, Int
from segue.core.tables import Dataset, Histories, InteractionLog
from segue.data.facts import Facts, Told, fact_of
from segue.data.moments import Moment, moment_of, moment_text, quantile
from segue.data.request_rule import RequestRule, clock, nothing, windows, words_of
from segue.data.requests import EARLIER, request_bounds
from segue.data.split import Share
from segue.data.tasks import Actions, answers, columns_of, well_known, words_as_actions

__all__ = ["LastEvent", "RequestRule", "RequestsByTime"]


class RequestsByTime(RequestRule):
    """Every request from one moment on is asked; its history is everything before it, also what the test asks about.

    Requests are runs of what a user was shown (of all events, where nobody knows what was shown): those with one value
    in the column `request`, else those that follow each other within `gap` seconds. None is cut apart. A request's
    history are all events of the user's earlier requests with what was done with them, up to that very request: a
    system that is served knows them too, though it was not trained on them.
    """

    tasks: Actions = ()
    """What is predicted: columns of zeros and ones, or conditions such as `rating >= 4`; columns with well-known names,
    such as click, long_view, like and purchase, unless given. Histories tell the same unless `actions` are given."""
    at: Moment = None
    """When the test begins: a date (UTC) or Unix seconds. Without, `ratio` decides."""
    ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """Share of all impressions that lie before the test."""
    validation_ratio: Share = 0.1
    """Share of the impressions before the test, the newest, that are asked in validation; 0 for none."""
    gap: NonNegativeInt = 600
    """Seconds without an impression that end a request, where no column `request` says it."""

    def log_of(self, dataset: Dataset) -> InteractionLog:
        """Everything that was shown, where that is known, else everything that was done."""
        return dataset.log if dataset.exposures is None else dataset.exposures

    def named_tasks(self, dataset: Dataset) -> tuple[str, ...]:
        """The columns and conditions asked for, or those that are actions by their name."""
        log = self.log_of(dataset)
        found = self.tasks or well_known(log)
        if not found:
            raise DataError(
                f"{dataset.name} has no column that is an action by its name; it has: "
                f"{', '.join(log.columns) or 'none'}. "
                'Name what is predicted, such as split.tasks="rating >= 4", or use split=last_event.'
            )
        return found

    def named_actions(self, dataset: Dataset) -> tuple[str, ...]:
        """The actions asked for, or the tasks."""
        return self.actions or self.named_tasks(dataset)

    def cut(self, dataset: Dataset, seed: int) -> RankingSplit:
        """Learnt before one moment, validated from there on, asked from another moment on.

        Raises:
            DataError: there are no times, they run backwards, a task is no column of zeros and ones or constant, or
                nothing can be asked.
        """
        log, tasks, told = self.log_of(dataset), self.named_tasks(dataset), self.told(dataset)
        every = self._requests(dataset, told)
        asked_at, sizes = every.histories.asked_at, every.sizes
        assert asked_at is not None
        known = np.logical_or.reduceat((every.labels != UNKNOWN).any(axis=1), every.bounds[:-1])
        if not known.any():
            _refuse_constant(every.labels, tasks, dataset.name)
        begin = moment_of(self.at) if self.at is not None else _moment(asked_at, sizes, known, self.ratio)
        before = known & (asked_at < begin)
        middle = begin
        if self.validation_ratio and before.any():
            middle = _moment(asked_at, sizes, before, 1 - self.validation_ratio)
        learnt = every.take(np.flatnonzero(before & (asked_at < middle)))
        asked = every.take(np.flatnonzero(known & (asked_at >= begin)))
        if not len(asked) or not len(learnt):
            raise DataError(
                f"{dataset.name}: nothing is {'learnt' if len(asked) else 'asked'} when the test begins at "
                f"{moment_text(begin)} and validation at {moment_text(middle)}; the requests lie between "
                f"{moment_text(int(asked_at.min()))} and {moment_text(int(asked_at.max()))}. Choose another "
                "split.at or split.ratio."
            )
        _refuse_constant(learnt.labels, tasks, dataset.name)
        learnable = np.where(asked_at < middle, sizes, 0)
        counts = np.bincount(every.histories.users, learnable, minlength=len(log.offsets) - 1).astype(np.int64)
        return RankingSplit(
            dataset=dataset,
            rule=f"requests by time: test from {moment_text(begin)}; validation from {moment_text(middle)}; history up "
            f"to each request; {_cut_by(log, self.gap)}; tasks {', '.join(tasks)}",
            train=windows(log, log.offsets[:-1] + counts),
            validation=nothing(log),
            test=nothing(log),
            schema=self.schema_of(dataset, told),
            learnt=learnt,
            validated=every.take(np.flatnonzero(before & (asked_at >= middle))),
            asked=asked,
            item_features=told.items,
        )

    def _requests(self, dataset: Dataset, told: Told) -> Impressions:
        """All requests of the log, those of one user one after another."""
        log, tasks = self.log_of(dataset), self.named_tasks(dataset)
        outcomes = columns_of(tasks)
        for one in told.fields:
            if one.of == "place" and one.name in outcomes:
                raise DataError(f"split.facts: 'place:{one.name}' would tell the answer: it is one of the tasks.")
        times = clock(log, dataset.name)
        labels = answers(log, tasks, words_of(dataset), dataset.name)
        same = self.named_actions(dataset) == tasks
        actions = np.maximum(labels, 0) if same else self.known_actions(dataset, log)
        if EARLIER in log.columns:
            labels[np.asarray(log.columns[EARLIER]) == 1] = UNKNOWN
        bounds = request_bounds(log, self.gap)
        owners = np.searchsorted(log.offsets, bounds[:-1], side="right") - 1
        starts: np.ndarray = log.offsets[owners]
        return Impressions(
            histories=Histories(log.items, starts, bounds[:-1], owners, times, asked_at=times[bounds[:-1]]),
            actions=actions,
            items=log.items,
            bounds=bounds,
            labels=labels,
            events=np.arange(len(log)),
            features=told.places,
            users=told.users,
        )


def _no_places(facts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for text in facts or ():
        if fact_of(text).of == "place":
            raise PydanticCustomError(
                "facts",
                "'{fact}': items that were drawn were shown nowhere; use split=requests_by_time",
                {"fact": text},
            )
    return facts


class LastEvent(RequestRule):
    """For logs that hold only what users took: was it this item or one drawn at random, after all that came before?

    Every event is a positive of the one task `taken`. Test users are those whose last event is later than that of
    `ratio` of the users, and no training user is among them; of both the last events are asked about or learnt.
    The drawn items differ from the taken one and, where the catalog has enough, from each other; they may be in the
    history. They are the same for every seed, while the users of validation are carved by the seed.

    `train` has the events of all users but their last ones, so with `events=1` no item that is asked or learnt as
    taken is ever learnt as the next one.

    Source: GPSD, arXiv:2506.03699, preprocessing of the public sets. Theirs has no validation.
    """

    facts: Annotated[Facts | None, AfterValidator(_no_places)] = None
    """What rankers are told: columns of the catalog, and `user:COLUMN`; [] for nothing. Unless given, what kind of item
    it is and the documented categories of known data."""
    ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.7
    """Share of the users that are not tested: those whose last events are the oldest."""
    validation_users: Share = 0.1
    """Share of the training users whose last event is asked in validation instead of learnt."""
    events: PositiveInt | None = 1
    """Newest events of a training user that are learnt; all of them without."""
    negatives: PositiveInt = 1
    """Items drawn beside each taken one."""
    shortest: NonNegativeInt = 2
    """Events that a history has at least; events after shorter ones are left out."""

    def log_of(self, dataset: Dataset) -> InteractionLog:
        """What users took."""
        return dataset.log

    def named_tasks(self, dataset: Dataset) -> tuple[str, ...]:
        """The one task."""
        return (TAKEN,)

    def named_facts(self, dataset: Dataset) -> tuple[str, ...]:
        """The facts asked for, or those that are documented; none of a place, for drawn items have none."""
        return tuple(fact for fact in super().named_facts(dataset) if fact_of(fact).of != "place")

    def named_actions(self, dataset: Dataset) -> tuple[str, ...]:
        """The actions asked for, or the words of a column such as `behavior`, or that something was taken."""
        return self.actions or words_as_actions(dataset.log, words_of(dataset)) or (TAKEN,)

    def known_actions(self, dataset: Dataset, log: InteractionLog) -> Int[np.ndarray, "events actions"]:
        """What was done with each event; 1 where that is only that it was taken."""
        if self.named_actions(dataset) == (TAKEN,):
            return np.ones((len(log), 1), dtype=np.int8)
        return super().known_actions(dataset, log)

    def cut(self, dataset: Dataset, seed: int) -> RankingSplit:
        """Test for the users whose last events are the newest.

        Raises:
            DataError: there are no times, they run backwards, or nobody can be learnt from or tested.
        """
        log = dataset.log
        times, told = clock(log, dataset.name), self.told(dataset)
        ends, lengths = log.offsets[1:], np.diff(log.offsets)
        able = np.flatnonzero(lengths > self.shortest)
        if not len(able) or len(dataset.catalog) < 2:
            raise DataError(
                f"{dataset.name}: expected users with more than {self.shortest} events and a catalog of two items or "
                f"more; the longest history has {int(lengths.max())} and the catalog {len(dataset.catalog)}."
            )
        last = times[ends[able] - 1]
        threshold = quantile(last, self.ratio)
        tested, trained = able[last > threshold], able[last <= threshold]
        if not len(tested):
            raise DataError(
                f"{dataset.name}: nobody is tested: of {len(able)} users none has a last event after "
                f"{moment_text(threshold)}. Choose a smaller split.ratio."
            )
        rng = numpy_generator(seed, "split", "last_event")
        validated = rng.permutation(trained)[: round(self.validation_users * len(trained))]
        role = np.full(len(lengths), _LEARNT)
        role[tested], role[validated] = _ASKED, _VALIDATED
        counts = lengths[able] - self.shortest
        if self.events is not None:
            counts = np.minimum(counts, self.events)
        counts[role[able] != _LEARNT] = 1
        every = self._samples(dataset, able, counts, times, told)
        roles = role[every.histories.users]
        return RankingSplit(
            dataset=dataset,
            rule=f"last event: of the users whose last event is after {moment_text(threshold)}, against "
            f"{self.negatives} drawn (uniform, seed 0); after {self.shortest} events or more; validation: the last "
            f"event of {self.validation_users:g} of the other users; learnt: newest {self.events or 'all'}",
            train=windows(log, ends - (lengths > 0)),
            validation=nothing(log),
            test=nothing(log),
            schema=self.schema_of(dataset, told),
            learnt=every.take(np.flatnonzero(roles == _LEARNT)),
            validated=every.take(np.flatnonzero(roles == _VALIDATED)),
            asked=every.take(np.flatnonzero(roles == _ASKED)),
            item_features=told.items,
        )

    def _samples(
        self,
        dataset: Dataset,
        users: Int[np.ndarray, " users"],
        counts: Int[np.ndarray, " users"],
        times: Int[np.ndarray, " events"],
        told: Told,
    ) -> Impressions:
        """A request for each of the newest so many events of some users, with what is drawn behind what was taken."""
        log, items = dataset.log, len(dataset.catalog)
        whole = log.histories().take(users)
        places, _ = replace(whole, starts=whole.ends - counts).positions()
        owners = np.repeat(users, counts)
        taken = log.items[places]
        # One draw for all, in the order of the log: the same whoever is carved for validation.
        drawn = numpy_generator(0, "split", "last_event", "drawn").integers(
            items - 1, size=(len(places), self.negatives), dtype=np.int32
        )
        drawn += drawn >= taken[:, None]
        _draw_apart(drawn, taken, items)
        shown = 1 + self.negatives
        positive = np.arange(shown) == 0
        return Impressions(
            histories=Histories(log.items, log.offsets[:-1][owners], places, owners, times, asked_at=times[places]),
            actions=self.known_actions(dataset, log),
            items=np.concatenate([taken[:, None], drawn], axis=1).reshape(-1),
            bounds=np.arange(len(places) + 1) * shown,
            labels=np.tile(positive.astype(np.int8), len(places))[:, None],
            events=np.where(positive, places[:, None], -1).reshape(-1),
            users=told.users,
        )


def _draw_apart(drawn: Int[np.ndarray, "asked negatives"], taken: Int[np.ndarray, " asked"], items: int) -> None:
    """Draw those again that are in their row already, until all of a row differ."""
    if not 1 < drawn.shape[1] < items:
        return
    rng = numpy_generator(0, "split", "last_event", "drawn again")
    while True:
        order = np.argsort(drawn, axis=1, kind="stable")
        ranked = np.take_along_axis(drawn, order, axis=1)
        again = np.zeros(drawn.shape, dtype=bool)
        np.put_along_axis(again, order[:, 1:], ranked[:, 1:] == ranked[:, :-1], axis=1)
        if not again.any():
            return
        rows, _ = np.nonzero(again)
        other = rng.integers(items - 1, size=len(rows), dtype=np.int32)
        drawn[again] = other + (other >= taken[rows])


TAKEN = "taken"
"""The task of a log that holds only what users took."""
_LEARNT, _VALIDATED, _ASKED = range(3)


def _moment(
    asked_at: Int[np.ndarray, " requests"],
    sizes: Int[np.ndarray, " requests"],
    chosen: Bool[np.ndarray, " requests"],
    share: float,
) -> int:
    """The earliest moment from which on at most `1 - share` of the impressions of the chosen requests lie."""
    return quantile(np.repeat(asked_at[chosen], sizes[chosen]), share)


def _refuse_constant(labels: Int[np.ndarray, "shown tasks"], tasks: Sequence[str], name: str) -> None:
    for task, values in zip(tasks, labels.T, strict=True):
        ones, zeros = int((values == 1).sum()), int((values == 0).sum())
        if not ones or not zeros:
            what = (
                f"is {int(ones > 0)} in all {ones + zeros:,} of them" if ones or zeros else "is known in none of them"
            )
            raise DataError(
                f"{name}: the task '{task}' says nothing in the {len(values):,} impressions that are learnt: it {what}."
                " Leave it out with split.tasks=..., or keep what was not taken too (prepare with positive=...)."
            )


def _cut_by(log: InteractionLog, gap: int) -> str:
    return "requests as logged" if "request" in log.columns else f"requests end after {gap} s"
