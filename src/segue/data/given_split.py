"""The cut that the data bring with them: samples or events of which each says whether it is to be learnt or asked."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import polars as pl

from segue.core.errors import DataError
from segue.core.shapes import Int
from segue.core.tables import Cases, Dataset, Histories, Split
from segue.data.order import ordered_by
from segue.data.preparation import ALL
from segue.data.split import Share, SplitRule

log = logging.getLogger(__name__)

PARTS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev", "tune", "tuning"),
    "test": ("test", "testing"),
}
"""The parts, and the words that stand for them, in small letters."""
COLUMN = "split"


class Given(SplitRule):
    """A column says of each sample, or of each event, whether it is train, valid (or tune, dev) or test.

    In a table of samples each user of the log is one sample, and samples that are asked are asked for their last event
    alone. Where there are no training samples, the `valid` ones are learnt, all but the last of them (in the order of
    the file, which is taken for the order of time), which are the validation. Samples of one event have no history and
    are left out; the log counts them. Windows of one person may overlap from sample to sample: what is learnt then has
    some events several times.

    In any other log the column is one of the events. A user is asked for all test events at once, after the training
    and validation events; in validation for those of validation, after the training events. Where the parts do not
    follow each other in time, each user's events are put into the order of the parts, and clock times are left out.
    """

    validation: Share = 0.1
    """Where there are no training samples: share of the `valid` ones that are asked in validation."""

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """The parts as the data say it."""
        if COLUMN in dataset.log.users.columns:
            return self._samples(dataset)
        column = own_cut(dataset)
        if column is None:
            raise DataError(
                f"{dataset.name} has no cut of its own: expected a column 'split' that says train, valid or test, of "
                "the users of a table of samples, or of the events. Use another rule, such as leave_one_out."
            )
        return _events(dataset, column)

    def _samples(self, dataset: Dataset) -> Split:
        _untouched(dataset)
        users, whole = dataset.log.users, dataset.log.histories()
        text = users[COLUMN].cast(str)
        said = part_of(text)
        wrong = text.filter(said.is_null()).drop_nulls()
        if len(wrong):
            raise DataError(f"{dataset.name}: the column 'split' says {wrong[0]!r}; expected {', '.join(PARTS)}.")
        able = whole.lengths >= 2
        if not able.all():
            log.info("%s: %d of %d samples have no history", dataset.name, int((~able).sum()), len(able))
        train, valid, test = (np.flatnonzero(said.eq_missing(part).to_numpy() & able) for part in PARTS)
        learnt = "its train samples; validation: its valid samples"
        if not len(train):
            first = len(valid) - round(self.validation * len(valid))
            train, valid = valid[:first], valid[first:]
            learnt = f"its valid samples; validation: the last {self.validation:g} of them"
        if not len(train) or not len(test):
            raise DataError(
                f"{dataset.name} has {len(train)} samples to learn and {len(test)} to ask; both are needed. The column "
                f"'split' says: {', '.join(map(str, text.unique(maintain_order=True).to_list()))}."
            )

        def last(rows: Int[np.ndarray, " rows"]) -> Cases:
            chosen = whole.take(rows)
            return Cases(replace(chosen, ends=chosen.ends - 1), chosen.ends)

        rule = f"given: last event of the data's own test samples; learnt: {learnt}"
        return Split(dataset, rule, whole.take(train), last(valid), last(test))


def own_cut(dataset: Dataset) -> str | None:
    """The column of the events whose words are parts of a cut, train and test among them; None without one."""
    for column in sorted(dataset.log.columns, key=lambda name: name != COLUMN):
        words = dataset.origin.get("words", {}).get(column, ())
        parts = part_of(pl.Series(words, dtype=pl.String)).to_list()
        if {"train", "test"} <= set(parts) and None not in parts:
            return column
    return None


def part_of(words: pl.Series) -> pl.Series:
    """`train`, `valid` or `test` for each word; null for one that means none of them."""
    meanings = {word: part for part, names in PARTS.items() for word in names}
    return words.str.strip_chars().str.to_lowercase().replace_strict(meanings, default=None, return_dtype=pl.String)


def _events(dataset: Dataset, column: str) -> Split:
    """The cut by a column of the events."""
    words = part_of(pl.Series(dataset.origin["words"][column], dtype=pl.String)).to_list()
    places = np.array([list(PARTS).index(part) for part in words])
    codes = np.asarray(dataset.log.columns[column])
    if (codes < 0).any():
        raise DataError(
            f"{dataset.name}: the column '{column}' says nothing of {int((codes < 0).sum()):,} of {len(codes):,} "
            "events; each must be train, valid or test."
        )
    dataset, parts, moved = _in_parts(dataset, places[codes])
    whole = dataset.log.histories()
    counts = [_counts(whole, parts == place) for place in range(len(PARTS))]
    trained, late = whole.starts + counts[0], whole.starts + counts[0] + counts[1]
    learnt = np.flatnonzero(counts[0] > 0)
    asked, tested = (
        np.flatnonzero((counts[1] > 0) & (counts[0] > 0)),
        np.flatnonzero((counts[2] > 0) & (late > whole.starts)),
    )
    if not len(learnt) or not len(tested):
        raise DataError(
            f"{dataset.name}: by its own column '{column}' {len(learnt):,} users have something to learn and "
            f"{len(tested):,} something to ask with a history before it; both are needed."
        )

    def cases(
        rows: Int[np.ndarray, " rows"], ends: Int[np.ndarray, " users"], stops: Int[np.ndarray, " users"]
    ) -> Cases:
        return Cases(replace(whole.take(rows), ends=ends[rows]), stops[rows])

    order = "its parts are not in the order of time, and clock times are left out; " if moved else ""
    return Split(
        dataset,
        f"given: test events by the data's own column '{column}'; {order}validation: its validation events",
        replace(whole, ends=trained).take(learnt),
        cases(asked, trained, late),
        cases(tested, late, whole.ends),
    )


def _in_parts(dataset: Dataset, parts: Int[np.ndarray, " events"]) -> tuple[Dataset, Int[np.ndarray, " events"], bool]:
    """Each user's events with what is learnt first and what is tested last, the parts so, and whether that moved any
    event that had a time."""
    log = dataset.log
    owners = np.repeat(np.arange(len(log.offsets) - 1), np.diff(log.offsets))
    order = np.lexsort((parts, owners))  # stable
    if (order == np.arange(len(order))).all():
        return dataset, parts, False
    timed = log.timestamps is not None
    view = replace(
        log,
        items=log.items[order],
        timestamps=None,
        columns={name: values[order] for name, values in log.columns.items()},
    )
    return replace(dataset, log=view, origin={**dataset.origin, "ordered": ordered_by(dataset)}), parts[order], timed


def _counts(whole: Histories, chosen: np.ndarray) -> Int[np.ndarray, " users"]:
    before = np.concatenate([[0], np.cumsum(chosen)])
    counts: np.ndarray = before[whole.ends] - before[whole.starts]
    return counts


def _untouched(dataset: Dataset) -> None:
    """Raises:
    DataError: the preparation dropped events out of the midst of samples.
    """
    settings = dataset.origin.get("settings", {})
    changed = [
        name for name in ("core", "user_core", "item_core", "positive") if settings.get(name) not in (None, 0, ALL)
    ]
    changed += ["duplicates"] if settings.get("duplicates", "keep") != "keep" else []
    if changed:
        raise DataError(
            f"{dataset.name}: data.{changed[0]} drops events from within samples, and their last event would no longer "
            f"be the target. Leave {', '.join(f'data.{name}' for name in changed)} as by default."
        )
