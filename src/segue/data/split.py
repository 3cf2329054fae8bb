"""Cutting a log into what is learnt and what is asked: windows over the one log, no event copied."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from segue.core.errors import DataError
from segue.core.part import Part
from segue.core.seeding import numpy_generator
from segue.core.shapes import Bool, Int
from segue.core.tables import Cases, Dataset, Histories, Split
from segue.data.moments import Moment, moment_of, moment_text, quantile
from segue.data.order import ordered_by

log = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class SplitRule(Part):
    """A way to cut a dataset; users that a rule cannot test stay in training, and their number is logged."""

    abstract: ClassVar[bool] = True

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """The dataset cut by this rule.

        Raises:
            DataError: the dataset lacks what the rule needs, or nothing could be tested.
        """
        raise NotImplementedError

    def settled(self, dataset: Dataset) -> SplitRule:
        """This rule with all that it leaves to the dataset decided; `recipe.yaml` says what came out."""
        return self


class LeaveOneOut(SplitRule):
    """Each user's last event is the test; for some users the event before it is the validation.

    The history of a validation user ends before the validation event for training; all others train on everything but
    the last event. The test set does not depend on the seed.
    """

    validation_users: NonNegativeInt = 1024
    """Users with at least three events, drawn at random, whose second-last event is asked in validation."""

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """Test for users with two events or more."""
        whole = dataset.log.histories()
        tested = whole.lengths >= 2
        able = np.flatnonzero(whole.lengths >= 3)
        count = min(self.validation_users, len(able))
        drawn = np.sort(numpy_generator(seed, "split", "leave_one_out").permutation(able)[:count])
        held = tested.astype(np.int64)
        held[drawn] += 1
        return _split(
            dataset,
            rule=f"leave-one-out: last event; validation: second-last event of {self.validation_users} users",
            train_ends=whole.ends - held,
            validation=(drawn, whole.ends[drawn] - 2, whole.ends[drawn] - 1),
            test=_rows(tested, whole.ends - 1, whole.ends),
        )


class LeaveTwoOut(SplitRule):
    """Each user's last event is the test and the one before it the validation, as SASRec and BERT4Rec do it.

    Users with fewer than three events only train.
    """

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """Test and validation for users with three events or more."""
        whole = dataset.log.histories()
        tested = whole.lengths >= 3
        return _split(
            dataset,
            rule="leave-two-out: last event; validation: second-last event of every user",
            train_ends=whole.ends - 2 * tested,
            validation=_rows(tested, whole.ends - 2, whole.ends - 1),
            test=_rows(tested, whole.ends - 1, whole.ends),
        )


class GlobalTime(SplitRule):
    """Everything from one moment on is the test, and no model learns from the future.

    A case asks, after the user's history up to the moment, for all the user's events from it on. Events of equal time
    are never cut apart. Users without a history before the moment cannot be asked and are counted in the log.
    """

    at: Moment = None
    """When the test begins: a date (UTC) or Unix seconds. Without, `ratio` decides."""
    ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.9
    """Share of all events that lie before the test."""
    validation_ratio: Share = 0.1
    """Share of the events before the test, the newest, that are asked in validation; 0 for none."""

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """Windows before and after two moments."""
        times = dataset.log.timestamps
        if times is None:
            known = ordered_by(dataset) != "rows"
            others = "leave_one_out, leave_two_out, by_ratio or by_user" if known else "random_holdout"
            said = "only the order of each user's events is known" if known else "not even the order of events is known"
            raise DataError(f"{dataset.name} has no clock times ({said}), and global_time needs them. Use {others}.")
        if len(times) == 0:
            raise DataError(f"{dataset.name} has no events to split.")
        begin = moment_of(self.at) if self.at is not None else quantile(times, self.ratio)
        before = times[times < begin]
        if len(before) == 0 or len(before) == len(times):
            raise DataError(
                f"{dataset.name}: the test from {moment_text(begin)} on would have "
                f"{'all' if len(before) == 0 else 'none'} of the events; they lie between "
                f"{moment_text(int(times.min()))} and {moment_text(int(times.max()))}."
            )
        asked = quantile(before, 1 - self.validation_ratio) if self.validation_ratio else begin
        starts, ends = dataset.log.offsets[:-1], dataset.log.offsets[1:]
        middle, late = starts + _earlier(dataset, times, asked), starts + _earlier(dataset, times, begin)
        validated, tested = (middle > starts) & (late > middle), (late > starts) & (ends > late)
        new = int(((late == starts) & (ends > late)).sum())
        if new:
            log.info("%s: %d users begin after the test does and cannot be asked", dataset.name, new)
        return _split(
            dataset,
            rule=f"global time: test from {moment_text(begin)}; validation from {moment_text(asked)}",
            train_ends=middle,
            validation=_rows(validated, middle, late),
            test=_rows(tested, late, ends),
            short=None,
        )


class ByUser(SplitRule):
    """Some users are kept out of training altogether and asked for their last events: do unknown users get served?"""

    test: Share = 0.1
    """Share of users asked in the test."""
    validation: Share = 0.1
    """Share of users asked in validation."""
    held_out: PositiveInt = 1
    """Last events of such a user that are asked for; the earlier ones are the history."""

    @model_validator(mode="after")
    def _leave_some(self) -> ByUser:
        if self.test + self.validation >= 1:
            raise PydanticCustomError("shares", "test and validation together leave no user for training")
        return self

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """Users with more than `held_out` events, drawn by the seed."""
        whole = dataset.log.histories()
        able = np.flatnonzero(whole.lengths > self.held_out)
        drawn = numpy_generator(seed, "split", "by_user").permutation(able)
        tests = round(self.test * len(whole))
        validations = round(self.validation * len(whole))
        test, validation = np.sort(drawn[:tests]), np.sort(drawn[tests : tests + validations])
        train_ends = whole.ends.copy()
        train_ends[test], train_ends[validation] = whole.starts[test], whole.starts[validation]
        cut = whole.ends - self.held_out
        return _split(
            dataset,
            rule=f"by user: {self.test:g} of users, last {self.held_out}; validation: {self.validation:g}; seed {seed}",
            train_ends=train_ends,
            validation=(validation, cut[validation], whole.ends[validation]),
            test=(test, cut[test], whole.ends[test]),
            short=None,
        )


class ByRatio(SplitRule):
    """Of each user's events the newest share is the test and the share before it the validation.

    Shares are rounded down, but to one event at least; users with fewer than three events only train.
    """

    test: Share = 0.1
    """Share of a user's events in the test."""
    validation: Share = 0.1
    """Share of a user's events in validation; 0 for none."""

    @model_validator(mode="after")
    def _leave_some(self) -> ByRatio:
        if self.test + self.validation > 2 / 3:
            raise PydanticCustomError(
                "shares", "test and validation together may take two thirds of the events at most"
            )
        return self

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """Test and validation for users with three events or more."""
        whole = dataset.log.histories()
        tested = whole.lengths >= 3
        # A share of 0.1 of 10 events is one event, also in floating point.
        last = _at_least_one(self.test, whole.lengths) * tested
        middle = _at_least_one(self.validation, whole.lengths) * tested
        return _split(
            dataset,
            rule=f"by ratio: newest {self.test:g} of each user; validation: {self.validation:g} before it",
            train_ends=whole.ends - last - middle,
            validation=_rows(middle > 0, whole.ends - last - middle, whole.ends - last),
            test=_rows(last > 0, whole.ends - last, whole.ends),
        )


