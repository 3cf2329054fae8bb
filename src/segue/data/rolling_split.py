"""Every event asked at its own moment, with all that its user did before it; what is learnt ends before all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from segue.core.errors import DataError
from segue.core.seeding import numpy_generator
from segue.core.shapes import Int
from segue.core.tables import Cases, Dataset, Split
from segue.data.moments import moment_text, quantile
from segue.data.split import Share, SplitRule


class RollingTime(SplitRule):
    """Each event that has one before it is a case; the earliest cases are learnt, the next validate, the last test.

    A validation or test case shows the user's whole past, also what lies after the moment at which learning ended, and
    asks for one event; a user may be asked several times, or be unknown to training. Events of equal time are never cut
    apart, so the shares may be a little smaller than asked for. A user's first event is never asked; where it is early
    enough it is learnt from.

    Source: the protocol of BIGRec (arXiv:2308.08434) and SOFT, which draw their cases from windows of 11 events: of a
    user with more events only those after the tenth are asked, and of a user with fewer only the last. Here every event
    after the first is a case, with whatever came before it. They cut by count, also between events of one second, and
    draw the training samples too; that is `EveryPrefix(samples=4096)` here.
    """

    ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """Share of all cases, the earliest, that are learnt."""
    validation_ratio: Share = 0.1
    """Share of all cases, those that follow, asked in validation; 0 for none. The rest is the test."""
    validation_cases: PositiveInt | None = 512
    """Of the validation cases so many, drawn at random; None for all."""
    test_cases: PositiveInt | None = 1000
    """Of the test cases so many, drawn at random; None for all."""
    sample_seed: NonNegativeInt = 42
    """Which cases are drawn; the run's seed has no part in it."""

    @model_validator(mode="after")
    def _leave_some(self) -> RollingTime:
        if self.ratio + self.validation_ratio >= 1:
            raise PydanticCustomError("shares", "ratio and validation_ratio together leave no case for the test")
        return self

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """The cases by time, each part as many as wanted."""
        times = dataset.log.timestamps
        if times is None:
            raise DataError(
                f"{dataset.name} has no clock times (only the order of each user's events is known), and rolling_time "
                "needs them. Use leave_two_out, leave_one_out, by_ratio or by_user."
            )
        whole = dataset.log.histories()
        users = np.repeat(np.arange(len(whole)), whole.lengths)
        clocks = _latest(np.asarray(times), users)
        asked = 1 + np.flatnonzero(users[1:] == users[:-1])
        if len(asked) == 0:
            raise DataError(f"{dataset.name}: no user has two events, so there is nothing to ask.")
        begin = quantile(clocks[asked], self.ratio)
        late = quantile(clocks[asked], round(self.ratio + self.validation_ratio, 9))
        if clocks[asked].min() >= begin:
            raise DataError(
                f"{dataset.name}: no case is earlier than {moment_text(begin)}, where validation would begin, since "
                "too many events have the same time. Ask for a larger ratio, or use leave_two_out."
            )
        learnt = np.bincount(users[clocks < begin], minlength=len(whole))
        train = replace(whole, ends=whole.starts + learnt).take(np.flatnonzero(learnt))

        def cases(part: str, chosen: Int[np.ndarray, " cases"], most: int | None) -> Cases:
            if most is not None and most < len(chosen):
                rng = numpy_generator(self.sample_seed, "split", "rolling_time", part)
                chosen = np.sort(rng.permutation(chosen)[:most])
            return Cases(replace(whole.take(users[chosen]), ends=chosen), chosen + 1)

        when = clocks[asked]
        validation = cases("validation", asked[(begin <= when) & (when < late)], self.validation_cases)
        return Split(
            dataset,
            f"rolling time: each event after all before it; validation from {moment_text(begin)}, "
            f"{_words(self.validation_cases)}; test from {moment_text(late)}, {_words(self.test_cases)}; "
            f"draws {self.sample_seed}",
            train,
            validation,
            cases("test", asked[when >= late], self.test_cases),
        )


def _latest(times: Int[np.ndarray, " events"], users: Int[np.ndarray, " events"]) -> Int[np.ndarray, " events"]:
    """The latest time of a user's events so far: where a log's own order goes back in time, nothing later is learnt."""
    if len(times) == 0:
        return times
    since = times - times.min()
    apart = users * (since.max() + 1)  # users follow one another, so one running maximum serves them all
    return np.asarray(np.maximum.accumulate(since + apart) - apart + times.min())


def _words(most: int | None) -> str:
    return "all cases" if most is None else f"{most} cases"