_Windows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Users, where their histories end, where their targets end."""


def _split(
    dataset: Dataset,
    *,
    rule: str,
    train_ends: Int[np.ndarray, " users"],
    validation: _Windows,
    test: _Windows,
    short: str | None = "too few events to be tested and only train",
) -> Split:
    if dataset.origin.get("source") == "samples":
        raise DataError(
            f"{dataset.name} has samples that were cut out beforehand, and their windows may overlap: by '{rule}' a "
            "system would learn what it is asked. Use split=given, which follows the data's own cut."
        )
    whole = dataset.log.histories()
    if len(test[0]) == 0:
        raise DataError(
            f"{dataset.name}: by '{rule}' nobody can be tested ({len(whole)} users, the longest history has "
            f"{int(whole.lengths.max()) if len(whole) else 0} events)."
        )
    untested = len(whole) - len(test[0])
    if short and untested:
        log.info("%s: %d of %d users have %s", dataset.name, untested, len(whole), short)
    trained = train_ends > whole.starts
    train = replace(whole, ends=train_ends).take(np.flatnonzero(trained))
    return Split(dataset, rule, train, _cases(whole, *validation), _cases(whole, *test))


def _rows(
    chosen: Bool[np.ndarray, " users"], ends: Int[np.ndarray, " users"], stops: Int[np.ndarray, " users"]
) -> _Windows:
    users = np.flatnonzero(chosen)
    return users, ends[users], stops[users]


def _cases(
    whole: Histories, users: Int[np.ndarray, " rows"], ends: Int[np.ndarray, " rows"], stops: Int[np.ndarray, " rows"]
) -> Cases:
    return Cases(replace(whole.take(users), ends=ends), stops)


def _at_least_one(share: float, lengths: Int[np.ndarray, " users"]) -> Int[np.ndarray, " users"]:
    if share == 0:
        return np.zeros(len(lengths), dtype=np.int64)
    return np.maximum(np.floor(share * lengths + 1e-9).astype(np.int64), 1)


def _earlier(dataset: Dataset, times: Int[np.ndarray, " events"], moment: int) -> Int[np.ndarray, " users"]:
    """Events of each user before a moment."""
    offsets = dataset.log.offsets
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    some = np.flatnonzero(np.diff(offsets) > 0)  # reduceat would give a neighbour's event for an empty user
    if len(some):
        counts[some] = np.add.reduceat(times < moment, offsets[:-1][some], dtype=np.int64)
    return counts
